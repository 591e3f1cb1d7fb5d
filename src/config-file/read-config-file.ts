import { type FileHandle, open } from 'node:fs/promises'
import type { ZodType, z } from 'zod'
import { messageOf } from '../thrown/index.ts'
import { MAX_CONFIG_BYTES, type ParsedConfig, parseConfigFile } from './parse-config-file.ts'

/** Reads a configuration file. What is wrong with it, from "no such file" to a misspelt key, is told as problems. */
export async function readConfigFile<Schema extends ZodType>(
  file: string,
  schema: Schema,
): Promise<ParsedConfig<z.output<Schema>>> {
  const text = await readText(file)
  if (typeof text === 'string') return parseConfigFile(text, file, schema)
  return { ok: false, problems: [{ file, line: 1, key: '', text: text.wrong }] }
}

async function readText(path: string): Promise<string | { readonly wrong: string }> {
  let file: FileHandle | undefined
  try {
    file = await open(path)
    const buffer = Buffer.alloc(MAX_CONFIG_BYTES + 1)
    let length = 0
    for (let bytesRead = -1; bytesRead !== 0 && length <= MAX_CONFIG_BYTES; length += bytesRead) {
      bytesRead = (await file.read(buffer, length, buffer.length - length)).bytesRead
    }
    if (length <= MAX_CONFIG_BYTES) return buffer.toString('utf8', 0, length)
    return { wrong: `larger than ${MAX_CONFIG_BYTES} bytes` }
  } catch (error) {
    return { wrong: messageOf(error) }
  } finally {
    await file?.close()
  }
}
