import { fileURLToPath } from 'node:url'
import { readWhole } from '../platform/durable-file/read-whole.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import { isQueryResult, type QueryResult } from './smapi-results.ts'

const MAX_MANIFEST_BYTES = 65_536
const MANIFEST_FILE = fileURLToPath(new URL('../../plugin.json', import.meta.url))

/** plugin.json: the one place that says what Plugin.Query answers. @throws Error naming the file */
export async function readManifest(path = MANIFEST_FILE): Promise<QueryResult> {
  const content = await readWhole(path, MAX_MANIFEST_BYTES)
  if (content === null) throw new Error(`${path} is missing`)
  const json = parseJson(content, MAX_MANIFEST_BYTES)
  const manifest = 'value' in json ? json.value : null
  if (!isQueryResult(manifest)) throw new Error(`${path} is not what Plugin.Query may answer`)
  return manifest
}
