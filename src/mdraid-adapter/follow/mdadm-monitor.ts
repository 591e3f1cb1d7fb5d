import { execa } from 'execa'
import { systemText } from '../../platform/errors.ts'
import { type Backoff, RestartBackoff } from '../../platform/time/backoff.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'

export interface MdadmMonitorOptions extends Backoff {
  /** The command and its first arguments; `--monitor …` is appended. */
  readonly mdadm: readonly [command: string, ...args: string[]]
  readonly clock: Clock
  /** Ends the monitor and its child process. */
  readonly signal: AbortSignal
  /** Called when something may have changed. */
  readonly onHint: () => void
}

/**
 * `--scan`: follow arrays that appear later, too. `--program`: with `--scan`, mdadm refuses to run without an alert target
 * (mdmonitor.c); the output of `echo` is unbuffered, that of mdadm itself to a pipe is not. `--config=none`: do not send the mails that
 * the distribution's own monitor sends. `--no-sharing`: do not move spares between arrays, and do not replace that monitor.
 */
const ARGUMENTS = ['--monitor', '--scan', '--config=none', '--no-sharing', '--delay=60', '--program=/bin/echo']

/** A child that ran this long was healthy; its end resets the back-off. */
const HEALTHY_AFTER_MS = 30_000
const KILL_AFTER_MS = 1_000
/** A child that waits for the lock of an array cannot be killed (state D). It ends when the kernel releases it. */
const ABANDON_AFTER_MS = 5_000

/**
 * Runs `mdadm --monitor` as a hint that something has changed: it waits on /proc/mdstat with poll(2), which Node cannot do. Its output
 * is not parsed: events come late or twice, and `RebuildFinished` also comes for a recovery that was stopped.
 *
 * Invariants: one child at a time; one hint per `resume()`, so a storm of lines waits in the pipe.
 */
export class MdadmMonitor {
  readonly #options: MdadmMonitorOptions
  #isWanted = false
  #running: Promise<void> | null = null
  #resume: (() => void) | null = null
  #problems: Problem[] = []
  #lastEnd = ''

  constructor(options: MdadmMonitorOptions) {
    this.#options = options
  }

  /** @param isWanted whether the host has arrays: without any, mdadm ends at once */
  setWanted(isWanted: boolean): void {
    this.#isWanted = isWanted
    if (isWanted) this.#running ??= this.#run()
  }

  /** Allows the next hint. Call it before a reading, which covers everything that was printed before. */
  resume(): void {
    this.#resume?.()
  }

  /** The problems since the last call. Without the child, changes are noticed later; nothing else is lost. */
  takeProblems(): readonly Problem[] {
    const problems = this.#problems
    this.#problems = []
    return problems
  }

  /** Waits until the child has ended. `signal` must have been aborted. */
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
      // A hint that the child was about to give is lost.
      onHint()
      await sleep(clock, restarts.delayMs(ranMs), signal)
    }
    this.#running = null
  }

  /** Runs one child until it ends. Returns a short text how it failed; `null`: mdadm found no array to monitor. */
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
    this.#resume = () => child.stdout.resume()
    // Unread output, or a child of the child that lives on, must not delay the end.
    child.nodeChildProcess.once('exit', () => child.stdout.destroy())
    const { exitCode, signal: killedBy, code } = await child
    this.#resume = null
    if (exitCode === 0) return null
    if (killedBy !== undefined) return `${command} --monitor was killed by ${killedBy}`
    return exitCode === undefined ? `${command} ${systemText(String(code))}` : `${command} --monitor exited ${exitCode}`
  }
}
