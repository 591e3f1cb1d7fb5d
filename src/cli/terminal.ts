import type { Readable, Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { messageOf } from '../platform/errors.ts'
import { parseDuration } from '../platform/text/duration.ts'
import { nearestWord } from './nearest-word.ts'

/** The streams of a command. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & {
    readonly isTTY?: boolean
    readonly columns?: number
    readonly rows?: number
    /** Whether it supports colours and its user wants them (`NO_COLOR`, `TERM`). */
    hasColors?(): boolean
  }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
}

/** Exit codes; from 64 on those of sysexits(3). */
export const EXIT = { ok: 0, failed: 1, usage: 64, dataError: 65, noInput: 66 } as const

/** A command as the list of commands has it. */
export interface ListedCommand {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Loads the command. Only the command that runs is loaded, so that a daemon does not carry the demo. */
  readonly load: () => Promise<Command>
}

export interface Command {
  /** The text of `--help`. */
  readonly help: string
  /** @throws UsageError the arguments are wrong */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** The arguments are wrong; the message names the option or operand. */
export class UsageError extends Error {}

export interface OptionSpec {
  readonly type: 'string' | 'boolean'
}

export interface Options {
  text(name: string): string | undefined
  flag(name: string): boolean
  /** The value if it is one of `words`. @throws UsageError */
  choice<Word extends string>(name: string, words: readonly Word[]): Word | undefined
  readonly operands: readonly string[]
  /** The only operand: a path, or `-` for standard input. @throws UsageError */
  path(): string
}

/** Reads `--name value`, `--name=value` and `--flag`. @throws UsageError an option is unknown or has no value */
export function readOptions(args: readonly string[], specs: Readonly<Record<string, OptionSpec>>): Options {
  const { values, positionals } = parse(args, specs)
  const text = (name: string) => {
    const value = values[name]
    return typeof value === 'string' ? value : undefined
  }
  return {
    text,
    flag: name => values[name] === true,
    choice: (name, words) => {
      const value = text(name)
      if (value === undefined) return undefined
      const word = words.find(each => each === value)
      if (word === undefined) throw new UsageError(`--${name} must be one of ${words.join(', ')}, not '${value}'`)
      return word
    },
    operands: positionals,
    path: () => {
      const [path, surplus] = positionals
      if (path === undefined) throw new UsageError('a PATH is missing (- is standard input)')
      if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here`)
      return path
    },
  }
}

function parse(args: readonly string[], specs: Readonly<Record<string, OptionSpec>>) {
  try {
    return parseArgs({ args: [...args], options: { ...specs }, allowPositionals: true, strict: true })
  } catch (error) {
    const message = messageOf(error)
    const [, wrong] = /^Unknown option '(-[^']*)'/.exec(message) ?? []
    throw new UsageError(wrong === undefined ? parseProblem(message) : noSuchOption(wrong, Object.keys(specs)))
  }
}

function noSuchOption(wrong: string, known: readonly string[]): string {
  const nearest = nearestWord(wrong.replace(/^-+/, ''), known)
  const valid = known.map(name => `--${name}`).join(', ')
  return `there is no option ${wrong}${nearest === null ? `; valid: ${valid}` : `; did you mean --${nearest}?`}`
}

/** The value of an option in seconds. @throws UsageError */
export function durationOf(option: string, text: string, limits: { readonly max?: string } = {}): number {
  const seconds = parseDuration(text)
  if (seconds === null) throw new UsageError(`--${option} must be a duration such as 90s, 10m or 2h, not '${text}'`)
  if (seconds === 0) throw new UsageError(`--${option} must be longer than 0 s`)
  const max = limits.max === undefined ? null : parseDuration(limits.max)
  if (max !== null && seconds > max) throw new UsageError(`--${option} must be ${limits.max} at most, not '${text}'`)
  return seconds
}

/** A message of Node's parseArgs in own words. */
function parseProblem(message: string): string {
  const [, missing] = /^Option '(?:-\w, )?(--[a-z-]+) <value>' argument (?:missing|is ambiguous)/.exec(message) ?? []
  if (missing !== undefined) return `${missing} needs a value`
  const [, flag] = /^Option '(?:-\w, )?(--[a-z-]+)' does not take an argument/.exec(message) ?? []
  return flag === undefined ? 'the arguments cannot be read' : `${flag} takes no value`
}
