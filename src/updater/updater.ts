import { type Claim, claim } from '../allowed-operations/claim.ts'
import { allowedOperations, decide, type HostVerdicts } from '../allowed-operations/decide.ts'
import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import { type HostOperation, STORAGE_OPERATIONS, type XapiError } from '../allowed-operations/pool/host-operation.ts'
import { listedPeers } from '../allowed-operations/pool/known-peers.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { factsOf } from '../allowed-operations/reports/report-facts.ts'
import { type ObservedSr, observeSrs, usableMirrorList } from '../allowed-operations/rules/sr-members.ts'
import { machineTimers, type Timers } from '../platform/time/timers.ts'
import { parseReport } from '../sync-query/report/report-parse.ts'
import { type AcceptedClaim, oldestConfirmation } from './accepted-claim.ts'
import type { ChangeCause } from './change-cause.ts'
import { ConnectionCache } from './connections.ts'
import { findCauses, type Observation, overrideCauses } from './find-causes.ts'
import { LiveSince } from './live-since.ts'
import type { OverrideEvent } from './override-event.ts'
import { Poller } from './poller.ts'
import type { PoolPort } from './pool-port.ts'
import { ReportMemory } from './report-memory.ts'

/** `host.allowed_operations` of one host is another than before. */
export interface OperationsChange {
  readonly at: number
  /** Ref of the host. */
  readonly host: string
  readonly left: readonly HostOperation[]
  readonly returned: readonly HostOperation[]
  readonly allowed: readonly HostOperation[]
  /** Why each operation that left did. */
  readonly verdicts: HostVerdicts
  /** What was another than at the computation before, as far as it matters to this host. Never empty. */
  readonly causes: readonly ChangeCause[]
  /** The pool that this was computed from. */
  readonly pool: PoolSnapshot
}

export interface GateVerdicts {
  /** Milliseconds since 1970. */
  readonly atMs: number
  /** With what counts of the reports of each host, instead of what stands in the database. */
  readonly pool: PoolSnapshot
  /** The guarded SRs, with what is known of their members. */
  readonly srs: readonly ObservedSr[]
  readonly hosts: ReadonlyMap<string, HostVerdicts>
}

type ClaimAnswer =
  | { readonly ok: true; readonly begun: () => void }
  | { readonly ok: false; readonly error: XapiError; readonly reasons: readonly GateReason[] }

export interface UpdaterOptions {
  readonly pool: PoolPort
  readonly policy: GatePolicy
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** How often every host is asked for its reports, in milliseconds. */
  readonly pollEveryMs: number
  /** How long a host may take to answer, in milliseconds. */
  readonly pollTimeoutMs: number
  /** Told of every change of `host.allowed_operations`. Must not throw. */
  readonly witness: (change: OperationsChange) => void
  /** Told of every override that comes into force or ends, and of every operation that began by one alone. Must not throw. */
  readonly overridden?: (event: OverrideEvent) => void
  /** Called for each accepted operation that takes a host's replicas away. Must not throw. */
  readonly accepted?: (claim: AcceptedClaim) => void
  /** Told how long each computation took. Must not throw. */
  readonly recomputed?: (durationMs: number) => void
  /** Default: the machine's. */
  readonly timers?: Timers
}

/**
 * Keeps `host.allowed_operations` of all hosts at what the gate says.
 *
 * Invariants: each computation is of the whole pool as it is at that moment (level-triggered: a change that goes unseen
 * costs time, never correctness); a call is checked against the same facts, at the moment it is made; whatever runs out
 * by itself (a lease, an override) has a timer. It begins with nothing, and so does another coordinator: until every host
 * of an SR has spoken to this updater, the SR blocks.
 *
 * Two updaters at once do no harm. Both compute the same from the same pool; where one has heard less it blocks, and a
 * call is refused by whichever the toolstack asks. The field is what the last one wrote, and is only a picture: no
 * operation begins without its claim. Neither answers the other's writes, so they cannot quarrel.
 */
export class Updater {
  readonly #options: UpdaterOptions
  readonly #timers: Timers
  readonly #connections = new ConnectionCache()
  readonly #liveSince = new LiveSince()
  readonly #reports: ReportMemory
  readonly #poller: Poller
  /** What was last written for each host. */
  readonly #written = new Map<string, readonly HostOperation[]>()
  #coordinator: string | null = null
  #last: Observation | null = null
  #state: 'new' | 'started' | 'closed' = 'new'
  #noticed: NodeJS.Immediate | null = null
  #writing = false
  #cancelExpiry: () => void = () => undefined

  constructor(options: UpdaterOptions) {
    const { pool, policy, now, timers = machineTimers, pollEveryMs, pollTimeoutMs } = options
    this.#options = options
    this.#timers = timers
    this.#reports = new ReportMemory(policy)
    this.#poller = new Poller({
      ask: (host, sr, signal) => pool.pollReport(host, sr, signal),
      hear: (host, sr, text, confirmedAtMs) => {
        const read = parseReport(text)
        this.#reports.accept({ host, sr, confirmedAtMs, ...read }, now())
        this.notice()
        return 'report' in read ? factsOf(read.report).madeAtMs : Number.NaN
      },
      now,
      timers,
      pollEveryMs,
      pollTimeoutMs,
      leaseMs: policy.leaseMs,
    })
  }

  /** Computes everything once and begins to poll, every host at once. */
  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'started'
    this.recompute()
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    if (this.#noticed !== null) clearImmediate(this.#noticed)
    this.#cancelExpiry()
    await this.#poller.close()
  }

  /**
   * Something in the pool has changed; that this updater has written the field is no news. Everything that arrives in one
   * turn of the event loop is taken together, before the next turn: 64 hosts that speak at once cost one computation, and
   * whoever sees the answer to its call and asks again finds the field computed.
   */
  notice(): void {
    if (this.#state !== 'started' || this.#noticed !== null || this.#writing) return
    this.#noticed = setImmediate(() => {
      this.#noticed = null
      this.recompute()
    }).unref()
  }

  /**
   * Whether an operation may begin, by the pool as it is handed in, at this moment. The caller must write the operation
   * into the pool before anything else can run. An operation that may begin need not: `begun` says that it has.
   */
  claim(pool: PoolSnapshot, wanted: Claim): ClaimAnswer {
    const look = this.#look(pool)
    const answer = claim(look.pool, this.#options.policy, look.atMs, wanted, look.srs)
    if (!answer.ok) return { ok: false, error: answer.error, reasons: answer.reasons }
    return { ok: true, begun: () => this.#tellAccepted(look, wanted, answer.reasons) }
  }

  /** The pool as the gate sees it at this moment, and what it says of every host, by ref. */
  verdicts(): GateVerdicts {
    const { pool, srs, atMs } = this.#look(this.#options.pool.snapshot())
    const hosts = decide(pool, this.#options.policy, atMs, srs)
    return { atMs, pool: { ...pool, reports: this.#reports.newest(pool.hosts) }, srs, hosts }
  }

  /** Computes and writes `host.allowed_operations` of all hosts. Nothing is written before `start` and after `close`. */
  recompute(): void {
    if (this.#state !== 'started') return
    const startedAt = performance.now()
    const { pool, policy, witness, overridden, recomputed } = this.#options
    const look = this.#look(pool.snapshot())
    const before = this.#last
    this.#last = look
    this.#keepPeers(look)
    const changes = this.#write(look, decide(look.pool, policy, look.atMs, look.srs))
    // Of an SR without a record no host can be told which one is meant, and nothing that is said of it counts.
    this.#poller.follow(look.srs.filter(({ sr }) => sr !== null))
    this.#armExpiry(look)
    recomputed?.(performance.now() - startedAt)
    if (before !== null) {
      for (const cause of overrideCauses(before, look, policy)) {
        overridden?.({ ...cause, at: look.atMs, pool: look.pool })
      }
    }
    if (changes.length === 0) return
    const causes = findCauses(before, look, policy)
    for (const change of changes) witness({ ...change, causes: causes.of(change.host), pool: look.pool })
  }

  #look(stored: PoolSnapshot): Observation {
    const coordinator = this.#options.pool.coordinator?.() ?? ''
    if (coordinator !== this.#coordinator) {
      this.#coordinator = coordinator
      this.#reports.begin(stored)
      this.#poller.forget()
    }
    const atMs = this.#options.now()
    const { hosts, renewed } = this.#liveSince.correct(stored.hosts, atMs)
    for (const host of renewed) this.#reports.forget(host)
    const pool = { ...stored, hosts }
    const connected = this.#connections.of(pool.pbds)
    const known = this.#reports.read(pool, connected, atMs)
    return { pool, atMs, coordinator, srs: observeSrs(pool, this.#options.policy, atMs, known, connected) }
  }

  #write(look: Observation, verdicts: ReadonlyMap<string, HostVerdicts>): FieldChange[] {
    for (const host of this.#written.keys()) if (!verdicts.has(host)) this.#written.delete(host)
    const changes: FieldChange[] = []
    for (const { ref: host, allowedOperations: stored } of look.pool.hosts) {
      const ofHost = verdicts.get(host)
      if (ofHost === undefined) continue
      const allowed = allowedOperations(operation => ofHost[operation].allowed, look.pool)
      const written = this.#written.get(host)
      if (written !== undefined && isSame(written, allowed)) continue
      this.#written.set(host, allowed)
      this.#writeField(host, allowed)
      const before = written ?? stored
      if (isSame(before, allowed)) continue
      const left = before.filter(operation => !allowed.includes(operation))
      const returned = allowed.filter(operation => !before.includes(operation))
      changes.push({ at: look.atMs, host, left, returned, allowed, verdicts: ofHost })
    }
    return changes
  }

  /** What is allowed against the reasons of storage is allowed by an override. */
  #tellAccepted(
    { pool, atMs: at, srs }: Observation,
    { host, operation, task }: Claim,
    reasons: readonly GateReason[],
  ): void {
    if (STORAGE_OPERATIONS.includes(operation)) {
      this.#options.accepted?.({ at, host, operation, task, pool, ...oldestConfirmation(srs, host, at) })
    }
    const override = reasons[0]?.override
    if (override === undefined) return
    this.#options.overridden?.({ code: 'override-used', host, override, operation, reasons, at, pool })
  }

  #writeField(host: string, allowed: readonly HostOperation[]): void {
    this.#withoutNotice(() => this.#options.pool.setAllowedOperations(host, allowed))
  }

  /** Where the replicas of each member are must be known when it is down, and after a restart. */
  #keepPeers({ srs }: Observation): void {
    for (const { pbd, report, storedPeers } of srs.flatMap(({ members }) => members)) {
      const list = usableMirrorList(report)
      if (list === undefined) continue
      const peers = listedPeers(list)
      if (storedPeers?.join('\n') === peers.join('\n')) continue
      this.#withoutNotice(() => this.#options.pool.keepPeers(pbd, peers))
    }
  }

  #withoutNotice(write: () => void): void {
    this.#writing = true
    try {
      write()
    } finally {
      this.#writing = false
    }
  }

  /** Wakes up when the next lease or override runs out, or an override by a clock that is ahead comes into force. */
  #armExpiry({ pool, srs, atMs }: Observation): void {
    this.#cancelExpiry()
    let nextMs = Number.POSITIVE_INFINITY
    for (const { members } of srs) {
      for (const { countsUntilMs } of members) if (countsUntilMs < nextMs) nextMs = countsUntilMs + 1
    }
    for (const { createdMs = atMs, expiresMs } of pool.overrides) {
      const beginsMs = createdMs - this.#options.policy.clockSkewMs
      for (const momentMs of [beginsMs, expiresMs]) if (momentMs > atMs && momentMs < nextMs) nextMs = momentMs
    }
    if (nextMs !== Number.POSITIVE_INFINITY) {
      this.#cancelExpiry = this.#timers.after(nextMs - atMs, () => this.recompute())
    }
  }
}

/** A change before its causes are known. */
type FieldChange = Omit<OperationsChange, 'causes' | 'pool'>

function isSame(before: readonly HostOperation[], after: readonly HostOperation[]): boolean {
  return before.length === after.length && before.every((operation, index) => operation === after[index])
}
