import type { PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import { messageOf } from '../../platform/errors.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { sentinels } from './sentinel.ts'

/** The two outcomes of a plug, with the ref of the host. */
export type PlugEvent =
  | { readonly code: 'guard-plugged'; readonly host: string }
  | { readonly code: 'guard-not-plugged'; readonly host: string; readonly why: string }

export interface PlugSentinelOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  readonly onEvent: (event: PlugEvent) => void
}

/** The start of a host takes some time, and xapi itself plugs during it. */
const FIRST_AFTER_MS = 60_000
const AGAIN_AFTER_MS = 300_000
const CALL_TIMEOUT_MS = 60_000

/**
 * Plugs sentinel PBDs that stay unplugged: xapi plugs at its start, twice within about a second, and never again. A PBD is left alone for
 * a minute, and after a failure for five.
 */
export class PlugSentinel {
  readonly #options: PlugSentinelOptions
  /** By ref of the PBD: when it is due, by the steady clock. */
  readonly #dueAtMs = new Map<string, number>()

  constructor(options: PlugSentinelOptions) {
    this.#options = options
  }

  /** Call it with each decision. */
  plugMissing(pool: Pick<PoolSnapshot, 'hosts' | 'srs' | 'pbds'>): void {
    const now = this.#options.clock.steadyNow()
    const ofSentinel = new Set(sentinels(pool))
    const here = new Set(pool.hosts.flatMap(({ ref, live, enabled }) => (live === true && enabled ? [ref] : [])))
    const missing = pool.pbds.filter(
      ({ sr, host, currentlyAttached }) => !currentlyAttached && ofSentinel.has(sr) && here.has(host),
    )
    const refs = new Set(missing.map(({ ref }) => ref))
    for (const ref of this.#dueAtMs.keys()) if (!refs.has(ref)) this.#dueAtMs.delete(ref)
    for (const { ref, host } of missing) {
      const dueAtMs = this.#dueAtMs.get(ref)
      if (dueAtMs === undefined) this.#dueAtMs.set(ref, now + FIRST_AFTER_MS)
      else if (now >= dueAtMs) void this.#plug(ref, host)
    }
  }

  async #plug(pbd: string, host: string): Promise<void> {
    const { client, clock, onEvent } = this.#options
    this.#dueAtMs.set(pbd, clock.steadyNow() + AGAIN_AFTER_MS)
    try {
      await client.call('PBD.plug', [pbd], { timeoutMs: CALL_TIMEOUT_MS })
      onEvent({ code: 'guard-plugged', host })
    } catch (error) {
      onEvent({ code: 'guard-not-plugged', host, why: messageOf(error) })
    }
  }
}
