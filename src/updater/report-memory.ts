import type { PoolSnapshot, ReceivedReport } from '../allowed-operations/pool-snapshot.ts'
import { acceptReport, type KnownReport } from '../allowed-operations/report-order.ts'

/**
 * What every host last said of every SR, from pushes and polls alike.
 *
 * It outlives the entry in the database for the length of a lease: a host replaces its report by removing the key and
 * adding it again, and between the two it has not fallen silent. What is no longer confirmed runs out of its lease.
 */
export class ReportMemory {
  readonly #known = new Map<string, KnownReport>()

  /** Takes in one report, in any order: an older one does not replace a newer one. */
  accept(received: ReceivedReport): void {
    const key = keyOf(received)
    this.#known.set(key, acceptReport(this.#known.get(key), received))
  }

  /** The pool with everything that is remembered of it; what its database holds is taken in. */
  complete(pool: PoolSnapshot): PoolSnapshot {
    for (const received of pool.reports) this.accept(received)
    const connected = new Set(pool.pbds.map(pbd => keyOf(pbd)))
    for (const key of this.#known.keys()) if (!connected.has(key)) this.#known.delete(key)
    // A discarded one goes along: made later under a lower number it shows that its writer has lost count.
    const reports = [...this.#known.values()].flatMap(({ received, discarded }) =>
      discarded === null ? [received] : [received, discarded],
    )
    return { ...pool, reports }
  }
}

function keyOf({ host, sr }: { readonly host: string; readonly sr: string }): string {
  return `${host} ${sr}`
}
