import type { UnwatchedAnswer } from '../../agent-api/answers.ts'
import { knownHosts, knownSrs, namedBy } from '../ask/names.ts'
import { type Overview, readOverview, type SrOverview } from '../ask/overview.ts'
import {
  namedOperands,
  pageOf,
  print,
  printJson,
  printProblem,
  queriesOf,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
} from '../ask/shell-command.ts'
import { srDocument } from '../ask/sr-document.ts'
import { type Cause, causesOfMirrors } from '../screen/cause.ts'
import { causesOfAbsentHosts, gateLines } from '../screen/gate-lines.ts'
import { escaped, folded } from '../screen/screen-text.ts'
import { type Page, srLines } from '../screen/sr-lines.ts'
import { type Command, EXIT, readOptions } from '../terminal.ts'

const HELP = `usage: resync-monitor status [OPTION…] [SR…]

Shows each SR of this host with its state, progress and root causes, and the hosts of the pool with what is blocked there.

  SR                   a name, a UUID, or the first four or more characters of a UUID (default: all SRs of this host)
${SHELL_OPTIONS_HELP}

Exit codes: 0 answered, whatever the state; 1 the agent does not answer; 64 wrong usage.

Examples: resync-monitor status
          resync-monitor status mirrored --json
`

export const status: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, SHELL_OPTIONS)
    const agent = queriesOf(options)
    const [answer, unwatchedAnswer] = await Promise.all([readOverview(agent, Date.now), agent.unwatched()])
    if (!answer.ok) {
      printProblem(terminal, options, Date.now(), answer.problem)
      return EXIT.failed
    }
    const overview = { ...answer.value, srs: chosenSrs(answer.value, options.operands) }
    const unwatched = unwatchedAnswer.ok ? unwatchedAnswer.value : null
    if (options.flag('json')) printJson(terminal, overview.at, statusDocument(overview, unwatched))
    else print(terminal, statusLines(overview, unwatched, pageOf(terminal, overview.at)))
    return EXIT.ok
  },
}

const MAX_UNWATCHED_SHOWN = 20

/** What this host has and no SR watches. A mistyped pattern shows here. */
function unwatchedLines(unwatched: UnwatchedAnswer | null, { columns }: Page): string[] {
  if (unwatched === null) return []
  const { drbd, md, omitted } = unwatched
  const shownNames = [...drbd.map(name => `DRBD ${name}`), ...md.map(name => `md ${name}`)]
  if (shownNames.length === 0) return []
  const first = shownNames.slice(0, MAX_UNWATCHED_SHOWN)
  const more = shownNames.length - first.length + omitted
  const text = `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return ['No SR watches these:', ...folded(escaped(text), 2, columns), '']
}

function chosenSrs(overview: Overview, operands: readonly string[]): readonly SrOverview[] {
  if (operands.length === 0) return overview.srs
  const watched = new Set(overview.srs.map(({ report }) => report.sr))
  const known = knownSrs(overview).filter(({ uuid }) => watched.has(uuid))
  const chosen = new Set(namedOperands(operands, known, 'SR').map(({ uuid }) => uuid))
  return overview.srs.filter(({ report }) => chosen.has(report.sr))
}

function statusLines(overview: Overview, unwatched: UnwatchedAnswer | null, page: Page): string[] {
  const { srs, gate } = overview
  const known = knownSrs(overview)
  const lines =
    srs.length === 0
      ? ['This host watches no SR.', '']
      : srs.flatMap(sr => [...srLines(sr, namedBy(sr.report.sr, known), causesOfSr(sr, overview), page), ''])
  return [...lines, ...unwatchedLines(unwatched, page), ...gateLines(gate, page)]
}

/** The reasons of one SR on this host, and the gate's about hosts that are down: they are the root cause of lost connections. */
function causesOfSr(sr: SrOverview, overview: Overview): readonly Cause[] {
  const named = namedBy(sr.report.sr, knownSrs(overview))
  const own = causesOfMirrors(sr, namedBy(sr.report.host, knownHosts(overview)), named)
  return [...own, ...causesOfAbsentHosts(overview.gate, sr.report.sr)]
}

function statusDocument({ srs, gate }: Overview, unwatched: UnwatchedAnswer | null): Readonly<Record<string, unknown>> {
  return {
    host: srs[0]?.report.host ?? null,
    srs: srs.map(({ report }) => srDocument(report)),
    unwatched,
    gate: gate.ok ? gate.value : null,
    gateProblem: gate.ok ? null : gate.problem,
  }
}
