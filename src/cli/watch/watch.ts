import { foregroundClock, sleep } from '../../platform/time/clock.ts'
import type { AgentQueries, Answer } from '../ask/agent-queries.ts'
import { interruption } from '../ask/interruption.ts'
import { knownSrs } from '../ask/names.ts'
import { correctedByGate, type Overview, readSrs } from '../ask/overview.ts'
import {
  columnsOrDefault,
  namedOperands,
  pageOf,
  printJson,
  queriesOf,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
} from '../ask/shell-command.ts'
import { SteadyProgress } from '../screen/steady-progress.ts'
import { type Command, EXIT, type Options, readOptions, type Terminal } from '../terminal.ts'
import { eventDocument, eventLine, WatchEvents } from './watch-events.ts'
import { watchFrame } from './watch-frame.ts'

const HELP = `usage: resync-monitor watch [OPTION…] [SR…]

Shows what status shows, live: in place on a terminal, otherwise one line for each change. It asks the agent every second and
the gate every 5 s, retries while the agent does not answer, and ends with Ctrl-C.

  SR                   a name, a UUID, or the first four or more characters of a UUID (default: all SRs of this host)
${SHELL_OPTIONS_HELP}

Exit codes: 0 interrupted; 64 wrong usage.

Examples: resync-monitor watch
          resync-monitor watch --json | jq -c '[.event, .state, .progress]'
`

const POLL_EVERY_MS = 1_000
/** Each call makes the coordinator judge the whole pool, and many may watch. */
const POLL_GATE_EVERY_MS = 5_000
const DEFAULT_ROWS = 24
/** Progress in whole percents for programs, in tenths for logs. */
const STEPS_OF_PROGRESS = { json: 100, plain: 10 } as const

const ENTER_SCREEN = '\x1b[?1049h\x1b[?25l'
const LEAVE_SCREEN = '\x1b[?25h\x1b[?1049l'

export const watch: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, SHELL_OPTIONS)
    const interrupted = interruption()
    const screen = screenFor(terminal, options)
    const overviews = new OverviewReader(queriesOf(options, interrupted.signal), options.operands)
    screen.open()
    try {
      while (!interrupted.signal.aborted) {
        const answer = await overviews.next()
        if (interrupted.signal.aborted) break
        screen.show(answer)
        await sleep(foregroundClock, POLL_EVERY_MS, interrupted.signal)
      }
    } finally {
      screen.close()
      interrupted.end()
    }
    return EXIT.ok
  },
}

/** Reads one overview after the other. */
class OverviewReader {
  readonly #agent: AgentQueries
  readonly #operands: readonly string[]
  #gate: Overview['gate'] | null = null
  #gateAskedAtMs = Number.NEGATIVE_INFINITY
  #askingGate: Promise<Overview['gate']> | null = null

  constructor(agent: AgentQueries, operands: readonly string[]) {
    this.#agent = agent
    this.#operands = operands
  }

  /** @throws UsageError an SR that was named is not watched by this host */
  async next(): Promise<Answer<Overview>> {
    const [srs, gate] = await Promise.all([readSrs(this.#agent), this.#pollGate()])
    if (!srs.ok || isAway(gate)) this.#forgetGate()
    if (!srs.ok) return srs
    if (isAway(gate)) return gate
    const overview = { at: foregroundClock.now(), srs: correctedByGate(srs.value, gate), gate }
    if (this.#operands.length === 0) return { ok: true, value: overview }
    const watched = new Set(srs.value.map(({ report }) => report.sr))
    const known = knownSrs(overview).filter(({ uuid }) => watched.has(uuid))
    const chosen = new Set(namedOperands(this.#operands, known, 'SR').map(({ uuid }) => uuid))
    return { ok: true, value: { ...overview, srs: overview.srs.filter(({ report }) => chosen.has(report.sr)) } }
  }

  /** The last answer of the gate, so that a coordinator that does not answer delays nothing. Only the first overview waits for it. */
  #pollGate(): Overview['gate'] | Promise<Overview['gate']> {
    const now = foregroundClock.steadyNow()
    if (this.#askingGate === null && now - this.#gateAskedAtMs >= POLL_GATE_EVERY_MS) {
      this.#gateAskedAtMs = now
      this.#askingGate = this.#agent.gate().then(answer => {
        this.#askingGate = null
        this.#gate = answer
        if (isAway(answer)) this.#forgetGate()
        return answer
      })
    }
    return this.#gate ?? this.#askingGate ?? NOT_ASKED
  }

  /** Forgets the gate's answer, so that an agent that is back is asked at once. */
  #forgetGate(): void {
    this.#gate = null
    this.#gateAskedAtMs = Number.NEGATIVE_INFINITY
  }
}

const NOT_ASKED: Overview['gate'] = {
  ok: false,
  problem: { code: 'toolstackUnreachable', text: 'it has not been asked yet' },
}

/** The agent does not answer; otherwise it is the coordinator. */
function isAway(answer: Overview['gate']): answer is Extract<Overview['gate'], { ok: false }> {
  return !answer.ok && answer.problem.code === 'agent-away'
}

interface Screen {
  open(): void
  show(answer: Answer<Overview>): void
  close(): void
}

function screenFor(terminal: Terminal, options: Options): Screen {
  if (options.flag('json')) {
    const changes = new WatchEvents(STEPS_OF_PROGRESS.json)
    return lineScreen(answer => {
      for (const change of changes.take(answer)) printJson(terminal, foregroundClock.now(), eventDocument(change))
    })
  }
  const { stdout } = terminal
  if (stdout.isTTY === true && process.env.TERM !== 'dumb') return liveScreen(terminal)
  const changes = new WatchEvents(STEPS_OF_PROGRESS.plain)
  return lineScreen(answer => {
    for (const change of changes.take(answer)) stdout.write(`${eventLine(change, foregroundClock.now())}\n`)
  })
}

function lineScreen(show: Screen['show']): Screen {
  return { open: () => undefined, show, close: () => undefined }
}

/** Uses the alternate screen, so that the previous content returns at the end; the last frame is printed below it. */
function liveScreen(terminal: Terminal): Screen {
  const { stdout } = terminal
  const steady = new SteadyProgress()
  let last: Answer<Overview> | null = null
  let frame: readonly string[] = []
  const paint = () => {
    if (last === null) return
    const rows = stdout.rows !== undefined && stdout.rows > 1 ? stdout.rows : DEFAULT_ROWS
    const columns = columnsOrDefault(stdout.columns)
    frame = watchFrame(last, steady, { ...pageOf(terminal, foregroundClock.now()), columns }, rows)
    stdout.write(`\x1b[H${frame.map(line => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
  }
  return {
    open: () => {
      stdout.write(ENTER_SCREEN)
      stdout.on('resize', paint)
    },
    show: answer => {
      last = answer
      paint()
    },
    close: () => {
      stdout.off('resize', paint)
      stdout.write(`${LEAVE_SCREEN}${frame.map(line => `${line}\n`).join('')}`)
    },
  }
}
