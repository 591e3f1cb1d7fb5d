import { isUtf8 } from 'node:buffer'
import { type FileHandle, open } from 'node:fs/promises'
import type { ZodType, z } from 'zod'
import { bareMessageOf } from '../errors.ts'
import { MAX_CONFIG_BYTES, type ParsedConfigFile, parseConfigFile } from './parse-config-file.ts'

/** Reads a configuration file. Never rejects: everything from a missing file to a misspelt key is a problem in the result. */
export async function readConfigFile<Schema extends ZodType>(
  file: string,
  schema: Schema,
): Promise<ParsedConfigFile<z.output<Schema>>> {
  const text = await readText(file)
  if (typeof text === 'string') return parseConfigFile(text, file, schema)
  return { ok: false, problems: [{ file, line: text.line, key: '', text: text.wrong }] }
}

async function readText(path: string): Promise<string | { readonly wrong: string; readonly line: number }> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const buffer = Buffer.alloc(MAX_CONFIG_BYTES + 1)
    let length = 0
    for (let bytesRead = -1; bytesRead !== 0 && length <= MAX_CONFIG_BYTES; length += bytesRead) {
      bytesRead = (await file.read(buffer, length, buffer.length - length)).bytesRead
    }
    if (length > MAX_CONFIG_BYTES) return { wrong: `larger than ${MAX_CONFIG_BYTES} bytes`, line: 1 }
    const content = buffer.subarray(0, length)
    // Decoded as UTF-8 anyway, a name would become another name.
    return isUtf8(content) ? content.toString() : { wrong: 'not UTF-8', line: firstLineNotUtf8(content) }
  } catch (error) {
    return { wrong: `cannot be read: ${bareMessageOf(error)}`, line: 1 }
  } finally {
    await file?.close()
  }
}

/** In UTF-8 the byte of a newline is never part of another character. */
function firstLineNotUtf8(content: Buffer): number {
  let line = 1
  for (let start = 0; start < content.length; line += 1) {
    const at = content.indexOf('\n', start)
    const end = at === -1 ? content.length : at
    if (!isUtf8(content.subarray(start, end))) return line
    start = end + 1
  }
  return 1
}
