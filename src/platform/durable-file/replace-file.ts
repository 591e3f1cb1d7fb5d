import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Only the daemon's own user may read what it stores. */
const MODE = 0o600

/**
 * Replaces a file so that a crash of the process or of the machine at any moment leaves the old or the new content. A draft that a crash
 * leaves (`.new` beside it) is overwritten by the next call. Do not call it for the same path before the last call has ended.
 * @throws the system's error, such as ENOENT (its folder must exist) or ENOSPC; the old content is unchanged then
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
  // without this the new name may be lost after a power failure
  const directory = await open(dirname(path))
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}
