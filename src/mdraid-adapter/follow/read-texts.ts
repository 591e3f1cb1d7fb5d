import type { Reading, ReadJob } from '../../platform/file-reader/file-reader.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import { mdProblem } from '../parse/md-reading.ts'

/** A file or directory that goes between the listing and the read is "not said", and no problem (procfs#770). */
const VANISHED: ReadonlySet<string> = new Set(['ENOENT', 'EINVAL', 'ENODEV'])

/** What came of a job, one entry for each of its steps: a file's text, or the names in a directory. */
export interface Brought {
  readonly texts: readonly (string | undefined)[]
  readonly names: readonly (readonly string[] | undefined)[]
  /** The path of the read that the kernel does not answer; `null`: all were answered. */
  readonly hangsAt: string | null
  readonly problems: readonly Problem[]
}

/**
 * Takes apart what came of a job.
 *
 * @param device what its problems are about
 * @param absent errors that say that there is nothing, and are no problem
 */
export function brought(
  { steps }: ReadJob,
  reading: Reading,
  device: string | null,
  absent: ReadonlySet<string> = VANISHED,
): Brought {
  const nothing = steps.map(() => undefined)
  if (reading.kind === 'hangs') {
    const hangs = mdProblem(device, 'read-hung', 'The kernel does not answer a read', endOf(reading.at))
    return { texts: nothing, names: nothing, hangsAt: reading.at, problems: [hangs] }
  }
  if (reading.kind === 'refused') {
    // Of no device: while nothing more is read, nobody knows of any.
    const refused = mdProblem(null, 'read-hung', 'Nothing more is read', reading.why)
    return { texts: nothing, names: nothing, hangsAt: steps[0]?.[0] ?? '', problems: [refused] }
  }
  const problems: Problem[] = []
  for (const [index, result] of reading.results.entries()) {
    if (!('code' in result) || absent.has(result.code)) continue
    const [path = '', limit = 0] = steps[index] ?? []
    if (result.code === 'EFBIG') problems.push(mdProblem(device, 'too-large', `More than ${limit} bytes`, endOf(path)))
    else problems.push(mdProblem(device, 'unreadable', `${result.code} while reading`, endOf(path)))
  }
  return {
    texts: reading.results.map(result => ('text' in result ? result.text : undefined)),
    names: reading.results.map(result => ('names' in result ? result.names : undefined)),
    hangsAt: null,
    problems,
  }
}

/** The wanted names, sorted, at most `limit` of them; that there are more is added to `problems`. */
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

/** What tells one path from another stands at its end, and a problem holds no more. */
function endOf(path: string): string {
  return path.slice(-60)
}
