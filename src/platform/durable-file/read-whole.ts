import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { codeOf } from '../errors.ts'

/** The text of a file; `null` if there is none. @throws Error if it is larger, or the system's error */
export async function readWhole(path: string, maxBytes: number): Promise<string | null> {
  const file = await open(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  })
  if (file === null) return null
  try {
    checkSize(await file.stat(), maxBytes)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** The same, of a small file, for whoever cannot wait. */
export function readWholeSync(path: string, maxBytes: number): string | null {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return null
    throw error
  }
  try {
    checkSize(fstatSync(file), maxBytes)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function checkSize({ size }: { readonly size: number }, maxBytes: number): void {
  if (size > maxBytes) throw new Error(`it has ${size} bytes, more than ${maxBytes}`)
}
