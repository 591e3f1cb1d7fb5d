import type { Problem, ProblemCode } from '../../sync-query/judge/problem.ts'
import type { HostIdentity } from './config-hosts.ts'
import { parseStatements } from './config-statements.ts'
import { type ConfiguredVolume, volumesOfResource } from './configured-resource.ts'

export interface ParsedConfig {
  /** The volumes that should be there. */
  readonly volumes: readonly ConfiguredVolume[]
  readonly problems: readonly Problem[]
  /** What its `include` lines name: paths, possibly with `*`, `?` and `[…]`. */
  readonly includes: readonly string[]
  /** False: the text ends inside a section, so it names less than it will when it is written. */
  readonly isWhole: boolean
  /** It knows hosts by address: it may say another thing when this host's addresses change. */
  readonly byAddress: boolean
  /** Why it may name more than was understood, although it is whole; `null`: it was understood. */
  readonly doubt: string | null
}

/** A host that recognises itself by nothing: every resource may be its own. */
const ANY_HOST: HostIdentity = { name: null, addresses: null }

/**
 * Reads `resource NAME { … }` sections out of DRBD configuration text (drbd.conf(5)): the volumes that should be up on this
 * host, and the peers of each. Anything within `skip … { }` is passed over, and so are the options. A resource in which the
 * text ends counts as far as it was read.
 */
export function parseDrbdConfig(text: string, file: string, host: HostIdentity = ANY_HOST): ParsedConfig {
  const { statements, isCut, fault } = parseStatements(text)
  const volumes: ConfiguredVolume[] = []
  const includes: string[] = []
  const problems: Problem[] = []
  const problem = (device: string | null, code: ProblemCode, what: string) => {
    problems.push({ device, code, text: `${file} ${what}` })
  }
  if (fault !== null) problem(null, 'config-malformed', `cannot be read by drbdadm: ${fault}`)
  for (const statement of statements) {
    const [keyword, name] = statement.words
    if (keyword === 'include' && name !== undefined) includes.push(name)
    else if (keyword === 'resource' && name !== undefined && statement.section !== null) {
      volumes.push(...volumesOfResource(name, statement, host))
      if (statement.isCut) problem(name, 'config-incomplete', 'ends inside a section')
    } else if (keyword !== 'global' && keyword !== 'common') {
      const what = statement.words.slice(0, 2).join(' ').slice(0, 60)
      problem(null, 'config-malformed', `cannot be read by drbdadm: it has the statement ${what || '{ … }'}`)
    }
  }
  if (isCut && !problems.some(({ code }) => code === 'config-incomplete')) {
    problem(null, 'config-incomplete', 'ends inside a section')
  }
  const doubt = problems.find(({ code }) => code === 'config-malformed')?.text ?? null
  return { volumes, problems, includes, isWhole: !isCut, byAddress: /\bfloating\b/.test(text), doubt }
}
