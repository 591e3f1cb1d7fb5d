import type { Named } from '../../agent-api/answers.ts'
import { progressBar } from '../../platform/text/progress-bar.ts'
import { nameOf } from '../ask/names.ts'
import { columnsOrDefault, pageOf, print, printJson } from '../ask/shell-command.ts'
import { cutEnd, escaped, folded } from '../screen/screen-text.ts'
import { SteadyProgress } from '../screen/steady-progress.ts'
import type { Options, Terminal } from '../terminal.ts'
import type { WaitFacts } from './wait-facts.ts'
import { WAIT_EXIT } from './wait-verdict.ts'

/** Prints the progress of a wait and its end. */
export class WaitOutput {
  readonly #terminal: Terminal
  readonly #options: Options
  readonly #kind: 'sr' | 'host'
  #subject: Named | null = null
  readonly #steady = new SteadyProgress()
  #answer = ''
  #hasBar = false

  /** @param kind what the wait is for */
  constructor(terminal: Terminal, options: Options, kind: 'sr' | 'host') {
    this.#terminal = terminal
    this.#options = options
    this.#kind = kind
  }

  /** Sets the SR or host that the operand names. */
  setSubject(subject: Named): void {
    this.#subject = subject
  }

  /** Prints the result of a poll if it differs from the previous one. */
  progress(facts: WaitFacts): void {
    if (this.#options.flag('json')) {
      const { state, needsOperator, progress, reasons, reasonsOmitted } = facts
      const codes = reasons.map(({ code, clearedBy }) => [code, clearedBy])
      const isNew = this.#isNew(JSON.stringify([state, needsOperator, progress, codes, reasonsOmitted]))
      if (isNew) this.#json('change', facts)
      return
    }
    const { stderr } = this.#terminal
    const progress = this.#steady.of('', facts.progressOf, facts.progress)
    this.#steady.endFrame()
    const line = lineOf({ ...facts, progress })
    // A dumb terminal would show the control sequences as text.
    if (stderr.isTTY === true && process.env.TERM !== 'dumb') {
      stderr.write(`\r\x1b[K${cutEnd(line, columnsOrDefault(stderr.columns) - 1)}`)
      this.#hasBar = true
      return
    }
    // The figure in the sentence changes with each poll; a log gets only its tenths.
    const key = `${facts.reasons.map(({ code }) => code).join()} ${Math.floor((progress ?? 0) * 10)} ${facts.state}`
    if (this.#isNew(key)) stderr.write(`${line}\n`)
  }

  /** @returns the exit code */
  end(code: number, facts: WaitFacts | null): number {
    const { stderr } = this.#terminal
    if (this.#hasBar) stderr.write('\r\x1b[K')
    if (this.#options.flag('json')) this.#json('end', facts, code)
    else if (code === WAIT_EXIT.reached) print(this.#terminal, this.#reached(facts))
    else if (code !== WAIT_EXIT.interrupted) stderr.write(`${failed(code, facts)}\n`)
    return code
  }

  #reached(facts: WaitFacts | null): string[] {
    const { paint, columns } = pageOf(this.#terminal, Date.now())
    if (this.#kind === 'sr') return [paint('good', 'in sync')]
    const may = `${this.#subject === null ? 'the host' : escaped(nameOf(this.#subject))} may reboot${facts?.mustBeDisabled === true ? ' once it is disabled' : ''}`
    if (facts?.overridden !== true) return [paint('good', may)]
    return [
      paint('unsure', `${may}, by override, although storage blocks:`),
      ...facts.reasons.flatMap(({ text }) => folded(escaped(text), 2, columns)),
    ]
  }

  #json(event: 'change' | 'end', facts: WaitFacts | null, exitCode: number | null = null): void {
    const { progressOf: _, ...answer } = facts ?? { progressOf: '' }
    printJson(this.#terminal, Date.now(), {
      event,
      [this.#kind]: this.#subject?.uuid ?? null,
      ...(this.#kind === 'host' ? { name: this.#subject?.name ?? null } : {}),
      ...answer,
      ...(exitCode === null ? {} : { exitCode }),
    })
  }

  #isNew(key: string): boolean {
    const isNew = key !== this.#answer
    this.#answer = key
    return isNew
  }
}

/** `[====>   ] 42.1 %  about 2 min left  waiting: …, and 3 more`. */
function lineOf({ state, progress, etaSeconds, reasons, reasonsOmitted }: WaitFacts): string {
  const bar = progress === null ? '' : `${progressBar(progress, etaSeconds)}  `
  const first = reasons[0]?.text ?? ''
  const more = reasons.length - 1 + reasonsOmitted
  return `${bar}${state === 'unknown' ? 'unknown' : 'waiting'}: ${escaped(first)}${more > 0 ? `, and ${more} more` : ''}`
}

function failed(code: number, facts: WaitFacts | null): string {
  const texts: Readonly<Record<number, string>> = {
    [WAIT_EXIT.timeout]: 'timed out',
    [WAIT_EXIT.unknown]: 'the state is unknown',
    [WAIT_EXIT.needsOperator]: 'an operator has to act; see resync-monitor explain',
  }
  const first = facts?.reasons[0]?.text
  return `resync-monitor: ${texts[code]}${first === undefined ? '' : `: ${escaped(first)}`}`
}
