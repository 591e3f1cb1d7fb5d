import { resolve } from 'node:path'
import type { Named } from '../../agent-api/answers.ts'
import { roundedJson } from '../../platform/json/rounded-json.ts'
import { paintFor } from '../screen/paint.ts'
import { escaped } from '../screen/screen-text.ts'
import type { Page } from '../screen/sr-lines.ts'
import { type Options, type Terminal, UsageError } from '../terminal.ts'
import { AgentQueries, type AskProblem } from './agent-queries.ts'
import { findNamed } from './names.ts'

/** Options of every shell command. */
export const SHELL_OPTIONS = { socket: { type: 'string' }, json: { type: 'boolean' } } as const

export const SHELL_OPTIONS_HELP = `  --socket PATH        socket of this host's agent (default: /run/resync-monitor/agent.sock)
  --json               print JSON; docs/SHELL.md has every key`

const DEFAULT_SOCKET = '/run/resync-monitor/agent.sock'
const DEFAULT_COLUMNS = 80
/** Text in longer lines is hard to read. */
const MAX_COLUMNS = 120
const MIN_COLUMNS = 40

/**
 * @param signal ends every call that is still open
 * @throws UsageError the socket's path is empty
 */
export function queriesOf(options: Options, signal?: AbortSignal): AgentQueries {
  const socket = options.text('socket') ?? DEFAULT_SOCKET
  // In a script `--socket "$SOCKET"` is empty if the variable is not set; that must not ask another agent.
  if (socket === '') throw new UsageError('--socket must not be empty')
  return new AgentQueries(resolve(socket), signal)
}

/** Some terminals report 0 columns: a serial console, or a terminal that was just opened. */
export function columnsOrDefault(columns: number | undefined): number {
  return columns !== undefined && columns > 0 ? columns : DEFAULT_COLUMNS
}

export function pageOf({ stdout }: Terminal, now: number): Page {
  const columns = columnsOrDefault(stdout.columns)
  return { columns: Math.min(MAX_COLUMNS, Math.max(MIN_COLUMNS, columns)), paint: paintFor(stdout), now }
}

/** Prints lines on standard output, without the empty lines at the end. */
export function print({ stdout }: Terminal, lines: readonly string[]): void {
  stdout.write(
    lines
      .slice(0, lines.findLastIndex(line => line !== '') + 1)
      .map(line => `${line}\n`)
      .join(''),
  )
}

/** Prints one JSON document as one line. `schema` rises only when a key changes its meaning. */
export function printJson({ stdout }: Terminal, at: number, document: Readonly<Record<string, unknown>>): void {
  stdout.write(`${roundedJson({ schema: 1, at: new Date(at).toISOString(), ...document })}\n`)
}

/**
 * Prints why there is no answer: a sentence on standard error, and with `--json` a document.
 * @throws UsageError an operand is wrong
 */
export function printProblem(terminal: Terminal, options: Options, at: number, problem: AskProblem): void {
  if (problem.code === 'bad-request') throw new UsageError(escaped(problem.text))
  if (options.flag('json')) printJson(terminal, at, { error: problem })
  terminal.stderr.write(`resync-monitor: ${escaped(problem.text)}\n`)
}

/** The objects that the operands name. @throws UsageError an operand names none, or several */
export function namedOperands<T extends Named>(operands: readonly string[], among: readonly T[], what: string): T[] {
  return operands.map(operand => {
    const found = findNamed(operand, among, what)
    if (!found.ok) throw new UsageError(escaped(found.why))
    return found.value
  })
}
