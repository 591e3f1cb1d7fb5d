import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import { EmbeddedPool } from '../embedded-pool/embedded-pool.ts'
import type { PoolOptions } from '../embedded-pool/pool-options.ts'
import type { AcceptedClaim } from '../updater/accepted-claim.ts'
import type { OverrideEvent } from '../updater/override-event.ts'
import { type OperationsChange, Updater } from '../updater/updater.ts'

/** Answers a XenAPI plugin call. */
type Plugins = NonNullable<PoolOptions['plugins']>

export interface GatedPoolOptions extends Omit<PoolOptions, 'gate' | 'plugins' | 'now'> {
  readonly plugins: Plugins
  readonly pollReport: PollReport
}

/**
 * Asks a host itself for its report of an SR, by their refs, and answers with the text of the report. It must reject where the
 * answer may be of another program than the agent of that host.
 */
type PollReport = (host: string, sr: string, signal: AbortSignal) => Promise<string>

export interface UpdaterChoice {
  readonly policy: GatePolicy
  /** Milliseconds. */
  readonly pollEveryMs: number
  readonly pollTimeoutMs: number
  /** Told of every change of `host.allowed_operations`. Must not throw. */
  readonly witness: (change: OperationsChange) => void
  /** Told of every override that comes into force or ends, and of every operation that began by one alone. Must not throw. */
  readonly overridden?: (event: OverrideEvent) => void
  /** Called for each accepted operation that takes a host's replicas away. Must not throw. */
  readonly accepted?: (claim: AcceptedClaim) => void
  /** Told how long each computation took, and how each question to a host ended. Must not throw. */
  readonly recomputed?: (durationMs: number) => void
  readonly polled?: (outcome: 'answered' | 'failed') => void
}

/** What happens to these may change what is allowed. Tasks may not: what a host is doing stands in its own record. */
const WATCHED: ReadonlySet<string> = new Set(['pool', 'host', 'host_metrics', 'SR', 'PBD'])

/** An embedded pool whose host operations the project's own gate decides. */
export interface GatedPool {
  readonly pool: EmbeddedPool
  readonly updater: Updater
  /** Gates it otherwise from now on: with an updater that begins from nothing, and blocks until it knows. */
  regate(choice: UpdaterChoice): Promise<void>
  close(): Promise<void>
}

/**
 * Nothing is computed or polled before `updater.start()`.
 * @throws StateFileError: there is a state file, and it cannot be used
 */
export function createGatedPool(options: GatedPoolOptions, choice: UpdaterChoice): GatedPool {
  const pool = new EmbeddedPool({ ...options, gate: { claim: (snapshot, wanted) => updater.claim(snapshot, wanted) } })
  let updater = updaterOf(pool, options.pollReport, choice)
  const unsubscribe = pool.subscribe(({ cls, isTouch }) => {
    if (WATCHED.has(cls) && isTouch !== true) updater.notice()
  })
  return {
    pool,
    get updater() {
      return updater
    },
    regate: async other => {
      const before = updater
      updater = updaterOf(pool, options.pollReport, other)
      updater.start()
      await before.close()
    },
    close: async () => {
      unsubscribe()
      await updater.close()
      await pool.close()
    },
  }
}

function updaterOf(pool: EmbeddedPool, pollReport: PollReport, choice: UpdaterChoice): Updater {
  return new Updater({
    ...choice,
    now: Date.now,
    pool: {
      snapshot: () => pool.poolSnapshot(),
      coordinator: () => pool.get('pool', pool.ref)?.master ?? '',
      setAllowedOperations: (host, operations) => pool.setAllowedOperations(host, operations),
      keepPeers: (pbd, peers) => pool.keepPeers(pbd, peers),
      pollReport: async (host, sr, signal) => {
        try {
          const text = await pollReport(host, sr, signal)
          choice.polled?.('answered')
          return text
        } catch (error) {
          choice.polled?.('failed')
          throw error
        }
      },
    },
  })
}
