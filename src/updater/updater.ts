import { type Claim, claim } from '../allowed-operations/claim.ts'
import { allowedOperations, decide, type HostVerdicts } from '../allowed-operations/decide.ts'
import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import { type HostOperation, STORAGE_OPERATIONS, type XapiError } from '../allowed-operations/pool/host-operation.ts'
import { listedPeers } from '../allowed-operations/pool/known-peers.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { factsOf } from '../allowed-operations/reports/report-facts.ts'
import { usableMirrorList } from '../allowed-operations/rules/sr-members.ts'
import type { Clock } from '../platform/time/clock.ts'
import { parseReport } from '../sync-query/report/report-parse.ts'
import type { DecisionEvent, OperationsChange } from './decision-events.ts'
import { findCauses, overrideCauses } from './find-causes.ts'
import { Poller } from './poller.ts'
import { oldestConfirmation, type PoolObservation, PoolObserver } from './pool-observer.ts'
import type { GateVerdicts, PoolPort, PoolReading } from './pool-port.ts'

type ClaimAnswer =
  | { readonly ok: true; readonly begun: () => void }
  | { readonly ok: false; readonly error: XapiError; readonly reasons: readonly GateReason[] }

export interface UpdaterOptions {
  readonly pool: PoolPort
  readonly policy: GatePolicy
  readonly clock: Clock
  /** Milliseconds between two polls of a host. */
  readonly pollEveryMs: number
  /** Milliseconds until a poll without an answer fails. */
  readonly pollTimeoutMs: number
  /** Called for each decision. Must not throw. */
  readonly decided: (event: DecisionEvent) => void
  /** Called with the duration of each computation. Must not throw. */
  readonly recomputed: (durationMs: number) => void
  /** Called when an effect on the pool failed, once until it succeeds again. Must not throw. */
  readonly effectFailed: (error: unknown) => void
}

/** A failed effect is tried again after this, if no computation happens earlier. */
const RETRY_AFTER_MS = 5_000

/**
 * Keeps the allowed operations of all hosts at what the gate decides.
 *
 * Invariants: each computation uses the whole pool as it is at that moment (level-triggered: a missed change costs time, never
 * correctness). A claim is decided from the same facts at the moment of the call. Whatever expires (a lease, an override, a reading)
 * has a timer. The updater begins with an empty memory, and so does another coordinator: an SR blocks until each of its hosts has
 * reported to this updater.
 *
 * Two updaters at once are safe. Both compute the same from the same pool; the one with fewer reports blocks, and the one that the
 * toolstack asks refuses calls. The field holds what the last one wrote and is only for display: no operation begins without a
 * claim. Neither reacts to the writes of the other, so they do not compete.
 */
export class Updater {
  readonly #options: UpdaterOptions
  readonly #observer: PoolObserver
  readonly #poller: Poller
  /** `host.allowed_operations` of each host, as last published. */
  readonly #allowed = new Map<string, readonly HostOperation[]>()
  /** The peers of each PBD that are being stored, by ref. */
  readonly #keeping = new Map<string, readonly string[]>()
  readonly #failing = new Set<Effect>()
  #coordinator: string | null = null
  #run: number | undefined
  #last: PoolObservation | null = null
  #state: 'new' | 'started' | 'closed' = 'new'
  #scheduled: NodeJS.Immediate | null = null
  #unsubscribe: () => void = () => undefined
  #cancelExpiry: () => void = () => undefined
  #cancelRetry: () => void = () => undefined

  constructor(options: UpdaterOptions) {
    const { pool, policy, clock, pollEveryMs, pollTimeoutMs } = options
    this.#options = options
    this.#observer = new PoolObserver(policy)
    this.#poller = new Poller({
      poll: (host, sr, signal) => pool.pollReport(host, sr, signal),
      answered: (host, sr, text, confirmedAtMs) => {
        const read = parseReport(text)
        this.#observer.accept({ host, sr, confirmedAtMs, ...read }, clock.now())
        this.#changed()
        return 'report' in read ? factsOf(read.report).madeAtMs : Number.NaN
      },
      clock,
      pollEveryMs,
      pollTimeoutMs,
      leaseMs: policy.leaseMs,
    })
  }

  /** Computes everything once, follows the pool and polls every host. */
  start(): void {
    if (this.#state !== 'new') return
    this.#state = 'started'
    this.#unsubscribe = this.#options.pool.subscribe(() => this.#changed())
    this.recompute()
  }

  async close(): Promise<void> {
    this.#state = 'closed'
    if (this.#scheduled !== null) clearImmediate(this.#scheduled)
    this.#unsubscribe()
    this.#cancelExpiry()
    this.#cancelRetry()
    await this.#poller.close()
  }

  /**
   * Decides whether an operation may begin, from the pool that is passed, at this moment. The caller must write the operation into
   * the pool before anything else can run. It calls `begun` if the operation begins.
   */
  claim(pool: PoolSnapshot, wanted: Claim): ClaimAnswer {
    const observation = this.#observe({ pool, freshUntilMs: Number.POSITIVE_INFINITY })
    const answer = claim(observation.pool, this.#options.policy, observation.atMs, wanted, observation.srs)
    if (!answer.ok) return { ok: false, error: answer.error, reasons: answer.reasons }
    return { ok: true, begun: () => this.#reportAccepted(observation, wanted, answer.reasons) }
  }

  /** The pool as the port reads it at this moment. */
  snapshot(): PoolSnapshot {
    return this.#options.pool.read().pool
  }

  /** The verdicts for the pool at this moment. Changes nothing. */
  verdicts(): GateVerdicts {
    const { pool: port, policy, clock } = this.#options
    const observer = this.#observer.copy()
    const observation = observer.observe(port.read(), port.coordinator(), clock.now())
    const { pool, srs, atMs, coordinator } = observation
    const hosts = decide(pool, policy, atMs, srs)
    return { atMs, coordinator, policy, pool: { ...pool, reports: observer.newestReports(pool.hosts) }, srs, hosts }
  }

  /** Computes and publishes the decision for all hosts. Does nothing before `start` and after `close`. */
  recompute(): void {
    if (this.#state !== 'started') return
    const { pool: port, policy, clock, decided, recomputed } = this.#options
    const startedAtMs = clock.steadyNow()
    const reading = port.read()
    const observation = this.#observe(reading)
    const before = this.#last
    this.#last = observation
    this.#keepPeers(observation)
    const changes = this.#publish(observation, decide(observation.pool, policy, observation.atMs, observation.srs))
    // The UUID of an SR without a record is not known, so its hosts cannot be polled for it.
    this.#poller.follow(observation.srs.filter(({ sr }) => sr !== null))
    this.#armExpiry(observation, reading)
    recomputed(clock.steadyNow() - startedAtMs)
    if (before !== null) {
      for (const cause of overrideCauses(before, observation, policy)) decided({ ...cause, ...occasionOf(observation) })
    }
    if (changes.length === 0) return
    const causes = findCauses(before, observation, policy)
    for (const change of changes) decided({ ...change, causes: causes.of(change.host) })
  }

  /**
   * Schedules one computation for all changes of this turn of the event loop: 64 hosts that report at once cost one computation. It
   * runs before the next turn, so that a client that sees the answer to its call finds the field computed.
   */
  #changed(): void {
    if (this.#state !== 'started' || this.#scheduled !== null) return
    this.#scheduled = setImmediate(() => {
      this.#scheduled = null
      this.recompute()
    }).unref()
  }

  #observe(reading: PoolReading): PoolObservation {
    const coordinator = this.#options.pool.coordinator()
    if (coordinator !== this.#coordinator || reading.run !== this.#run) {
      this.#coordinator = coordinator
      this.#run = reading.run
      this.#poller.forget()
    }
    return this.#observer.observe(reading, coordinator, this.#options.clock.now())
  }

  #publish(observation: PoolObservation, verdicts: ReadonlyMap<string, HostVerdicts>): FieldChange[] {
    for (const host of this.#allowed.keys()) if (!verdicts.has(host)) this.#allowed.delete(host)
    const changes: FieldChange[] = []
    for (const { ref: host, allowedOperations: stored } of observation.pool.hosts) {
      const ofHost = verdicts.get(host)
      if (ofHost === undefined) continue
      const allowed = allowedOperations(operation => ofHost[operation].allowed, observation.pool)
      const published = this.#allowed.get(host)
      if (published !== undefined && isSame(published, allowed)) continue
      this.#allowed.set(host, allowed)
      const before = published ?? stored
      if (isSame(before, allowed)) continue
      const left = before.filter(operation => !allowed.includes(operation))
      const returned = allowed.filter(operation => !before.includes(operation))
      const change = { code: 'operations-changed', host, left, returned, allowed, verdicts: ofHost } as const
      changes.push({ ...change, ...occasionOf(observation) })
    }
    const decision = { ...observation, hosts: verdicts, allowed: new Map(this.#allowed) }
    this.#apply('publish', () => this.#options.pool.publish(decision))
    return changes
  }

  #reportAccepted(
    observation: PoolObservation,
    { host, operation, task }: Claim,
    reasons: readonly GateReason[],
  ): void {
    const { decided } = this.#options
    const occasion = occasionOf(observation)
    if (STORAGE_OPERATIONS.includes(operation)) {
      const oldest = oldestConfirmation(observation.srs, host, occasion.at)
      decided({ code: 'operation-accepted', host, operation, task, ...oldest, ...occasion })
    }
    // An operation that is allowed although the storage rule has reasons is allowed by an override.
    const override = reasons[0]?.override
    if (override !== undefined) decided({ code: 'override-used', host, override, operation, reasons, ...occasion })
  }

  /** Stores the peers of each member: they must be known while the member is down, and after a restart. */
  #keepPeers({ srs }: PoolObservation): void {
    for (const { pbd, report, storedPeers } of srs.flatMap(({ members }) => members)) {
      const list = usableMirrorList(report)
      if (list === undefined) continue
      const peers = listedPeers(list)
      const known = this.#keeping.get(pbd) ?? storedPeers
      if (known !== null && isSame(known, peers)) continue
      this.#keeping.set(pbd, peers)
      const act = () => this.#options.pool.keepPeers(pbd, peers)
      this.#apply('keep-peers', act, () => this.#keeping.get(pbd) === peers && this.#keeping.delete(pbd))
    }
  }

  /** Starts an effect on the pool at once and reports its failure. @param ended called when it is over, in either way */
  #apply(effect: Effect, act: () => Promise<void> | undefined, ended: () => void = () => undefined): void {
    const succeeded = () => {
      this.#failing.delete(effect)
      ended()
    }
    const failed = (error: unknown) => {
      ended()
      this.#reportFailure(effect, error)
    }
    try {
      const underWay = act()
      if (underWay === undefined) succeeded()
      else underWay.then(succeeded, failed)
    } catch (error) {
      failed(error)
    }
  }

  #reportFailure(effect: Effect, error: unknown): void {
    if (this.#state === 'closed') return
    if (!this.#failing.has(effect)) this.#options.effectFailed(error)
    this.#failing.add(effect)
    this.#cancelRetry()
    this.#cancelRetry = this.#options.clock.after(RETRY_AFTER_MS, () => this.recompute())
  }

  /** Arms a timer for the moment at which the next lease, override or reading expires, or an override comes into force. */
  #armExpiry({ pool, srs, atMs }: PoolObservation, { freshUntilMs }: PoolReading): void {
    this.#cancelExpiry()
    let nextMs = freshUntilMs > atMs ? freshUntilMs + 1 : Number.POSITIVE_INFINITY
    for (const { members } of srs) {
      for (const { countsUntilMs } of members) if (countsUntilMs < nextMs) nextMs = countsUntilMs + 1
    }
    for (const { createdMs = atMs, expiresMs } of pool.overrides) {
      const beginsMs = createdMs - this.#options.policy.clockSkewMs
      for (const momentMs of [beginsMs, expiresMs]) if (momentMs > atMs && momentMs < nextMs) nextMs = momentMs
    }
    if (nextMs !== Number.POSITIVE_INFINITY) {
      this.#cancelExpiry = this.#options.clock.after(nextMs - atMs, () => this.recompute())
    }
  }
}

type Effect = 'publish' | 'keep-peers'

/** A change before its causes are known. */
type FieldChange = Omit<OperationsChange, 'causes'>

function occasionOf({ atMs, pool }: PoolObservation) {
  return { at: atMs, pool }
}

function isSame(before: readonly string[], after: readonly string[]): boolean {
  return before.length === after.length && before.every((each, index) => each === after[index])
}
