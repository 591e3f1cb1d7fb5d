import type { PoolSnapshot, ReceivedReport } from '../allowed-operations/pool-snapshot.ts'
import { acceptReport, type KnownReport } from '../allowed-operations/report-order.ts'

interface Entry {
  known: KnownReport | undefined
  /** What was last seen in the database, which is read again each time. */
  stored: ReceivedReport | undefined
}

/**
 * What every host last said of every SR, from pushes and polls alike.
 *
 * It outlives what the database holds for the length of a lease: a host replaces its report by removing the key and
 * adding it again, and between the two it has not fallen silent. What is no longer confirmed runs out of its lease.
 *
 * Invariant: a report counts here only if it was pushed or polled after the memory began.
 */
export class ReportMemory {
  readonly #clockSkewMs: number
  /** By ref of the SR, then by ref of the host. */
  readonly #srs = new Map<string, Map<string, Entry>>()

  /** @param clockSkewMs by how much a confirmation may seem to be later than now */
  constructor(clockSkewMs: number) {
    this.#clockSkewMs = clockSkewMs
  }

  /**
   * Begins anew, with nothing known. What the database holds now is worth nothing until its host says it again: another
   * coordinator, or another run of this program, may have been told otherwise meanwhile.
   */
  begin({ reports }: PoolSnapshot): void {
    this.#srs.clear()
    for (const stored of reports) this.#entry(stored).stored = stored
  }

  /** Takes in one report, in any order: an older one does not replace a newer one. */
  accept(received: ReceivedReport, now: number): void {
    const entry = this.#entry(received)
    // Confirmed in the future: the clock of this machine has been set back. Kept, it would outlive every confirmation of
    // the same report until the clock has caught up.
    if (received.confirmedAtMs > now + this.#clockSkewMs) return
    entry.known = acceptReport(this.#unlessOfTheFuture(entry, now), received)
  }

  /** When a host last confirmed what it says of an SR; `null`: not since the memory began. */
  confirmedAtMs(host: string, sr: string): number | null {
    return this.#srs.get(sr)?.get(host)?.known?.received.confirmedAtMs ?? null
  }

  /** The pool with everything that is remembered of it; what is new in its database is taken in. */
  complete(pool: PoolSnapshot, now: number): PoolSnapshot {
    for (const received of pool.reports) {
      const entry = this.#entry(received)
      if (entry.stored !== undefined && isSameReceipt(entry.stored, received)) continue
      entry.stored = received
      this.accept(received, now)
    }
    this.#forgetUnconnected(pool)
    const reports: ReceivedReport[] = []
    for (const hosts of this.#srs.values()) {
      for (const entry of hosts.values()) {
        const known = this.#unlessOfTheFuture(entry, now)
        if (known === undefined) continue
        reports.push(known.received)
        // A discarded one goes along: made later under a lower number it shows that its writer has lost count.
        if (known.discarded !== null) reports.push(known.discarded)
      }
    }
    return { ...pool, reports }
  }

  #entry({ host, sr }: ReceivedReport): Entry {
    let hosts = this.#srs.get(sr)
    if (hosts === undefined) {
      hosts = new Map()
      this.#srs.set(sr, hosts)
    }
    let entry = hosts.get(host)
    if (entry === undefined) {
      entry = { known: undefined, stored: undefined }
      hosts.set(host, entry)
    }
    return entry
  }

  #unlessOfTheFuture({ known }: Entry, now: number): KnownReport | undefined {
    return known !== undefined && known.received.confirmedAtMs <= now + this.#clockSkewMs ? known : undefined
  }

  #forgetUnconnected({ pbds }: PoolSnapshot): void {
    const connected = new Map<string, Set<string>>()
    for (const { host, sr } of pbds) {
      const hosts = connected.get(sr)
      if (hosts === undefined) connected.set(sr, new Set([host]))
      else hosts.add(host)
    }
    for (const [sr, hosts] of this.#srs) {
      const stillThere = connected.get(sr)
      if (stillThere === undefined) this.#srs.delete(sr)
      else for (const host of hosts.keys()) if (!stillThere.has(host)) hosts.delete(host)
    }
  }
}

/** The database still holds the same: each write is confirmed at its own time, or says something of its own. */
function isSameReceipt(before: ReceivedReport, now: ReceivedReport): boolean {
  if (before === now) return true
  if (before.confirmedAtMs !== now.confirmedAtMs) return false
  if (before.report === undefined || now.report === undefined) return before.problem?.text === now.problem?.text
  return before.report.bootId === now.report.bootId && before.report.seq === now.report.seq
}
