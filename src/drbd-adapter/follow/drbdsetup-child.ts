import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import type { Strays } from '../events2/strays.ts'

/** The command and its first arguments, before what is asked of it. Usually `['drbdsetup']`. */
export type DrbdsetupCommand = readonly [command: string, ...args: string[]]

export interface DrbdsetupQuestion {
  readonly drbdsetup: DrbdsetupCommand
  /** `events2` and its options. */
  readonly question: readonly string[]
  /** Ends the child. */
  readonly signal: AbortSignal
  /** How long it may take to end when it is asked to; then it is killed: one that was stopped takes no other signal. */
  readonly killAfterMs: number
  /** How long it may take to be gone when it is reaped; then it is given up, and counts among the strays. */
  readonly abandonAfterMs: number
  readonly strays: Strays
  /** Must not throw. */
  readonly onChunk: (chunk: Uint8Array) => void
}

/** How long a process whose pipe is closed may take to end by itself. */
const GRACE_MS = 100

/** How long what an ended process has printed may be under way; a child of its own may hold the pipe for ever. */
const LAST_WORDS_MS = 1_000

const MAX_STDERR = 2048
const MAX_COMPLAINT = 160

/**
 * One run of drbdsetup. What it prints is read as fast as it comes, whoever is slow: the kernel drops a drbdsetup that
 * does not keep up, and all that it had to tell (exit 20).
 */
export class DrbdsetupChild {
  /** Settles when all that it printed was read; the process itself may still be there. */
  readonly drained: Promise<void>
  /** Settles when the process has ended; what it printed may still be under way. */
  readonly exited: Promise<void>
  /** Settles when the process is gone and reaped. Never rejects. */
  readonly gone: Promise<void>
  readonly #command: string
  readonly #question: readonly string[]
  readonly #abandonAfterMs: number
  readonly #strays: Strays
  readonly #child
  #stderr = ''
  #end: string

  constructor(asked: DrbdsetupQuestion) {
    const { question, signal, killAfterMs, onChunk } = asked
    const [command, ...args] = asked.drbdsetup
    this.#command = `${command} ${question[0] ?? ''}`
    this.#question = question
    this.#abandonAfterMs = asked.abandonAfterMs
    this.#strays = asked.strays
    this.#end = `${this.#command} ended`
    this.#child = execa(command, [...args, ...question], {
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
    void ended.then(() => setTimeout(() => this.#closePipes(), LAST_WORDS_MS).unref())
    const kill = () => this.kill()
    if (signal.aborted) kill()
    signal.addEventListener('abort', kill)
    void this.gone.then(() => signal.removeEventListener('abort', kill))
  }

  /** How it ended, in a few words, and what it complained of last; for certain only when it is gone. */
  get epitaph(): string {
    const lines = this.#stderr.split('\n').map(line => line.trim())
    const complaint = lines.findLast(line => line !== '')?.replace(/[^\x20-\x7e]/g, '') ?? ''
    return complaint === '' ? this.#end : `${this.#end}: ${complaint.slice(0, MAX_COMPLAINT)}`
  }

  /** The option that it does not know, by its own words. */
  get refusedOption(): string | null {
    if (!/unrecogni[sz]ed option|unknown option|invalid option/i.test(this.#stderr)) return null
    return this.#question.find(word => word.startsWith('--') && this.#stderr.includes(word)) ?? null
  }

  kill(): void {
    this.#child.kill()
    this.#closePipes()
  }

  /**
   * Makes sure that it is gone and reaped, or given up: a stop and a look must end though the kernel holds it. One that is
   * ending by itself may do so, for the sake of its epitaph.
   */
  async reap(): Promise<void> {
    await Promise.race([this.gone, sleep(GRACE_MS, undefined, { ref: false })])
    this.kill()
    const waited = new AbortController()
    const tooLong = sleep(this.#abandonAfterMs, 'too long', { ref: false, signal: waited.signal }).catch(
      () => undefined,
    )
    const end = await Promise.race([this.gone, tooLong])
    waited.abort()
    if (end === 'too long') this.#abandon()
  }

  #abandon(): void {
    this.#end = `${this.#command} cannot be killed`
    this.#strays.add(this.gone)
    // It must not keep this process from ending either.
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
