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
 * The last report of every host about every SR, from pushes and polls.
 *
 * A report stays here for the length of a lease after it left the database: a host replaces its report by removing the key and
 * adding it again, and is not silent in between. A report that is no longer confirmed expires with its lease.
 *
 * Invariants: a report is kept only if it was pushed or polled after the memory began, and after its host was connected by its
 * present PBD. A report with a confirmation in the future is not kept.
 */
export class ReportMemory {
  readonly #leaseMs: number
  readonly #clockSkewMs: number
  readonly #known: BySrAndHost<KnownReport> = new Map()
  /** The reports that the last reading of the database contained. */
  readonly #stored: BySrAndHost<ReceivedReport> = new Map()
  /** The reports of the last reading, in its order. */
  #read: readonly ReceivedReport[] = []
  #connected: ConnectedHosts = new Map()
  #clockMs = Number.NEGATIVE_INFINITY

  /** @param policy `clockSkewMs`: how far in the future a confirmation may seem to be */
  constructor(policy: Pick<GatePolicy, 'leaseMs' | 'clockSkewMs'>) {
    this.#leaseMs = policy.leaseMs
    this.#clockSkewMs = policy.clockSkewMs
  }

  /**
   * Begins with an empty memory. A report that the database holds now is not valid until its host reports again: another coordinator,
   * or another run of this program, may have received a newer one meanwhile.
   */
  begin({ reports }: Pick<PoolSnapshot, 'reports'>): void {
    this.#known.clear()
    this.#stored.clear()
    for (const stored of reports) put(this.#stored, stored, stored)
  }

  /** Takes in one report. The order does not matter: an older report does not replace a newer one. */
  accept(received: ReceivedReport, now: number): void {
    this.#setClock(now)
    if (this.#isFromFuture(received)) return
    const before = this.#known.get(received.sr)?.get(received.host)
    put(this.#known, received, acceptReport(before, received, this.#leaseMs))
  }

  /**
   * Takes in what is new in the pool's database.
   * @param connected the same object as before if no host was connected or disconnected
   * @returns all remembered reports
   */
  read({ reports }: Pick<PoolSnapshot, 'reports'>, connected: ConnectedHosts, now: number): KnownReports {
    this.#setClock(now)
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

  /** Forgets the reports of a host, by ref: it must report again. */
  forget(host: string): void {
    for (const ofSr of this.#known.values()) ofSr.delete(host)
  }

  /** The report of the present boot for each host and SR. @param hosts with their boot, if that is known */
  newest(hosts: readonly HostSnapshot[]): ReceivedReport[] {
    const bootIds = new Map(hosts.map(({ ref, bootId }) => [ref, bootId]))
    return [...this.#known.values()].flatMap(ofSr =>
      [...ofSr].flatMap(([host, known]) => ofPresentBoot(known, bootIds.get(host))?.received ?? []),
    )
  }

  /** A memory with the same content that changes apart from this one. Reports themselves never change and are shared. */
  copy(): ReportMemory {
    const copied = new ReportMemory({ leaseMs: this.#leaseMs, clockSkewMs: this.#clockSkewMs })
    for (const [sr, ofSr] of this.#known) copied.#known.set(sr, new Map(ofSr))
    for (const [sr, ofSr] of this.#stored) copied.#stored.set(sr, new Map(ofSr))
    copied.#read = this.#read
    copied.#connected = this.#connected
    copied.#clockMs = this.#clockMs
    return copied
  }

  #isStored(received: ReceivedReport): boolean {
    const stored = this.#stored.get(received.sr)?.get(received.host)
    return stored !== undefined && isSameReceipt(stored, received)
  }

  /**
   * After the clock of this machine was set back, forgets reports with a confirmation in the future: until the clock has caught up,
   * they would outlast every new confirmation of the same report.
   */
  #setClock(now: number): void {
    const wasSetBack = now < this.#clockMs
    this.#clockMs = now
    if (!wasSetBack) return
    for (const ofSr of this.#known.values()) {
      for (const [host, known] of ofSr) {
        const all = [known, ...known.boots].flatMap(({ received, readable }) => [received, readable ?? received])
        if (all.some(each => this.#isFromFuture(each))) ofSr.delete(host)
      }
    }
  }

  #isFromFuture({ confirmedAtMs }: ReceivedReport): boolean {
    return confirmedAtMs > this.#clockMs + this.#clockSkewMs
  }
}

function put<T>(all: BySrAndHost<T>, { sr, host }: { readonly sr: string; readonly host: string }, value: T): void {
  const ofSr = all.get(sr)
  if (ofSr === undefined) all.set(sr, new Map([[host, value]]))
  else ofSr.set(host, value)
}

/** Forgets hosts that were disconnected, or connected by another PBD: they may have other mirrors than before. */
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

/** Whether the database still holds the same write: each write has its own time of confirmation or its own content. */
function isSameReceipt(before: ReceivedReport, now: ReceivedReport): boolean {
  if (before === now) return true
  if (before.confirmedAtMs !== now.confirmedAtMs) return false
  if (before.report === undefined || now.report === undefined) return before.problem?.text === now.problem?.text
  return before.report.bootId === now.report.bootId && before.report.seq === now.report.seq
}
