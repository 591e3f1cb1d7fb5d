import { encodeHeartbeat, GUARD_KEY, HEARTBEAT_EVERY_MS } from '../../allowed-operations/pool/guard-heartbeat.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { setOtherConfig } from '../../xenapi-client/other-config.ts'

/** What a heartbeat says about its guard. */
export interface GuardIdentity {
  /** `hostname` of the machine that the guard runs on. */
  readonly machine: string
  /** Of the program. */
  readonly version: string
}

export interface HeartbeatWriterOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  readonly guard: GuardIdentity
  /** Ref of the pool; `''`: not known. */
  readonly pool: () => string
}

const CALL_TIMEOUT_MS = 5_000
const RETRY_AFTER_MS = 5_000

/**
 * Writes the guard's heartbeat into `pool.other_config`, once a minute while the guard decides. Each write comes back as an event and
 * causes a decision, so heartbeats go on as long as the guard follows the pool, decides, and can write; and no longer.
 */
export class HeartbeatWriter {
  readonly #options: HeartbeatWriterOptions
  readonly #stop = new AbortController()
  #wake = new AbortController()
  #hasDecided = false
  #running: Promise<void> | null = null

  constructor(options: HeartbeatWriterOptions) {
    this.#options = options
  }

  /** The guard has decided. */
  decided(): void {
    this.#hasDecided = true
    if (this.#stop.signal.aborted) return
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  /** The toolstack may have an older database, so the next heartbeat is due. */
  sessionChanged(): void {
    this.#wake.abort()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock } = this.#options
    while (this.#hasDecided && !this.#stop.signal.aborted) {
      this.#hasDecided = false
      this.#wake = new AbortController()
      const isWritten = await this.#write()
      // After a failure the guard need not decide again before the next try.
      if (!isWritten) this.#hasDecided = true
      const signal = AbortSignal.any([this.#stop.signal, this.#wake.signal])
      await sleep(clock, isWritten ? HEARTBEAT_EVERY_MS : RETRY_AFTER_MS, signal)
    }
  }

  async #write(): Promise<boolean> {
    const { client, clock, guard, pool } = this.#options
    const ref = pool()
    if (ref === '') return false
    const text = encodeHeartbeat({ ...guard, atMs: clock.now() })
    const options = { timeoutMs: CALL_TIMEOUT_MS, signal: this.#stop.signal }
    try {
      await setOtherConfig(client, 'pool', ref, GUARD_KEY, text, options)
      return true
    } catch {
      // The port reports a toolstack that does not answer.
      return false
    }
  }
}
