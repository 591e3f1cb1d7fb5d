import type { UnwatchedAnswer } from '../../agent-api/answers.ts'
import { type Look, lookAtAll, type SrLook } from '../ask/look.ts'
import { knownSrs } from '../ask/pool-names.ts'
import {
  namedOperands,
  pageOf,
  print,
  printJson,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
  talkOf,
  tellProblem,
} from '../ask/shell-command.ts'
import { srDocument } from '../ask/sr-document.ts'
import { gateLines } from '../screen/gate-lines.ts'
import { folded, shown } from '../screen/screen-text.ts'
import { type Page, srLines } from '../screen/sr-lines.ts'
import { type Command, EXIT, readOptions } from '../terminal.ts'

const HELP = `usage: resync-monitor status [OPTION…] [SR…]

How the mirrors of this host are: each SR with its state, progress and reasons, and the hosts of the pool with what is
blocked there. An SR is named by its UUID, or by a beginning of it of four characters or more.

${SHELL_OPTIONS_HELP}

Exits with 0 whatever the state, 1 if the agent does not answer.

Examples: resync-monitor status
          resync-monitor status 5c5c --json
`

export const status: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, SHELL_OPTIONS)
    const talk = talkOf(options)
    const [told, asked] = await Promise.all([lookAtAll(talk, Date.now), talk.unwatched()])
    if (!told.ok) {
      tellProblem(terminal, options, Date.now(), told.problem)
      return EXIT.failed
    }
    const look = { ...told.value, srs: chosenSrs(told.value, options.operands) }
    const unwatched = asked.ok ? asked.value : null
    if (options.flag('json')) printJson(terminal, look.at, statusDocument(look, unwatched))
    else print(terminal, statusLines(look, unwatched, pageOf(terminal, look.at)))
    return EXIT.ok
  },
}

const MAX_UNWATCHED_SHOWN = 20

/** What the host has and no SR watches: a mistyped pattern shows here. */
function unwatchedLines(unwatched: UnwatchedAnswer | null, { columns }: Page): string[] {
  if (unwatched === null) return []
  const { drbd, md, omitted } = unwatched
  const shownNames = [...drbd.map(name => `DRBD ${name}`), ...md.map(name => `md ${name}`)]
  if (shownNames.length === 0) return []
  const first = shownNames.slice(0, MAX_UNWATCHED_SHOWN)
  const more = shownNames.length - first.length + omitted
  const text = `${first.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return ['No SR watches these:', ...folded(shown(text), 2, columns), '']
}

function chosenSrs(look: Look, operands: readonly string[]): readonly SrLook[] {
  if (operands.length === 0) return look.srs
  const watched = new Set(look.srs.map(({ report }) => report.sr))
  const known = knownSrs(look).filter(({ uuid }) => watched.has(uuid))
  const chosen = new Set(namedOperands(operands, known, 'SR').map(({ uuid }) => uuid))
  return look.srs.filter(({ report }) => chosen.has(report.sr))
}

function statusLines({ srs, gate }: Look, unwatched: UnwatchedAnswer | null, page: Page): string[] {
  const told =
    srs.length === 0 ? ['This host watches no SR.', ''] : srs.flatMap(({ report }) => [...srLines(report, page), ''])
  return [...told, ...unwatchedLines(unwatched, page), ...gateLines(gate, page)]
}

function statusDocument({ srs, gate }: Look, unwatched: UnwatchedAnswer | null): Readonly<Record<string, unknown>> {
  return {
    host: srs[0]?.report.host ?? null,
    srs: srs.map(({ report }) => srDocument(report)),
    unwatched,
    gate: gate.ok ? gate.value : null,
    gateProblem: gate.ok ? null : gate.problem,
  }
}
