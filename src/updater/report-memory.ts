import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import type { HostSnapshot, PoolSnapshot, ReceivedReport } from '../allowed-operations/pool/pool-snapshot.ts'
import {
  acceptReport,
  type KnownReport,
  type KnownReports,
  ofPresentBoot,
} from '../allowed-operations/reports/report-order.ts'
import type { ConnectedHosts } from '../allowed-operations/rules/sr-members.ts'

/** By ref of the SR, then by ref of the host. */
type BySrAndHost<T> = Map<string, Map<string, T>>

/**
 * What every host last said of every SR, from pushes and polls alike.
 *
 * It outlives what the database holds for the length of a lease: a host replaces its report by removing the key and
 * adding it again, and between the two it has not fallen silent. What is no longer confirmed runs out of its lease.
 *
 * Invariants: a report counts here only if it was pushed or polled after the memory began, and after its host was connected
 * by the PBD that it has now; nothing is kept that was confirmed in the future.
 */
export class ReportMemory {
  readonly #leaseMs: number
  readonly #clockSkewMs: number
  readonly #known: BySrAndHost<KnownReport> = new Map()
  /** What was last seen in the database, which is read again each time. */
  readonly #stored: BySrAndHost<ReceivedReport> = new Map()
  /** What was read last, in its order. */
  #read: readonly ReceivedReport[] = []
  #connected: ConnectedHosts = new Map()
  #clockMs = Number.NEGATIVE_INFINITY

  /** `clockSkewMs`: by how much a confirmation may seem to be later than now. */
  constructor({ leaseMs, clockSkewMs }: Pick<GatePolicy, 'leaseMs' | 'clockSkewMs'>) {
    this.#leaseMs = leaseMs
    this.#clockSkewMs = clockSkewMs
  }

  /**
   * Begins anew, with nothing known. What the database holds now is worth nothing until its host says it again: another
   * coordinator, or another run of this program, may have been told otherwise meanwhile.
   */
  begin({ reports }: Pick<PoolSnapshot, 'reports'>): void {
    this.#known.clear()
    this.#stored.clear()
    for (const stored of reports) put(this.#stored, stored, stored)
  }

  /** Takes in one report, in any order: an older one does not replace a newer one. */
  accept(received: ReceivedReport, now: number): void {
    this.#follow(now)
    if (this.#isOfTheFuture(received)) return
    const before = this.#known.get(received.sr)?.get(received.host)
    put(this.#known, received, acceptReport(before, received, this.#leaseMs))
  }

  /**
   * Takes in what is new in the pool's database.
   * @param connected the same object as before, if nobody was connected or disconnected
   * @returns all that is known
   */
  read({ reports }: Pick<PoolSnapshot, 'reports'>, connected: ConnectedHosts, now: number): KnownReports {
    this.#follow(now)
    if (connected !== this.#connected) {
      forgetUnconnected(this.#known, this.#connected, connected)
      forgetUnconnected(this.#stored, this.#connected, connected)
      this.#connected = connected
    }
    const before = this.#read
    this.#read = reports
    for (const [index, received] of reports.entries()) {
      if (received === before[index] || this.#isStored(received)) continue
      put(this.#stored, received, received)
      this.accept(received, now)
    }
    return this.#known
  }

  /** What a host, by its ref, has said so far is of no worth: it must speak again. */
  forget(host: string): void {
    for (const ofSr of this.#known.values()) ofSr.delete(host)
  }

  /** What counts of each host and each SR. @param hosts with the boot that each is in, where that is known */
  newest(hosts: readonly HostSnapshot[]): ReceivedReport[] {
    const bootIds = new Map(hosts.map(({ ref, bootId }) => [ref, bootId]))
    return [...this.#known.values()].flatMap(ofSr =>
      [...ofSr].flatMap(([host, known]) => ofPresentBoot(known, bootIds.get(host))?.received ?? []),
    )
  }

  #isStored(received: ReceivedReport): boolean {
    const stored = this.#stored.get(received.sr)?.get(received.host)
    return stored !== undefined && isSameReceipt(stored, received)
  }

  /**
   * After the clock of this machine has been set back, what was confirmed in the future is forgotten: it would outlive every
   * confirmation of the same report until the clock has caught up.
   */
  #follow(now: number): void {
    const wasSetBack = now < this.#clockMs
    this.#clockMs = now
    if (!wasSetBack) return
    for (const ofSr of this.#known.values()) {
      for (const [host, known] of ofSr) {
        const all = [known, ...known.boots].flatMap(({ received, readable }) => [received, readable ?? received])
        if (all.some(each => this.#isOfTheFuture(each))) ofSr.delete(host)
      }
    }
  }

  #isOfTheFuture({ confirmedAtMs }: ReceivedReport): boolean {
    return confirmedAtMs > this.#clockMs + this.#clockSkewMs
  }
}

function put<T>(all: BySrAndHost<T>, { sr, host }: { readonly sr: string; readonly host: string }, value: T): void {
  const ofSr = all.get(sr)
  if (ofSr === undefined) all.set(sr, new Map([[host, value]]))
  else ofSr.set(host, value)
}

/** A host that was connected anew, by another PBD, may have other mirrors than before. */
function forgetUnconnected<T>(all: BySrAndHost<T>, before: ConnectedHosts, connected: ConnectedHosts): void {
  for (const [sr, ofSr] of all) {
    for (const host of ofSr.keys()) {
      const pbd = connected.get(sr)?.get(host)
      const pbdBefore = before.get(sr)?.get(host) ?? pbd
      if (pbd === undefined || pbd !== pbdBefore) ofSr.delete(host)
    }
    if (ofSr.size === 0) all.delete(sr)
  }
}

/** The database still holds the same: each write is confirmed at its own time, or says something of its own. */
function isSameReceipt(before: ReceivedReport, now: ReceivedReport): boolean {
  if (before === now) return true
  if (before.confirmedAtMs !== now.confirmedAtMs) return false
  if (before.report === undefined || now.report === undefined) return before.problem?.text === now.problem?.text
  return before.report.bootId === now.report.bootId && before.report.seq === now.report.seq
}
