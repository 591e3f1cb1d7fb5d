import { join } from 'node:path'
import { Errand, listNames, readText } from './limited-read.ts'
import { type ConfiguredArrays, type ParsedArrays, parseMdConfig } from './parse-config.ts'

/** Where mdadm looks, by how it was compiled (config.c): distributions differ in which of the two comes first. */
const CONFIG_FILES = ['etc/mdadm/mdadm.conf', 'etc/mdadm.conf'] as const
const MAX_FILES = 1_000
const MAX_FILE_BYTES = 2 ** 20

/** Nothing is configured there. Whatever else keeps a file or folder from being read says nothing of what it names. */
const NOTHING_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR'])

/**
 * The arrays that this host's configuration says should be up. Never rejects; a file that is not there says nothing, one that
 * cannot be read leaves a doubt.
 *
 * @param root the directory that stands for `/`
 */
export async function readMdConfig(root: string): Promise<ConfiguredArrays> {
  const errand = new Errand(null, NOTHING_THERE)
  const parsed: ParsedArrays[] = []
  for (const file of CONFIG_FILES) {
    const folder = `${file}.d`
    const names = await listNames(join(root, folder), MAX_FILES, errand, isConfigName)
    for (const path of [file, ...(names ?? []).map(name => `${folder}/${name}`)]) {
      const text = await readText(join(root, path), MAX_FILE_BYTES, errand)
      if (text !== undefined) parsed.push(parseMdConfig(text, `/${path}`))
    }
  }
  return {
    arrays: parsed.flatMap(({ arrays }) => arrays),
    incomparable: parsed.flatMap(({ incomparable }) => incomparable),
    problems: [...errand.problems, ...parsed.flatMap(({ problems }) => problems)],
    doubt: errand.problems[0]?.text ?? null,
  }
}

/** As conf_file_or_dir of mdadm has it. */
function isConfigName(name: string): boolean {
  return name.endsWith('.conf') && !name.startsWith('.')
}
