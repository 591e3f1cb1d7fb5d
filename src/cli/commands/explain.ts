import { hostname } from 'node:os'
import type { Named } from '../../agent-api/answers.ts'
import { type Found, findNamed, knownHosts, knownSrs, labelOf, namedBy, nameOf } from '../ask/names.ts'
import { type Overview, readOverview } from '../ask/overview.ts'
import {
  pageOf,
  print,
  printJson,
  printProblem,
  queriesOf,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
} from '../ask/shell-command.ts'
import { byUrgency, type Cause, causesOfGate, causesOfMirrors } from '../screen/cause.ts'
import { distinctReasons, storageVerdict } from '../screen/gate-lines.ts'
import { rootCauseLines } from '../screen/root-cause-lines.ts'
import { rootCauses } from '../screen/root-causes.ts'
import { escaped, folded } from '../screen/screen-text.ts'
import type { Page } from '../screen/sr-lines.ts'
import { type Command, EXIT, readOptions, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor explain [OPTION…] [SR|HOST]

Shows why something blocks. For each root cause: what happened, to which object, since when, what clears it, and the commands
that an operator runs, with the host where they run. SR: only the reasons of this SR. HOST: only what keeps this host from
rebooting. Without an operand: everything that this host and the gate report.

  SR, HOST             a name, a UUID, or the first four or more characters of a UUID
${SHELL_OPTIONS_HELP}

Exit codes: 0 answered; 1 the agent does not answer, or HOST cannot be checked without the gate; 64 wrong usage.

Examples: resync-monitor explain
          resync-monitor explain hostB
`

export const explain: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, SHELL_OPTIONS)
    const [operand, surplus] = options.operands
    if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here`)
    const answer = await readOverview(queriesOf(options), Date.now)
    if (!answer.ok) {
      printProblem(terminal, options, Date.now(), answer.problem)
      return EXIT.failed
    }
    const overview = answer.value
    const found = operand === undefined ? null : subjectOf(operand, overview)
    if (found?.ok === false) {
      // Without the gate the name may be that of another host of the pool.
      if (overview.gate.ok) throw new UsageError(escaped(found.why))
      printProblem(terminal, options, overview.at, overview.gate.problem)
      return EXIT.failed
    }
    const subject = found === null ? null : found.value
    const causes = byUrgency(causesOf(overview, subject))
    const omitted = omittedFrom(overview, subject)
    if (options.flag('json'))
      printJson(terminal, overview.at, { ...explainDocument(overview, subject, causes), reasonsOmitted: omitted })
    else print(terminal, explainLines(overview, subject, causes, omitted, pageOf(terminal, overview.at)))
    return EXIT.ok
  },
}

interface Subject extends Named {
  readonly kind: 'sr' | 'host'
}

function subjectOf(operand: string, overview: Overview): Found<Subject> {
  const srs = knownSrs(overview).map((sr): Subject => ({ ...sr, kind: 'sr' }))
  const hosts = knownHosts(overview).map((host): Subject => ({ ...host, kind: 'host' }))
  return findNamed(operand, [...srs, ...hosts], 'SR or host')
}

function causesOf(overview: Overview, subject: Subject | null): Cause[] {
  const { srs, gate } = overview
  const ownHost = srs[0]?.report.host ?? null
  const hosts = knownHosts(overview)
  const known = knownSrs(overview)
  const ofMirrors = srs.flatMap(sr =>
    causesOfMirrors(sr, thisHost(sr.report.host, hosts), namedBy(sr.report.sr, known)),
  )
  const gateHosts = gate.ok ? gate.value.hosts : []
  const about = subject?.kind === 'host' ? gateHosts.filter(({ uuid }) => uuid === subject.uuid) : gateHosts
  const ofGate = gate.ok ? causesOfGate(distinctReasons(about), gate.value, ownHost) : []
  if (subject === null) return [...ofMirrors, ...ofGate]
  if (subject.kind === 'sr') return [...ofMirrors, ...ofGate].filter(({ sr }) => sr.uuid === subject.uuid)
  // A mirror of this host may keep that host from rebooting.
  const concerned = new Set(ofGate.map(({ host, sr }) => `${host.uuid} ${sr.uuid}`))
  const ownToo = ofMirrors.filter(
    ({ host, sr }) => host.uuid === subject.uuid || concerned.has(`${host.uuid} ${sr.uuid}`),
  )
  return [...ownToo, ...ofGate]
}

/** How many reasons, or mirrors with reasons, the answers omit. Some of them may not concern the subject. */
function omittedFrom({ srs, gate }: Overview, subject: Subject | null): number {
  const own = srs
    .filter(({ report }) => subject === null || [report.sr, report.host].includes(subject.uuid))
    .reduce((sum, { mirrors }) => sum + mirrors.omitted, 0)
  const hosts = gate.ok ? gate.value.hosts.filter(({ uuid }) => subject?.kind !== 'host' || uuid === subject.uuid) : []
  const reasons = hosts.reduce((most, { reasonsOmitted = 0 }) => Math.max(most, reasonsOmitted), 0)
  const ownHost = srs[0]?.report.host
  const ofMirrors = distinctReasons(hosts)
    // The agent of this host reports more about its own mirrors.
    .filter(({ host, sr }) => host.uuid !== ownHost && (subject?.kind !== 'sr' || sr.uuid === subject.uuid))
    .reduce((sum, { mirrorReasonsOmitted = 0 }) => sum + mirrorReasonsOmitted, 0)
  return own + reasons + ofMirrors
}

/** This host, by the name that the gate knows, otherwise by its hostname. */
function thisHost(uuid: string, known: readonly Named[]): Named {
  const named = namedBy(uuid, known)
  return named.name === '' ? { uuid, name: hostname() } : named
}

function explainLines(
  overview: Overview,
  subject: Subject | null,
  causes: readonly Cause[],
  omitted: number,
  page: Page,
): string[] {
  const more =
    omitted === 0 ? [] : [...folded(`${omitted} more reasons were left out of the answers.`, 0, page.columns), '']
  const lines = [...rootCauseLines(causes, page), ...more]
  const checked = checkedLine(overview)
  if (causes.some(({ blocking }) => blocking)) return [...lines, ...folded(checked, 0, page.columns)]
  const unexplained = blockedWithoutReason(overview, subject)
  const verdict =
    unexplained === null ? nothingBlocks(overview, subject) : `${unexplained}, and the answers have no reason.`
  return [...folded(`${verdict} ${checked}`, 0, page.columns), '', ...lines]
}

function nothingBlocks({ gate }: Overview, subject: Subject | null): string {
  if (subject?.kind === 'sr') return `Nothing blocks SR ${escaped(labelOf(subject))}.`
  if (subject !== null) return `Nothing blocks host ${escaped(nameOf(subject))}.`
  return gate.ok ? 'Nothing blocks.' : 'Nothing blocks on this host.'
}

/** A block without a reason in the answers; `null`: there is none. */
function blockedWithoutReason({ srs, gate }: Pick<Overview, 'srs' | 'gate'>, subject: Subject | null): string | null {
  const isMeant = (kind: Subject['kind'], uuid: string) =>
    subject === null || (subject.kind === kind && subject.uuid === uuid)
  const sr = srs.find(({ report }) => report.state !== 'synced' && isMeant('sr', report.sr))
  if (sr !== undefined)
    return `SR ${escaped(labelOf(namedBy(sr.report.sr, knownSrs({ srs, gate }))))} is ${sr.report.state}`
  const hosts = gate.ok ? gate.value.hosts : []
  const host = hosts.find(each => isMeant('host', each.uuid) && storageVerdict(each) === 'blocked')
  return host === undefined ? null : `host ${escaped(nameOf(host))} is blocked`
}

function checkedLine({ srs, gate }: Overview): string {
  const mirrors = srs.reduce(
    (sum, { mirrors: { counts } }) => sum + Object.values(counts).reduce((a, b) => a + b, 0),
    0,
  )
  const here = `Checked: ${count(srs.length, 'SR')} with ${count(mirrors, 'mirror')} on this host`
  if (!gate.ok) return `${here}. The hosts of the pool were not checked: ${escaped(gate.problem.text)}.`
  const { hosts, coordinator } = gate.value
  const blocked = hosts.filter(host => storageVerdict(host) === 'blocked').length
  const where = coordinator === null ? '' : ` on ${escaped(nameOf(coordinator))}`
  return `${here}; the gate${where}: ${count(hosts.length, 'host')}, ${blocked === 0 ? 'none' : blocked} blocked by storage.`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function explainDocument(
  overview: Overview,
  subject: Subject | null,
  causes: readonly Cause[],
): Readonly<Record<string, unknown>> {
  const { srs, gate } = overview
  return {
    subject,
    rootCauses: rootCauses(causes).map(({ title, blocking, clearedBy, causes: own, consequences }) => ({
      title,
      blocking,
      clearedBy,
      reasons: own.length,
      consequences: consequences.length,
    })),
    causes,
    lookedAt: {
      srs: srs.map(({ report: { sr, state } }) => ({ sr, state })),
      hosts: gate.ok
        ? gate.value.hosts.map(host => ({ uuid: host.uuid, name: host.name, storage: storageVerdict(host) }))
        : null,
    },
    gateProblem: gate.ok ? null : gate.problem,
  }
}
