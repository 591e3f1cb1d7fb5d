import { execa } from 'execa'
import { type Backoff, RestartBackoff } from '../../platform/time/backoff.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'

export interface MdadmMonitorOptions extends Backoff {
  /** The command and its first arguments; `--monitor …` is added. */
  readonly mdadm: readonly [command: string, ...args: string[]]
  readonly clock: Clock
  /** Ends it, and the child with it. */
  readonly signal: AbortSignal
  /** Told that something may have changed. */
  readonly onHint: () => void
}

/**
 * Without `--scan` it would follow only the arrays of its start, and with it refuses to run for want of somebody to alert
 * (mdmonitor.c), so `echo` is alerted: what it prints is unbuffered, where mdadm's own lines to a pipe are not. `--config=none`
 * keeps it from mailing what the distribution's own monitor mails already; `--no-sharing` from moving spares between
 * arrays, and from taking that one's place.
 */
const ARGUMENTS = ['--monitor', '--scan', '--config=none', '--no-sharing', '--delay=60', '--program=/bin/echo']

/** A child that lived this long was well: the next failure is a new one. */
const HEALTHY_AFTER_MS = 30_000
const KILL_AFTER_MS = 1_000
/** A child that waits for the lock of an array cannot be killed (state D); it ends when the kernel lets it. */
const ABANDON_AFTER_MS = 5_000

/**
 * `mdadm --monitor`, as a hint that something has changed: it waits on /proc/mdstat with poll(2), which Node cannot. What
 * it prints is never read: its events come late, come twice, and say `RebuildFinished` of what was stopped.
 *
 * Invariants: one child at a time; its output is taken in one piece per `listen()`, so a storm of lines waits in the pipe.
 */
export class MdadmMonitor {
  readonly #options: MdadmMonitorOptions
  #isWanted = false
  #running: Promise<void> | null = null
  #listen: (() => void) | null = null
  #problems: Problem[] = []
  #lastEnd = ''

  constructor(options: MdadmMonitorOptions) {
    this.#options = options
  }

  /** @param isWanted there are arrays: without any it would end at once */
  want(isWanted: boolean): void {
    this.#isWanted = isWanted
    if (isWanted) this.#running ??= this.#run()
  }

  /** Everything is about to be read: what was printed before that need not be heard. */
  listen(): void {
    this.#listen?.()
  }

  /** What went wrong since this was last asked. A child that cannot run costs time until a change is seen, and nothing else. */
  takeProblems(): readonly Problem[] {
    const problems = this.#problems
    this.#problems = []
    return problems
  }

  /** Waits until the child is gone; `signal` must have been aborted. */
  async close(): Promise<void> {
    const waited = new AbortController()
    await Promise.race([this.#running, sleep(this.#options.clock, ABANDON_AFTER_MS, waited.signal)])
    waited.abort()
  }

  async #run(): Promise<void> {
    const { clock, signal, onHint } = this.#options
    const restarts = new RestartBackoff(this.#options, HEALTHY_AFTER_MS)
    while (this.#isWanted && !signal.aborted) {
      const startedAt = clock.steadyNow()
      const end = await this.#runOnce()
      if (signal.aborted) break
      const ranMs = clock.steadyNow() - startedAt
      if (end !== null && (restarts.isHealthy(ranMs) || end !== this.#lastEnd)) {
        this.#problems.push({ device: null, code: 'monitor-ended', text: end })
      }
      this.#lastEnd = end ?? ''
      // Whatever it was about to say is lost.
      onHint()
      await sleep(clock, restarts.delayMs(ranMs), signal)
    }
    this.#running = null
  }

  /** One child from start to end. Returns how it failed, in a few words; `null`: it found no array worth watching. */
  async #runOnce(): Promise<string | null> {
    const { onHint, signal } = this.#options
    const [command, ...args] = this.#options.mdadm
    const child = execa(command, [...args, ...ARGUMENTS], {
      buffer: false,
      cancelSignal: signal,
      forceKillAfterDelay: KILL_AFTER_MS,
      reject: false,
      stdin: 'ignore',
      stderr: 'ignore',
    })
    child.stdout.on('data', () => {
      child.stdout.pause()
      onHint()
    })
    this.#listen = () => child.stdout.resume()
    // What it leaves unread, or a program of its own that lives on, must not hold up its end.
    child.nodeChildProcess.once('exit', () => child.stdout.destroy())
    const { exitCode, signal: killedBy, code } = await child
    this.#listen = null
    if (exitCode === 0) return null
    if (killedBy !== undefined) return `${command} --monitor was killed by ${killedBy}`
    return exitCode === undefined ? `${command}: ${code}` : `${command} --monitor exited ${exitCode}`
  }
}
