import { execa } from 'execa'
import type { Clock } from '../time/clock.ts'
import { SerialQueue } from '../time/serial-queue.ts'

export interface ServiceManagerOptions {
  /** The environment of the process: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of sd_notify(3) and sd_watchdog_enabled(3). */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly pid: number
  readonly clock: Clock
  /** The tool that sends, because Node cannot send to unix datagram sockets. The unit needs NotifyAccess=all. */
  readonly command?: readonly [command: string, ...args: string[]]
  /** Called when a notification failed. */
  readonly onProblem: (problem: string) => void
}

const SEND_TIMEOUT_MS = 5_000

/** Notifies systemd of the state of this service. Without systemd (no NOTIFY_SOCKET) it does nothing. */
export class ServiceManager {
  readonly #options: ServiceManagerOptions
  readonly #isPresent: boolean
  #cancelWatchdog: (() => void) | null = null
  #isFeeding = false
  readonly #sends = new SerialQueue()

  constructor(options: ServiceManagerOptions) {
    this.#options = options
    this.#isPresent = (options.environment.NOTIFY_SOCKET ?? '') !== ''
  }

  /** Reports that the service is ready, and then feeds the watchdog as long as the event loop runs. */
  async ready(): Promise<void> {
    await this.#send('READY=1')
    const everyMs = this.#watchdogMs()
    if (everyMs !== null && this.#cancelWatchdog === null) this.#feedWatchdog(everyMs)
  }

  /** Sets the status line of `systemctl status`. */
  status(text: string): Promise<void> {
    return this.#send(`STATUS=${text.replaceAll(/[\r\n]+/g, ' ').slice(0, 500)}`)
  }

  async stopping(): Promise<void> {
    this.#cancelWatchdog?.()
    await this.#send('STOPPING=1')
  }

  #feedWatchdog(everyMs: number): void {
    this.#cancelWatchdog = this.#options.clock.after(everyMs, () => {
      // On a busy host a notification takes longer than the interval: one pending notification is enough.
      if (!this.#isFeeding) {
        this.#isFeeding = true
        void this.#send('WATCHDOG=1').then(() => {
          this.#isFeeding = false
        })
      }
      this.#feedWatchdog(everyMs)
    })
  }

  /** Half of the time that systemd waits; `null`: systemd does not watch this process. */
  #watchdogMs(): number | null {
    const { WATCHDOG_USEC: usec = '', WATCHDOG_PID: pid } = this.#options.environment
    if (!this.#isPresent || !/^[1-9]\d{0,14}$/.test(usec)) return null
    if (pid !== undefined && pid !== String(this.#options.pid)) return null
    return Math.max(1, Number(usec) / 1000 / 2)
  }

  /** Sends one notification after the other, so that their order is kept. */
  #send(assignment: string): Promise<void> {
    if (!this.#isPresent) return Promise.resolve()
    const { command = ['systemd-notify'], environment, onProblem } = this.#options
    const [program, ...args] = command
    return this.#sends.run(async () => {
      const env = { NOTIFY_SOCKET: environment.NOTIFY_SOCKET, PATH: environment.PATH }
      const { failed, shortMessage } = await execa(program, [...args, assignment], {
        env,
        extendEnv: false,
        timeout: SEND_TIMEOUT_MS,
        reject: false,
        stdin: 'ignore',
        stdout: 'ignore',
        stderr: 'ignore',
      })
      if (failed) onProblem(shortMessage ?? `${program} failed`)
    })
  }
}
