import { setTimeout as pause } from 'node:timers/promises'
import type { Lab } from './lab.ts'

const WAIT_SECONDS = 5
const PAUSE_AFTER_FAILURE_MS = 200

interface HostSnapshot {
  readonly allowed_operations: readonly string[]
}

/**
 * Follows `host.allowed_operations` through the pool's events, like a waiting client. It knows the moment of a change to within the pool's
 * event batching (50 ms); polling would cost the emulated coordinator too much.
 */
export class FieldWatch {
  readonly #lab: Lab
  readonly #mayReboot = new Map<string, boolean>()
  readonly #watching: Promise<void>
  #isOver = false
  #freeSinceMs: number | null = null
  #freedAtMs: number | null = null

  constructor(lab: Lab) {
    this.#lab = lab
    this.#watching = this.#watch()
  }

  /** Since when every host allows `reboot`, by `performance.now()`; `null`: not all of them do. */
  get freeSinceMs(): number | null {
    return this.#freeSinceMs
  }

  /** When every host first allowed `reboot` after this watch began, by `performance.now()`; `null`: not yet. */
  get freedAtMs(): number | null {
    return this.#freedAtMs
  }

  async end(): Promise<void> {
    this.#isOver = true
    await this.#watching
  }

  async #watch(): Promise<void> {
    let token = ''
    while (!this.#isOver && !this.#lab.isClosed) {
      try {
        const batch = await this.#lab.pool.call('event.from', ['host'], token, WAIT_SECONDS)
        const { events, token: next } = batch as { events: { ref: string; snapshot: HostSnapshot }[]; token: string }
        for (const { ref, snapshot } of events) this.#mayReboot.set(ref, snapshot.allowed_operations.includes('reboot'))
        token = next
        const isFree = [...this.#mayReboot.values()].every(Boolean)
        this.#freeSinceMs = isFree ? (this.#freeSinceMs ?? performance.now()) : null
        this.#freedAtMs ??= this.#freeSinceMs
      } catch {
        token = ''
        await pause(PAUSE_AFTER_FAILURE_MS)
      }
    }
  }
}
