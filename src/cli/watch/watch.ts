import { pause } from '../../platform/time/pause.ts'
import type { AgentTalk, Told } from '../ask/agent-talk.ts'
import { interruption } from '../ask/interruption.ts'
import { asTheGateSees, type Look, lookAtSrs } from '../ask/look.ts'
import { knownSrs } from '../ask/pool-names.ts'
import {
  columnsOrDefault,
  namedOperands,
  pageOf,
  printJson,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
  talkOf,
} from '../ask/shell-command.ts'
import { SteadyProgress } from '../screen/steady-progress.ts'
import { type Command, EXIT, type Options, readOptions, type Terminal } from '../terminal.ts'
import { changeDocument, changeLine, WatchChanges } from './watch-changes.ts'
import { watchFrame } from './watch-frame.ts'

const HELP = `usage: resync-monitor watch [OPTION…] [SR…]

Shows how this host's SRs are and what the gate says of the pool's hosts, in place on a terminal, and one line per change
elsewhere. Goes on until Ctrl-C; an agent that is away is asked again every second.

${SHELL_OPTIONS_HELP}

Exits with 0 when it is interrupted.

Examples: resync-monitor watch
          resync-monitor watch --json | jq -c '[.event, .state, .progress]'
`

const LOOK_EVERY_MS = 1_000
/** Each question makes the coordinator judge the whole pool, and many may watch. */
const ASK_GATE_EVERY_MS = 5_000
const DEFAULT_ROWS = 24
/** Progress in whole percents for programs, in tenths for people's logs. */
const STEPS_OF_PROGRESS = { json: 100, plain: 10 } as const

const ENTER_SCREEN = '\x1b[?1049h\x1b[?25l'
const LEAVE_SCREEN = '\x1b[?25h\x1b[?1049l'

export const watch: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, SHELL_OPTIONS)
    const interrupted = interruption()
    const screen = screenFor(terminal, options)
    const looks = new Looks(talkOf(options, interrupted.signal), options.operands)
    screen.open()
    try {
      while (!interrupted.signal.aborted) {
        const told = await looks.next()
        if (interrupted.signal.aborted) break
        screen.show(told)
        await pause(LOOK_EVERY_MS, interrupted.signal)
      }
    } finally {
      screen.close()
      interrupted.end()
    }
    return EXIT.ok
  },
}

/** One look after the other. */
class Looks {
  readonly #talk: AgentTalk
  readonly #operands: readonly string[]
  #gate: Look['gate'] | null = null
  #gateAskedAtMs = Number.NEGATIVE_INFINITY
  #askingGate: Promise<Look['gate']> | null = null

  constructor(talk: AgentTalk, operands: readonly string[]) {
    this.#talk = talk
    this.#operands = operands
  }

  /** @throws UsageError an SR that was named is not watched by this host */
  async next(): Promise<Told<Look>> {
    const [srs, gate] = await Promise.all([lookAtSrs(this.#talk), this.#askGate()])
    if (!srs.ok || isAway(gate)) this.#forgetGate()
    if (!srs.ok) return srs
    if (isAway(gate)) return gate
    const look = { at: Date.now(), srs: asTheGateSees(srs.value, gate), gate }
    if (this.#operands.length === 0) return { ok: true, value: look }
    const watched = new Set(srs.value.map(({ report }) => report.sr))
    const known = knownSrs(look).filter(({ uuid }) => watched.has(uuid))
    const chosen = new Set(namedOperands(this.#operands, known, 'SR').map(({ uuid }) => uuid))
    return { ok: true, value: { ...look, srs: look.srs.filter(({ report }) => chosen.has(report.sr)) } }
  }

  /** What the gate said last: a coordinator that is away must not stop what this host can tell. Only the first look waits. */
  #askGate(): Look['gate'] | Promise<Look['gate']> {
    const now = performance.now()
    if (this.#askingGate === null && now - this.#gateAskedAtMs >= ASK_GATE_EVERY_MS) {
      this.#gateAskedAtMs = now
      this.#askingGate = this.#talk.gate().then(told => {
        this.#askingGate = null
        this.#gate = told
        if (isAway(told)) this.#forgetGate()
        return told
      })
    }
    return this.#gate ?? this.#askingGate ?? NOT_ASKED
  }

  /** An agent that comes back is asked at once: what it said before may be long ago. */
  #forgetGate(): void {
    this.#gate = null
    this.#gateAskedAtMs = Number.NEGATIVE_INFINITY
  }
}

const NOT_ASKED: Look['gate'] = { ok: false, problem: { code: 'toolstackUnreachable', text: 'it was not asked yet' } }

/** It is the agent that is away, and not the coordinator. */
function isAway(told: Look['gate']): told is Extract<Look['gate'], { ok: false }> {
  return !told.ok && told.problem.code === 'agent-away'
}

interface Screen {
  open(): void
  show(told: Told<Look>): void
  close(): void
}

function screenFor(terminal: Terminal, options: Options): Screen {
  if (options.flag('json')) {
    const changes = new WatchChanges(STEPS_OF_PROGRESS.json)
    return lineScreen(told => {
      for (const change of changes.take(told)) printJson(terminal, Date.now(), changeDocument(change))
    })
  }
  const { stdout } = terminal
  if (stdout.isTTY === true && process.env.TERM !== 'dumb') return liveScreen(terminal)
  const changes = new WatchChanges(STEPS_OF_PROGRESS.plain)
  return lineScreen(told => {
    for (const change of changes.take(told)) stdout.write(`${changeLine(change, Date.now())}\n`)
  })
}

function lineScreen(show: Screen['show']): Screen {
  return { open: () => undefined, show, close: () => undefined }
}

/** Fills the terminal's other screen, so that what was there before is there again; the last frame stays below it. */
function liveScreen(terminal: Terminal): Screen {
  const { stdout } = terminal
  const steady = new SteadyProgress()
  let last: Told<Look> | null = null
  let frame: readonly string[] = []
  const paint = () => {
    if (last === null) return
    const rows = stdout.rows !== undefined && stdout.rows > 1 ? stdout.rows : DEFAULT_ROWS
    const columns = columnsOrDefault(stdout.columns)
    frame = watchFrame(last, steady, { ...pageOf(terminal, Date.now()), columns }, rows)
    stdout.write(`\x1b[H${frame.map(line => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
  }
  return {
    open: () => {
      stdout.write(ENTER_SCREEN)
      stdout.on('resize', paint)
    },
    show: told => {
      last = told
      paint()
    },
    close: () => {
      stdout.off('resize', paint)
      stdout.write(`${LEAVE_SCREEN}${frame.map(line => `${line}\n`).join('')}`)
    },
  }
}
