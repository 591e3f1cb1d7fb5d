import type { Readable, Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { messageOf } from '../platform/errors.ts'
import { nearestWord } from './nearest-word.ts'

/** What a command reads from and prints to. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & {
    readonly isTTY?: boolean
    readonly columns?: number
    readonly rows?: number
    /** Whether it has colours and its user wants them (`NO_COLOR`, `TERM`). */
    hasColors?(): boolean
  }
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number }
}

/** Exit codes, after sysexits(3) where it has a word for it. */
export const EXIT = { ok: 0, failed: 1, usage: 64, dataError: 65, noInput: 66 } as const

export interface Command {
  /** What `--help` prints. */
  readonly help: string
  /** @throws UsageError when the arguments cannot be used */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** The arguments cannot be used; the message names the option. */
export class UsageError extends Error {}

export interface OptionSpec {
  readonly type: 'string' | 'boolean'
}

export interface Options {
  text(name: string): string | undefined
  flag(name: string): boolean
  /** One of a few words. */
  choice<Word extends string>(name: string, words: readonly Word[]): Word | undefined
  readonly operands: readonly string[]
  /** The one operand of a command that reads a PATH or, for `-`, standard input. */
  path(): string
}

/** Reads `--name value`, `--name=value` and `--flag`. @throws UsageError naming an unknown or incomplete option */
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
    throw new UsageError(wrong === undefined ? message : noSuchOption(wrong, Object.keys(specs)))
  }
}

function noSuchOption(wrong: string, known: readonly string[]): string {
  const nearest = nearestWord(wrong.replace(/^-+/, ''), known)
  return `there is no option ${wrong}${nearest === null ? '' : `; did you mean --${nearest}?`}`
}
