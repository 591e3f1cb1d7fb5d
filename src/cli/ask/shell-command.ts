import { resolve } from 'node:path'
import type { Named } from '../../agent-api/answers.ts'
import { paintFor } from '../screen/paint.ts'
import { shown } from '../screen/screen-text.ts'
import type { Page } from '../screen/sr-lines.ts'
import { type Options, type Terminal, UsageError } from '../terminal.ts'
import { AgentTalk, type AskProblem } from './agent-talk.ts'
import { findNamed } from './named-operand.ts'

/** Options that every command of the operator's shell takes. */
export const SHELL_OPTIONS = { socket: { type: 'string' }, json: { type: 'boolean' } } as const

export const SHELL_OPTIONS_HELP = `  --socket PATH        where this host's agent answers (default /run/resync-monitor/agent.sock)
  --json               for programs: docs/SHELL.md has every key`

const DEFAULT_SOCKET = '/run/resync-monitor/agent.sock'
const DEFAULT_COLUMNS = 80
/** Longer lines are hard to read. */
const MAX_COLUMNS = 120
const MIN_COLUMNS = 40

/**
 * @param signal ends every question that is still open
 * @throws UsageError there can be no such socket
 */
export function talkOf(options: Options, signal?: AbortSignal): AgentTalk {
  const socket = options.text('socket') ?? DEFAULT_SOCKET
  // `--socket "$SOCKET"` of a script in which that is not set must not ask the agent in the working directory, or another one.
  if (socket === '') throw new UsageError('--socket must not be empty')
  return new AgentTalk(resolve(socket), signal)
}

/** Some terminals say that they have 0 columns: a serial console, one that was just opened. */
export function columnsOrDefault(columns: number | undefined): number {
  return columns !== undefined && columns > 0 ? columns : DEFAULT_COLUMNS
}

export function pageOf({ stdout }: Terminal, now: number): Page {
  const columns = columnsOrDefault(stdout.columns)
  return { columns: Math.min(MAX_COLUMNS, Math.max(MIN_COLUMNS, columns)), paint: paintFor(stdout), now }
}

/** Prints lines to standard output, without empty ones at the end. */
export function print({ stdout }: Terminal, lines: readonly string[]): void {
  stdout.write(
    lines
      .slice(0, lines.findLastIndex(line => line !== '') + 1)
      .map(line => `${line}\n`)
      .join(''),
  )
}

/** Prints one JSON document, or one of several lines of them. `schema` rises only when a key changes its meaning. */
export function printJson({ stdout }: Terminal, at: number, document: Readonly<Record<string, unknown>>): void {
  stdout.write(`${JSON.stringify({ schema: 1, at: new Date(at).toISOString(), ...document })}\n`)
}

/**
 * Tells that a question got no answer: a sentence on standard error and, where asked for, a document as well.
 * @throws UsageError where the question made no sense: an operand is wrong
 */
export function tellProblem(terminal: Terminal, options: Options, at: number, problem: AskProblem): void {
  if (problem.code === 'bad-request') throw new UsageError(shown(problem.text))
  if (options.flag('json')) printJson(terminal, at, { error: problem })
  terminal.stderr.write(`resync-monitor: ${shown(problem.text)}\n`)
}

/** What the operands mean. @throws UsageError naming the one that means nothing, or several things */
export function namedOperands<T extends Named>(operands: readonly string[], among: readonly T[], what: string): T[] {
  return operands.map(operand => {
    const found = findNamed(operand, among, what)
    if (!found.ok) throw new UsageError(shown(found.why))
    return found.value
  })
}
