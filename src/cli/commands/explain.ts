import { hostname } from 'node:os'
import type { Named } from '../../agent-api/answers.ts'
import { type Look, lookAtAll } from '../ask/look.ts'
import { type Found, findNamed } from '../ask/named-operand.ts'
import { knownHosts, knownSrs, namedBy } from '../ask/pool-names.ts'
import {
  pageOf,
  print,
  printJson,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
  talkOf,
  tellProblem,
} from '../ask/shell-command.ts'
import { byUrgency, type Cause, causesOfGate, causesOfMirrors, nameOf } from '../screen/cause.ts'
import { causeLines } from '../screen/cause-lines.ts'
import { distinctReasons, storageVerdict } from '../screen/gate-lines.ts'
import { folded, shown } from '../screen/screen-text.ts'
import type { Page } from '../screen/sr-lines.ts'
import { type Command, EXIT, readOptions, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor explain [OPTION…] [SR|HOST]

Why something blocks: each reason with where it is, since when, what clears it, and the commands that an operator would
run, and on which host. Of one SR, of what keeps one host from rebooting, or of everything that this host and the gate know.
An SR or HOST is named by its UUID or a beginning of it of four characters or more; a host by its name too.

${SHELL_OPTIONS_HELP}

Exits with 0 if that could be told, 1 if the agent does not answer.

Examples: resync-monitor explain
          resync-monitor explain hostB
`

export const explain: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, SHELL_OPTIONS)
    const [operand, surplus] = options.operands
    if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here`)
    const told = await lookAtAll(talkOf(options), Date.now)
    if (!told.ok) {
      tellProblem(terminal, options, Date.now(), told.problem)
      return EXIT.failed
    }
    const look = told.value
    const found = operand === undefined ? null : subjectOf(operand, look)
    if (found?.ok === false) {
      // It may be a host of which nothing is known because the gate could not be asked.
      if (look.gate.ok) throw new UsageError(shown(found.why))
      tellProblem(terminal, options, look.at, look.gate.problem)
      return EXIT.failed
    }
    const subject = found === null ? null : found.value
    const causes = byUrgency(causesOf(look, subject))
    const omitted = omittedFrom(look, subject)
    if (options.flag('json'))
      printJson(terminal, look.at, { ...explainDocument(look, subject, causes), reasonsOmitted: omitted })
    else print(terminal, explainLines(look, subject, causes, omitted, pageOf(terminal, look.at)))
    return EXIT.ok
  },
}

interface Subject extends Named {
  readonly kind: 'sr' | 'host'
}

function subjectOf(operand: string, look: Look): Found<Subject> {
  const srs = knownSrs(look).map((sr): Subject => ({ ...sr, kind: 'sr' }))
  const hosts = knownHosts(look).map((host): Subject => ({ ...host, kind: 'host' }))
  return findNamed(operand, [...srs, ...hosts], 'SR or host')
}

function causesOf(look: Look, subject: Subject | null): Cause[] {
  const { srs, gate } = look
  const ownHost = srs[0]?.report.host ?? null
  const hosts = knownHosts(look)
  const known = knownSrs(look)
  const ofMirrors = srs.flatMap(sr =>
    causesOfMirrors(sr, thisHost(sr.report.host, hosts), namedBy(sr.report.sr, known)),
  )
  const gateHosts = gate.ok ? gate.value.hosts : []
  const about = subject?.kind === 'host' ? gateHosts.filter(({ uuid }) => uuid === subject.uuid) : gateHosts
  const ofGate = gate.ok ? causesOfGate(distinctReasons(about), gate.value, ownHost) : []
  if (subject === null) return [...ofMirrors, ...ofGate]
  if (subject.kind === 'sr') return [...ofMirrors, ...ofGate].filter(({ sr }) => sr.uuid === subject.uuid)
  // What keeps that host from rebooting may be a mirror of this host.
  const concerned = new Set(ofGate.map(({ host, sr }) => `${host.uuid} ${sr.uuid}`))
  const ownToo = ofMirrors.filter(
    ({ host, sr }) => host.uuid === subject.uuid || concerned.has(`${host.uuid} ${sr.uuid}`),
  )
  return [...ownToo, ...ofGate]
}

/** How many reasons, or mirrors with reasons, the answers had no room for. Which of them concern the subject is not known. */
function omittedFrom({ srs, gate }: Look, subject: Subject | null): number {
  const own = srs
    .filter(({ report }) => subject === null || [report.sr, report.host].includes(subject.uuid))
    .reduce((sum, { mirrors }) => sum + mirrors.omitted, 0)
  const hosts = gate.ok ? gate.value.hosts.filter(({ uuid }) => subject?.kind !== 'host' || uuid === subject.uuid) : []
  const reasons = hosts.reduce((most, { reasonsOmitted = 0 }) => Math.max(most, reasonsOmitted), 0)
  const ownHost = srs[0]?.report.host
  const ofMirrors = distinctReasons(hosts)
    // This host's own mirrors tell more of themselves.
    .filter(({ host, sr }) => host.uuid !== ownHost && (subject?.kind !== 'sr' || sr.uuid === subject.uuid))
    .reduce((sum, { mirrorReasonsOmitted = 0 }) => sum + mirrorReasonsOmitted, 0)
  return own + reasons + ofMirrors
}

/** Where the gate does not tell its name, the host itself does. */
function thisHost(uuid: string, known: readonly Named[]): Named {
  const named = namedBy(uuid, known)
  return named.name === '' ? { uuid, name: hostname() } : named
}

function explainLines(
  look: Look,
  subject: Subject | null,
  causes: readonly Cause[],
  omitted: number,
  page: Page,
): string[] {
  const more = omitted === 0 ? [] : [...folded(`${omitted} more were left out of the answers.`, 0, page.columns), '']
  const told = [...causeLines(causes, page), ...more]
  const lookedAt = lookedAtWords(look)
  if (causes.some(({ blocking }) => blocking)) return [...told, ...folded(lookedAt, 0, page.columns)]
  const untold = blockedWithoutReason(look, subject)
  const verdict = untold === null ? `${nothingWords(look, subject)} blocks.` : `${untold}, and no reason is told.`
  return [...folded(`${verdict} ${lookedAt}`, 0, page.columns), '', ...told]
}

function nothingWords({ gate }: Look, subject: Subject | null): string {
  if (subject !== null) return `Nothing of ${subject.kind} ${shown(nameOf(subject))}`
  return gate.ok ? 'Nothing' : 'Nothing on this host'
}

/** That nothing blocks is said where everything was found well, never for want of reasons alone. */
function blockedWithoutReason({ srs, gate }: Look, subject: Subject | null): string | null {
  const isMeant = (kind: Subject['kind'], uuid: string) =>
    subject === null || (subject.kind === kind && subject.uuid === uuid)
  const sr = srs.find(({ report }) => report.state !== 'synced' && isMeant('sr', report.sr))
  if (sr !== undefined) return `SR ${shown(sr.report.sr)} is ${sr.report.state}`
  const hosts = gate.ok ? gate.value.hosts : []
  const host = hosts.find(each => isMeant('host', each.uuid) && storageVerdict(each) === 'blocked')
  return host === undefined ? null : `host ${shown(nameOf(host))} is blocked`
}

function lookedAtWords({ srs, gate }: Look): string {
  const mirrors = srs.reduce(
    (sum, { mirrors: { counts } }) => sum + Object.values(counts).reduce((a, b) => a + b, 0),
    0,
  )
  const here = `Looked at: ${count(srs.length, 'SR')} with ${count(mirrors, 'mirror')} on this host`
  if (!gate.ok) return `${here}. Hosts of the pool were not looked at: ${shown(gate.problem.text)}.`
  const { hosts, coordinator } = gate.value
  const blocked = hosts.filter(host => storageVerdict(host) === 'blocked').length
  const where = coordinator === null ? '' : ` on ${shown(nameOf(coordinator))}`
  return `${here}; the gate${where}: ${count(hosts.length, 'host')}, ${blocked === 0 ? 'none' : blocked} blocked by storage.`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function explainDocument(
  look: Look,
  subject: Subject | null,
  causes: readonly Cause[],
): Readonly<Record<string, unknown>> {
  const { srs, gate } = look
  return {
    subject,
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
