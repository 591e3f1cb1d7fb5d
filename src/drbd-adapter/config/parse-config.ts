import type { Problem, ProblemCode } from '../../sync-query/judge/problem.ts'
import type { HostIdentity } from './config-hosts.ts'
import { parseStatements } from './config-statements.ts'
import { type ConfiguredVolume, volumesOfResource } from './configured-resource.ts'

export interface ParsedDrbdConfig {
  /** The volumes that the text defines for this host. */
  readonly volumes: readonly ConfiguredVolume[]
  readonly problems: readonly Problem[]
  /** The paths of its `include` lines, possibly with `*`, `?` and `[…]`. */
  readonly includes: readonly string[]
  /** False: the text ends inside a section; more may follow when the file is written. */
  readonly isWhole: boolean
  /** The text refers to hosts by address: its meaning depends on this host's addresses. */
  readonly byAddress: boolean
  /** Why the complete text may define more volumes than were understood; `null`: it was understood. */
  readonly doubt: string | null
}

/** A host without name and addresses: every resource may be its own. */
const ANY_HOST: HostIdentity = { name: null, addresses: null }

/**
 * Parses the `resource NAME { … }` sections of DRBD configuration text (drbd.conf(5)) into the volumes of this host with their
 * peers. Ignores options and everything within `skip … { }`. A resource in which the text ends counts as far as it is written.
 */
export function parseDrbdConfig(text: string, file: string, host: HostIdentity = ANY_HOST): ParsedDrbdConfig {
  const { statements, isCut, fault } = parseStatements(text)
  const volumes: ConfiguredVolume[] = []
  const includes: string[] = []
  const problems: Problem[] = []
  const problem = (device: string | null, code: ProblemCode, what: string) => {
    problems.push({ device, code, text: `${file} ${what}` })
  }
  if (fault !== null) problem(null, 'config-malformed', `is rejected by drbdadm: ${fault}`)
  for (const statement of statements) {
    const [keyword, name] = statement.words
    if (keyword === 'include' && name !== undefined) includes.push(name)
    else if (keyword === 'resource' && name !== undefined && statement.section !== null) {
      volumes.push(...volumesOfResource(name, statement, host))
      if (statement.isCut) problem(name, 'config-incomplete', 'ends inside a section')
    } else if (keyword !== 'global' && keyword !== 'common') {
      const what = statement.words.slice(0, 2).join(' ').slice(0, 60)
      problem(null, 'config-malformed', `is rejected by drbdadm: it has the statement ${what || '{ … }'}`)
    }
  }
  if (isCut && !problems.some(({ code }) => code === 'config-incomplete')) {
    problem(null, 'config-incomplete', 'ends inside a section')
  }
  const doubt = problems.find(({ code }) => code === 'config-malformed')?.text ?? null
  return { volumes, problems, includes, isWhole: !isCut, byAddress: /\bfloating\b/.test(text), doubt }
}
