import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import type {
  HostSnapshot,
  PbdSnapshot,
  PoolSnapshot,
  ReceivedReport,
} from '../allowed-operations/pool/pool-snapshot.ts'
import {
  type ConnectedHosts,
  connectedHosts,
  type ObservedSr,
  observeSrs,
} from '../allowed-operations/rules/sr-members.ts'
import type { PoolReading } from './pool-port.ts'
import { ReportMemory } from './report-memory.ts'

interface Correction {
  /** The moment that the pool states. */
  readonly statedMs: number
  /** The moment that is used in its place. */
  readonly sinceMs: number
}

/** Hosts whose `liveSinceMs` can be compared with the present clock. */
interface CorrectedHosts {
  readonly hosts: readonly HostSnapshot[]
  /** Refs of the hosts whose moment was corrected just now: their reports so far may be from before they became live. */
  readonly renewed: readonly string[]
}

/**
 * Corrects `liveSinceMs` of hosts after the clock of this machine was set back. Such a host would be live since a moment in the future,
 * and its reports would not be valid until then. The correction takes the moment at which the step was seen, and lasts as long as the
 * pool states the same moment.
 */
export class LiveSince {
  /** By ref of the host. */
  #corrections: ReadonlyMap<string, Correction> = new Map()

  correct(hosts: readonly HostSnapshot[], now: number): CorrectedHosts {
    const corrections = new Map<string, Correction>()
    const renewed: string[] = []
    const corrected = hosts.map(host => {
      const { ref, liveSinceMs: statedMs } = host
      if (statedMs === null) return host
      const before = this.#corrections.get(ref)
      const knownMs = before?.statedMs === statedMs ? before.sinceMs : statedMs
      const sinceMs = Math.min(knownMs, now)
      if (sinceMs === statedMs) return host
      if (sinceMs < knownMs) renewed.push(ref)
      corrections.set(ref, { statedMs, sinceMs })
      return { ...host, liveSinceMs: sinceMs }
    })
    this.#corrections = corrections
    return { hosts: corrected, renewed }
  }

  copy(): LiveSince {
    const copied = new LiveSince()
    copied.#corrections = this.#corrections
    return copied
  }
}

/** The pool as one computation uses it. */
export interface PoolObservation {
  readonly pool: PoolSnapshot
  readonly atMs: number
  /** Ref of the coordinator; `''`: not known. */
  readonly coordinator: string
  /** The guarded SRs with their members. */
  readonly srs: readonly ObservedSr[]
}

/**
 * Combines readings of the pool with what is remembered between them: reports, corrected moments, connections. Another coordinator
 * begins with an empty memory.
 */
export class PoolObserver {
  readonly #policy: GatePolicy
  #liveSince = new LiveSince()
  #reports: ReportMemory
  #coordinator: string | null = null
  #run: number | undefined
  #pbds: readonly PbdSnapshot[] = []
  #connected: ConnectedHosts = new Map()

  constructor(policy: GatePolicy) {
    this.#policy = policy
    this.#reports = new ReportMemory(policy)
  }

  /** Takes in a reading. @param atMs Unix time in milliseconds */
  observe({ pool: stored, freshUntilMs, run }: PoolReading, coordinator: string, atMs: number): PoolObservation {
    if (coordinator !== this.#coordinator || run !== this.#run) {
      this.#coordinator = coordinator
      this.#run = run
      this.#reports.begin(stored)
    }
    const { hosts, renewed } = this.#liveSince.correct(stored.hosts, atMs)
    for (const host of renewed) this.#reports.forget(host)
    const isFresh = atMs <= freshUntilMs
    const pool = { ...stored, hosts: isFresh ? hosts : hosts.map(withoutLiveness) }
    const connected = this.#connectedHosts(pool.pbds)
    const known = this.#reports.read(pool, connected, atMs)
    return { pool, atMs, coordinator, srs: observeSrs(pool, this.#policy, atMs, known, connected) }
  }

  /** Takes in the answer to a poll. */
  accept(received: ReceivedReport, now: number): void {
    this.#reports.accept(received, now)
  }

  /** The valid report of each host and SR. */
  newestReports(hosts: readonly HostSnapshot[]): ReceivedReport[] {
    return this.#reports.newest(hosts)
  }

  /** An observer with the same memory, whose readings do not change this one. */
  copy(): PoolObserver {
    const copied = new PoolObserver(this.#policy)
    copied.#liveSince = this.#liveSince.copy()
    copied.#reports = this.#reports.copy()
    copied.#coordinator = this.#coordinator
    copied.#run = this.#run
    copied.#pbds = this.#pbds
    copied.#connected = this.#connected
    return copied
  }

  /**
   * Returns the same object as before unless a PBD was added or removed. Reports are written into PBDs, so the records change all the
   * time, and their connections rarely.
   */
  #connectedHosts(pbds: readonly PbdSnapshot[]): ConnectedHosts {
    const isSame = pbds.length === this.#pbds.length && pbds.every((pbd, index) => connectsSame(pbd, this.#pbds[index]))
    this.#pbds = pbds
    if (!isSame) this.#connected = connectedHosts(pbds)
    return this.#connected
  }
}

function connectsSame(pbd: PbdSnapshot, before: PbdSnapshot | undefined): boolean {
  return pbd === before || (pbd.ref === before?.ref && pbd.host === before.host && pbd.sr === before.sr)
}

/** A host in a reading that is too old: whether it is live is not known, which blocks. */
function withoutLiveness(host: HostSnapshot): HostSnapshot {
  return { ...host, live: null }
}

/**
 * How many SRs concern a host, and the member of these SRs that confirmed its report longest ago: a decision about the host relies on
 * data that is at most this old.
 */
export function oldestConfirmation(srs: readonly ObservedSr[], host: string, now: number) {
  const concerned = srs.filter(({ connected }) => connected.has(host))
  let oldest: { readonly host: string; readonly sr: string; readonly ageMs: number } | null = null
  for (const { ref: sr, members } of concerned) {
    for (const { host: member, confirmedAtMs } of members) {
      if (confirmedAtMs === null) continue
      const ageMs = now - confirmedAtMs
      if (oldest === null || ageMs > oldest.ageMs) oldest = { host: member.ref, sr, ageMs }
    }
  }
  return { srs: concerned.length, oldest }
}
