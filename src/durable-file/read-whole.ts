import { open } from 'node:fs/promises'
import { codeOf } from '../thrown/index.ts'

/** The text of a file; `null` if there is none. @throws Error if it is larger, or the system's error */
export async function readWhole(path: string, maxBytes: number): Promise<string | null> {
  const file = await open(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  })
  if (file === null) return null
  try {
    const { size } = await file.stat()
    if (size > maxBytes) throw new Error(`it has ${size} bytes, more than ${maxBytes}`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}
