import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { codeOf } from '../errors.ts'

/** Reads the text of a file; `null`: it does not exist. @throws Error if it is larger than `maxBytes`; the system's error */
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

/** As `readWhole`, synchronously, for small files. */
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
  if (size > maxBytes) throw new Error(`the file has ${size} bytes, more than ${maxBytes}`)
}
