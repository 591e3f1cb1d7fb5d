import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Only root has business with what a daemon remembers. */
const MODE = 0o600

/**
 * Replaces a file so that a crash at any moment, of the process or of the machine, leaves the old content or the new one.
 * What a crash leaves of the new one, `.new` beside it, is overwritten by the next. Not to be called again before it is done.
 * @throws the system's error, such as ENOENT (its folder must be there) or ENOSPC: the old content is still there
 */
export async function replaceFile(path: string, content: string | Buffer): Promise<void> {
  const draft = `${path}.new`
  const file = await open(draft, 'w', MODE)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(draft, path)
  // without this the new name may be gone after a power cut
  const directory = await open(dirname(path))
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
