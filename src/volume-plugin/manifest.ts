import { fileURLToPath } from 'node:url'
import { readWhole } from '../platform/durable-file/read-whole.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import { QueryResult } from './smapi-methods.ts'

const MAX_MANIFEST_BYTES = 65_536
const MANIFEST_FILE = fileURLToPath(new URL('../../plugin.json', import.meta.url))

/** Reads plugin.json, which is the result of Plugin.Query. @throws Error naming the file */
export async function readManifest(path = MANIFEST_FILE): Promise<QueryResult> {
  const content = await readWhole(path, MAX_MANIFEST_BYTES)
  if (content === null) throw new Error(`${path} is missing`)
  const json = parseJson(content, MAX_MANIFEST_BYTES)
  const manifest = 'value' in json ? json.value : null
  if (!isQueryResult(manifest)) throw new Error(`${path} is not a valid result of Plugin.Query`)
  return manifest
}

/** Not parsed into a new object: the toolstack may know more keys than this version. */
function isQueryResult(value: unknown): value is QueryResult {
  return QueryResult.safeParse(value).success
}
