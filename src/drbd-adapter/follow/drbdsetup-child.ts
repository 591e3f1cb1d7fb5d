import { execa } from 'execa'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { AbandonedProcesses } from './abandoned-processes.ts'

/** The command and its first arguments. Usually `['drbdsetup']`. */
export type DrbdsetupCommand = readonly [command: string, ...args: string[]]

export interface DrbdsetupChildOptions {
  readonly drbdsetup: DrbdsetupCommand
  /** `events2` and its options. */
  readonly args: readonly string[]
  readonly clock: Clock
  /** Ends the child. */
  readonly signal: AbortSignal
  /** Milliseconds from SIGTERM to SIGKILL: a stopped process handles no other signal. */
  readonly killAfterMs: number
  /** Milliseconds that `reap` waits for the end of the process; then the process is abandoned. */
  readonly abandonAfterMs: number
  readonly abandoned: AbandonedProcesses
  /** Must not throw. */
  readonly onChunk: (chunk: Uint8Array) => void
}

/** Milliseconds that a process whose pipe is closed has to end by itself. */
const GRACE_MS = 100

/** Milliseconds to wait for the output of an ended process. A child of its own can hold the pipe open for ever. */
const DRAIN_MS = 1_000

const MAX_STDERR = 2048
const MAX_ERROR_LINE = 160

/**
 * One run of drbdsetup. Its output is read as fast as it comes, however slow the consumer is: the kernel drops a drbdsetup that
 * falls behind, together with all its pending events (exit code 20).
 */
export class DrbdsetupChild {
  /** Settles when all output has been read. The process can still exist. */
  readonly drained: Promise<void>
  /** Settles when the process has ended. Output can still be under way. */
  readonly exited: Promise<void>
  /** Settles when the process has ended and is reaped. Never rejects. */
  readonly gone: Promise<void>
  readonly #command: string
  readonly #args: readonly string[]
  readonly #clock: Clock
  readonly #abandonAfterMs: number
  readonly #abandoned: AbandonedProcesses
  readonly #child
  #stderr = ''
  #end: string

  constructor(options: DrbdsetupChildOptions) {
    const { args, clock, signal, killAfterMs, onChunk } = options
    const [command, ...firstArgs] = options.drbdsetup
    this.#command = `${command} ${args[0] ?? ''}`
    this.#args = args
    this.#clock = clock
    this.#abandonAfterMs = options.abandonAfterMs
    this.#abandoned = options.abandoned
    this.#end = `${this.#command} ended`
    this.#child = execa(command, [...firstArgs, ...args], {
      buffer: false,
      encoding: 'buffer',
      forceKillAfterDelay: killAfterMs,
      reject: false,
      stdin: 'ignore',
    })
    const { stdout, stderr } = this.#child
    stdout.on('data', onChunk)
    stderr.on('data', (chunk: Uint8Array) => {
      this.#stderr = `${this.#stderr}${Buffer.from(chunk).toString()}`.slice(-MAX_STDERR)
    })
    const closed = new Promise<void>(resolve => stdout.once('close', resolve))
    const ended = new Promise<void>(resolve => this.#child.nodeChildProcess.once('exit', () => resolve()))
    this.gone = this.#wait()
    this.drained = Promise.race([closed, this.gone])
    this.exited = Promise.race([ended, this.gone])
    void ended.then(() => clock.after(DRAIN_MS, () => this.#closePipes()))
    const kill = () => this.kill()
    if (signal.aborted) kill()
    signal.addEventListener('abort', kill)
    void this.gone.then(() => signal.removeEventListener('abort', kill))
  }

  /** How the process ended, in a few words, with the last line of its stderr. Final once `gone` has settled. */
  get exitText(): string {
    const lines = this.#stderr.split('\n').map(line => line.trim())
    const error = lines.findLast(line => line !== '')?.replace(/[^\x20-\x7e]/g, '') ?? ''
    return error === '' ? this.#end : `${this.#end}: ${error.slice(0, MAX_ERROR_LINE)}`
  }

  /** The option that this drbdsetup rejects as unknown; `null`: none. */
  get refusedOption(): string | null {
    if (!/unrecogni[sz]ed option|unknown option|invalid option/i.test(this.#stderr)) return null
    return this.#args.find(word => word.startsWith('--') && this.#stderr.includes(word)) ?? null
  }

  kill(): void {
    this.#child.kill()
    this.#closePipes()
  }

  /**
   * Waits until the process is reaped or abandoned: shutdown and cross-checks must not wait for a process that hangs in the kernel.
   * A process that is ending by itself gets a moment to do so, so that `exitText` is known.
   */
  async reap(): Promise<void> {
    await this.#waitGone(GRACE_MS)
    this.kill()
    if (!(await this.#waitGone(this.#abandonAfterMs))) this.#abandon()
  }

  /** @returns true if the process is gone within `ms` */
  async #waitGone(ms: number): Promise<boolean> {
    const waited = new AbortController()
    const isGone = await Promise.race([
      this.gone.then(() => true),
      sleep(this.#clock, ms, waited.signal).then(() => false),
    ])
    waited.abort()
    return isGone
  }

  #abandon(): void {
    this.#end = `${this.#command} cannot be killed`
    this.#abandoned.add(this.gone)
    // Otherwise the child would keep this process alive.
    this.#child.nodeChildProcess.unref()
  }

  async #wait(): Promise<void> {
    const { exitCode, signal, code } = await this.#child
    if (exitCode !== undefined) this.#end = `${this.#command} exited ${exitCode}`
    else if (signal !== undefined) this.#end = `${this.#command} was killed by ${signal}`
    else this.#end = `${this.#command}: ${code ?? 'did not start'}`
  }

  #closePipes(): void {
    this.#child.stdout.destroy()
    this.#child.stderr.destroy()
  }
}
