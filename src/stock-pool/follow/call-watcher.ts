import type { Clock } from '../../platform/time/clock.ts'
import { sleep } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'

export interface CallWatcherOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  /** Refs of the hosts that a reboot could be accepted for at this moment. None: there is nothing to watch. */
  readonly suspects: () => readonly string[]
  /** Receives `current_operations` of a host. */
  readonly read: (host: string, operations: Readonly<Record<string, string>>) => void
}

/** A call is watched for this long after the last sign of one. Its host's `current_operations` name it within about 50 ms. */
const WATCH_MS = 500
const CALL_TIMEOUT_MS = 2_000
/** Between two rounds of reads, so that a toolstack that answers at once is not flooded. */
const PAUSE_MS = 2

/**
 * Finds an accepted `host.reboot` as early as a client can. Each synchronous call makes a task row, and events of the class `task` have no
 * delay, while those of `host` come after 20 to 50 ms (xapi_globs.ml:1186-1193). So a new task wakes this watcher, which then reads the
 * `current_operations` of the few hosts that could go down until it is clear what the call was.
 */
export class CallWatcher {
  readonly #options: CallWatcherOptions
  readonly #stop = new AbortController()
  #untilMs = Number.NEGATIVE_INFINITY
  #running: Promise<void> | null = null

  constructor(options: CallWatcherOptions) {
    this.#options = options
  }

  /** Somebody has begun a call. */
  wake(): void {
    this.#untilMs = this.#options.clock.steadyNow() + WATCH_MS
    if (this.#stop.signal.aborted) return
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, suspects } = this.#options
    const { signal } = this.#stop
    while (clock.steadyNow() < this.#untilMs && !signal.aborted) {
      const hosts = suspects()
      if (hosts.length === 0) return
      await Promise.all(hosts.map(host => this.#readOne(host)))
      await sleep(clock, PAUSE_MS, signal)
    }
  }

  async #readOne(host: string): Promise<void> {
    const { client, read } = this.#options
    const options = { timeoutMs: CALL_TIMEOUT_MS, signal: this.#stop.signal }
    try {
      const operations = await client.call('host.get_current_operations', [host], options)
      if (typeof operations === 'object' && operations !== null) read(host, { ...operations })
    } catch {
      // The events bring the same, somewhat later.
    }
  }
}
