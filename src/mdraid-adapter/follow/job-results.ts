import { systemText } from '../../platform/errors.ts'
import type { Reading, ReadJob } from '../../platform/file-reader/file-reader.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import { mdProblem } from '../parse/md-reading.ts'

/** A file or directory that disappears between the listing and the read counts as absent, not as a problem (procfs#770). */
const VANISHED: ReadonlySet<string> = new Set(['ENOENT', 'EINVAL', 'ENODEV'])

/** The results of a read job, one entry for each step: the text of a file, or the names in a directory. */
export interface JobResults {
  readonly texts: readonly (string | undefined)[]
  readonly names: readonly (readonly string[] | undefined)[]
  /** The path of the read that hangs; `null`: none hangs. */
  readonly hangsAt: string | null
  readonly problems: readonly Problem[]
}

/**
 * Splits the outcome of a job into texts, names and problems.
 *
 * @param device the device of the problems
 * @param absent error codes that mean "does not exist" and are no problem
 */
export function resultsOf(
  { steps }: ReadJob,
  reading: Reading,
  device: string | null,
  absent: ReadonlySet<string> = VANISHED,
): JobResults {
  const nothing = steps.map(() => undefined)
  if (reading.kind === 'hangs') {
    const hangs = mdProblem(device, 'read-hung', 'A read of a kernel file hangs', endOf(reading.at))
    return { texts: nothing, names: nothing, hangsAt: reading.at, problems: [hangs] }
  }
  if (reading.kind === 'refused') {
    // Without a device: while nothing is read, arrays may be missed.
    const refused = mdProblem(null, 'read-hung', 'No file was read', reading.why)
    return { texts: nothing, names: nothing, hangsAt: steps[0]?.[0] ?? '', problems: [refused] }
  }
  const problems: Problem[] = []
  for (const [index, result] of reading.results.entries()) {
    if (!('code' in result) || absent.has(result.code)) continue
    const [path = '', limit = 0] = steps[index] ?? []
    if (result.code === 'EFBIG') problems.push(mdProblem(device, 'too-large', `More than ${limit} bytes`, endOf(path)))
    else problems.push(mdProblem(device, 'unreadable', `Cannot be read (${systemText(result.code)})`, endOf(path)))
  }
  return {
    texts: reading.results.map(result => ('text' in result ? result.text : undefined)),
    names: reading.results.map(result => ('names' in result ? result.names : undefined)),
    hangsAt: null,
    problems,
  }
}

/** The wanted names, sorted, at most `limit` of them. If there are more, a problem is added to `problems`. */
export function wantedNames(
  names: readonly string[] | undefined,
  isWanted: (name: string) => boolean,
  limit: number,
  device: string | null,
  problems: Problem[],
): readonly string[] | undefined {
  const wanted = names?.filter(isWanted).sort()
  if (wanted !== undefined && wanted.length > limit) {
    problems.push(mdProblem(device, 'too-many', `More than ${limit} entries`))
  }
  return wanted?.slice(0, limit)
}

/** The end of a path, which distinguishes it from others. The text of a problem is limited. */
function endOf(path: string): string {
  return path.slice(-60)
}
