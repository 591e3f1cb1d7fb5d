import { deadline, pause } from '../../waiting/index.ts'
import { durationOf } from '../duration.ts'
import { progressBar } from '../progress-bar.ts'
import { type Command, type Options, readOptions, type Terminal, UsageError } from '../terminal.ts'
import type { AgentTalk, AskProblem } from './agent-talk.ts'
import { GateGlance } from './gate-glance.ts'
import { interruption } from './interruption.ts'
import { findNamed } from './named-operand.ts'
import { cutEnd, folded, shown } from './screen-text.ts'
import { pageOf, print, printJson, SHELL_OPTIONS, SHELL_OPTIONS_HELP, talkOf } from './shell-command.ts'
import { factsOfGate, factsOfReports, unknownFacts, type WaitFacts } from './wait-facts.ts'
import { WAIT_EXIT, WaitVerdict } from './wait-verdict.ts'

const HELP = `usage: resync-monitor wait [--sr SR | --host HOST] [OPTION…]

Waits until all SRs of this host are in sync, or the one that is named; or, with --host, until the coordinator's gate lets
that host be down. Tells its progress on standard error.

  --sr SR              UUID of an SR, or a beginning of it of four characters or more
  --host HOST          UUID or name of a host of the pool
  --timeout DURATION   90s, 10m, 2h: how long to wait at most (default: without end)
  --unknown-after DURATION
                       give up when the state is not known, or the agent away, for so long (default 60s)
  --operator-after DURATION
                       give up when waiting alone will not do, and somebody has to act, for so long (default 60s)
${SHELL_OPTIONS_HELP}

Exits with 0 in sync, 1 after the timeout, 2 if it stays unknown, 3 if it needs an operator (resync-monitor explain).

Examples: resync-monitor wait && echo "in sync"
          resync-monitor wait --host hostB --timeout 2h && xe host-reboot host=hostB
`

const LOOK_EVERY_MS = 1_000
/** Each look makes the coordinator judge the whole pool. */
const ASK_GATE_EVERY_MS = 2_000

export const wait: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, {
      ...SHELL_OPTIONS,
      sr: { type: 'string' },
      host: { type: 'string' },
      timeout: { type: 'string' },
      'unknown-after': { type: 'string' },
      'operator-after': { type: 'string' },
    })
    const [surplus] = options.operands
    if (surplus !== undefined)
      throw new UsageError(`'${surplus}' is not expected here; --sr or --host names what to wait for`)
    const [sr, host] = [options.text('sr'), options.text('host')]
    if (sr !== undefined && host !== undefined) throw new UsageError('--sr and --host do not go together')
    const timeout = options.text('timeout')
    const patience = {
      timeoutSeconds: timeout === undefined ? null : durationOf('timeout', timeout),
      unknownAfterSeconds: durationOf('unknown-after', options.text('unknown-after') ?? '60s'),
      operatorAfterSeconds: durationOf('operator-after', options.text('operator-after') ?? '60s'),
    }
    const interrupted = interruption()
    const timeOver = timeOverOf(patience.timeoutSeconds)
    // A question that nobody waits for would keep the process alive.
    const over = new AbortController()
    const talk = talkOf(options, AbortSignal.any([interrupted.signal, timeOver, over.signal]))
    const glance = new GateGlance(talk, () => performance.now())
    const verdict = new WaitVerdict(patience, performance.now())
    const teller = new Teller(terminal, options, host === undefined ? { sr: sr ?? null } : { host })
    let last: WaitFacts | null = null
    try {
      for (;;) {
        const found: WaitFacts = host === undefined ? await lookAtReports(talk, glance, sr) : await askGate(talk, host)
        // What was asked when the time was over got no answer for that reason alone.
        const facts: WaitFacts = timeOver.aborted && found.state === 'unknown' ? (last ?? found) : found
        last = facts
        if (interrupted.signal.aborted) return teller.end(WAIT_EXIT.interrupted, null)
        const code = verdict.take(facts, performance.now())
        if (code !== null) return teller.end(code, facts)
        teller.tell(facts)
        const everyMs = host === undefined ? LOOK_EVERY_MS : ASK_GATE_EVERY_MS
        await pause(Math.min(everyMs, verdict.leftMs(performance.now()) ?? everyMs), interrupted.signal)
      }
    } finally {
      over.abort()
      interrupted.end()
    }
  },
}

/** Ends a question that is still open when the time is over. Timers know no longer times than this. */
function timeOverOf(timeoutSeconds: number | null): AbortSignal {
  const isInReach = timeoutSeconds !== null && timeoutSeconds * 1000 < 2 ** 31
  return isInReach ? deadline(timeoutSeconds * 1000) : new AbortController().signal
}

/** @throws UsageError: there is no such SR here */
async function lookAtReports(talk: AgentTalk, glance: GateGlance, wanted: string | undefined): Promise<WaitFacts> {
  const listed = await talk.srs()
  if (!listed.ok) return notKnown(listed.problem)
  let srs = listed.value.map(({ sr }) => sr)
  if (wanted !== undefined) {
    const found = findNamed(
      wanted,
      srs.map(uuid => ({ uuid, name: '' })),
      'SR',
    )
    if (!found.ok) throw new UsageError(`--sr: ${shown(found.why)}`)
    srs = [found.value.uuid]
  }
  const reports = await Promise.all(srs.map(sr => talk.report(sr)))
  const unknown = reports.find(told => !told.ok)
  if (unknown?.ok === false) return notKnown(unknown.problem)
  const told = reports.flatMap(each => (each.ok ? [each.value] : []))
  const gate = told.some(({ state }) => state !== 'synced') ? glance.take() : null
  return factsOfReports(told, gate)
}

/** @throws UsageError: there is no such host in the pool */
async function askGate(talk: AgentTalk, host: string): Promise<WaitFacts> {
  const told = await talk.canReboot([host])
  return told.ok ? factsOfGate(told.value) : notKnown(told.problem)
}

function notKnown({ code, text }: AskProblem): WaitFacts {
  if (code === 'bad-request') throw new UsageError(shown(text))
  return unknownFacts(code, text)
}

/** Tells what has changed since it was told last. */
class Teller {
  readonly #terminal: Terminal
  readonly #options: Options
  readonly #subject: Readonly<Record<string, string | null>>
  #told = ''
  #hasBar = false

  constructor(terminal: Terminal, options: Options, subject: Readonly<Record<string, string | null>>) {
    this.#terminal = terminal
    this.#options = options
    this.#subject = subject
  }

  tell(facts: WaitFacts): void {
    if (this.#options.flag('json')) {
      const { state, needsOperator, progress, reasons, reasonsOmitted } = facts
      const codes = reasons.map(({ code, clearedBy }) => [code, clearedBy])
      const isNew = this.#isNew(JSON.stringify([state, needsOperator, progress, codes, reasonsOmitted]))
      if (isNew) this.#json('change', facts)
      return
    }
    const { stderr } = this.#terminal
    const first = facts.reasons[0]?.text ?? ''
    const line = `${facts.state === 'unknown' ? 'unknown' : 'waiting'}: ${shown(first)}`
    const more = facts.reasons.length - 1 + facts.reasonsOmitted
    const what = more > 0 ? `${line}, and ${more} more` : line
    if (stderr.isTTY === true) {
      const bar = facts.progress === null ? '' : `${progressBar(facts.progress, facts.etaSeconds)}  `
      stderr.write(`\r\x1b[K${cutEnd(bar + what, (stderr.columns ?? 80) - 1)}`)
      this.#hasBar = true
      return
    }
    // The figure in the sentence moves with each look; a log wants its tenths only.
    const key = `${facts.reasons.map(({ code }) => code).join()} ${Math.floor((facts.progress ?? 0) * 10)} ${facts.state}`
    if (!this.#isNew(key)) return
    const bar = facts.progress === null ? '' : `${progressBar(facts.progress, facts.etaSeconds)}  `
    stderr.write(`${bar}${what}\n`)
  }

  /** @returns the exit code */
  end(code: number, facts: WaitFacts | null): number {
    const { stderr } = this.#terminal
    if (this.#hasBar) stderr.write('\r\x1b[K')
    if (this.#options.flag('json')) this.#json('end', facts, code)
    else if (code === WAIT_EXIT.reached) print(this.#terminal, this.#reached(facts))
    else if (code !== WAIT_EXIT.interrupted) stderr.write(`${this.#failed(code, facts)}\n`)
    return code
  }

  #reached(facts: WaitFacts | null): string[] {
    const { paint, columns } = pageOf(this.#terminal, Date.now())
    const { host } = this.#subject
    if (host === undefined) return [paint('good', 'in sync')]
    if (facts?.overridden !== true) return [paint('good', `${shown(host ?? '')} may reboot`)]
    return [
      paint('unsure', `${shown(host ?? '')} may reboot, by override, although storage says no:`),
      ...facts.reasons.flatMap(({ text }) => folded(shown(text), 2, columns)),
    ]
  }

  #failed(code: number, facts: WaitFacts | null): string {
    const words: Readonly<Record<number, string>> = {
      [WAIT_EXIT.timeout]: 'the time is over',
      [WAIT_EXIT.unknown]: 'it stays unknown',
      [WAIT_EXIT.needsOperator]: 'it needs an operator; resync-monitor explain tells what to do',
    }
    const first = facts?.reasons[0]?.text
    return `resync-monitor: ${words[code]}${first === undefined ? '' : `: ${shown(first)}`}`
  }

  #json(event: 'change' | 'end', facts: WaitFacts | null, exitCode: number | null = null): void {
    printJson(this.#terminal, Date.now(), {
      event,
      ...this.#subject,
      ...facts,
      ...(exitCode === null ? {} : { exitCode }),
    })
  }

  #isNew(key: string): boolean {
    const isNew = key !== this.#told
    this.#told = key
    return isNew
  }
}
