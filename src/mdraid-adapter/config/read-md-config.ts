import { join } from 'node:path'
import type { FileReader, ReadJob } from '../../platform/file-reader/file-reader.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import { resultsOf, wantedNames } from '../follow/job-results.ts'
import { type ConfiguredArrays, type ParsedArrays, parseMdConfig } from './parse-md-config.ts'

/** The files that mdadm reads (config.c). Distributions differ in which of the two comes first. */
const CONFIG_FILES = ['etc/mdadm/mdadm.conf', 'etc/mdadm.conf'] as const
const MAX_FILES = 1_000
const MAX_FILE_BYTES = 2 ** 20

/** Errors that mean that nothing is configured there. After any other error the content is not known. */
const NOTHING_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR'])

/**
 * Reads which arrays should exist by this host's configuration. Never rejects. A missing file configures nothing; a file that cannot be
 * read leaves a doubt.
 *
 * @param root the directory that is used as `/`
 */
export async function readMdConfig(root: string, files: FileReader): Promise<ConfiguredArrays> {
  const problems: Problem[] = []
  const ask = async (job: ReadJob) => {
    const answer = resultsOf(job, await files.read(job), null, NOTHING_THERE)
    problems.push(...answer.problems)
    return answer
  }
  const folders = await ask({
    key: 'folders of mdadm.conf',
    steps: CONFIG_FILES.map(file => [join(root, `${file}.d`), -1]),
  })
  const paths = CONFIG_FILES.flatMap((file, index) => {
    const names = wantedNames(folders.names[index], isConfigName, MAX_FILES, null, problems) ?? []
    return [file, ...names.map(name => `${file}.d/${name}`)]
  })
  const { texts } = await ask({
    key: 'mdadm.conf',
    steps: paths.map(path => [join(root, path), MAX_FILE_BYTES]),
  })
  const parsed: ParsedArrays[] = []
  for (const [index, text] of texts.entries()) {
    if (text !== undefined) parsed.push(parseMdConfig(text, `/${paths[index]}`))
  }
  return {
    arrays: parsed.flatMap(({ arrays }) => arrays),
    incomparable: parsed.flatMap(({ incomparable }) => incomparable),
    problems: [...problems, ...parsed.flatMap(each => each.problems)],
    doubt: problems[0]?.text ?? null,
  }
}

/** As in conf_file_or_dir of mdadm. */
function isConfigName(name: string): boolean {
  return name.endsWith('.conf') && !name.startsWith('.')
}
