import { setTimeout as sleep } from 'node:timers/promises'
import { type Claim, claim } from '../allowed-operations/claim.ts'
import { allowedOperations, decide, type HostVerdicts } from '../allowed-operations/decide.ts'
import type { GatePolicy } from '../allowed-operations/gate-policy.ts'
import type { HostOperation, XapiError } from '../allowed-operations/host-operation.ts'
import type { Override, PoolSnapshot } from '../allowed-operations/pool-snapshot.ts'
import { guardedSrs } from '../allowed-operations/sr-members.ts'
import { parseReport } from '../sync-query/report-parse.ts'
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
}

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
}

/**
 * Keeps `host.allowed_operations` of all hosts at what the gate says.
 *
 * Invariants: each computation is of the whole pool as it is at that moment (level-triggered: a change that goes unseen
 * costs time, never correctness); a call is checked against the same facts, at the moment it is made; whatever runs out
 * by itself (a lease, an override) has a timer.
 */
export class Updater {
  readonly #options: UpdaterOptions
  readonly #reports = new ReportMemory()
  readonly #stop = new AbortController()
  /** What was last written for each host. */
  readonly #written = new Map<string, readonly HostOperation[]>()
  #overrides: readonly Override[] = []
  #recomputing = false
  #nextExpiry: NodeJS.Timeout | undefined
  #polling: Promise<void> = Promise.resolve()

  constructor(options: UpdaterOptions) {
    this.#options = options
  }

  /** Computes everything once and begins to poll. */
  start(): void {
    this.recompute()
    this.#polling = this.#pollForEver()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    clearTimeout(this.#nextExpiry)
    await this.#polling
  }

  /** Something in the pool has changed. Changes of one step are taken together, before anything else runs. */
  notice(): void {
    if (this.#recomputing || this.#stop.signal.aborted) return
    this.#recomputing = true
    queueMicrotask(() => {
      this.#recomputing = false
      this.recompute()
    })
  }

  setOverrides(overrides: readonly Override[]): void {
    this.#overrides = overrides
    this.notice()
  }

  /**
   * Whether an operation may begin, by the pool as it is handed in, at this moment. The caller must write the operation
   * into the pool before anything else can run.
   */
  claim(pool: PoolSnapshot, wanted: Claim): { readonly ok: true } | { readonly ok: false; readonly error: XapiError } {
    const { policy, now } = this.#options
    return claim(this.#complete(pool), policy, now(), wanted)
  }

  /** What the gate says of every host at this moment, by ref. */
  verdicts(): ReadonlyMap<string, HostVerdicts> {
    const { pool, policy, now } = this.#options
    return decide(this.#complete(pool.snapshot()), policy, now())
  }

  /** Computes and writes `host.allowed_operations` of all hosts. */
  recompute(): void {
    const { pool, policy, now, witness } = this.#options
    if (this.#stop.signal.aborted) return
    const snapshot = this.#complete(pool.snapshot())
    const at = now()
    const verdicts = decide(snapshot, policy, at)
    for (const host of this.#written.keys()) if (!verdicts.has(host)) this.#written.delete(host)
    for (const [host, ofHost] of verdicts) {
      const allowed = allowedOperations(operation => ofHost[operation].allowed, snapshot)
      const before = this.#written.get(host)
      if (before?.join() === allowed.join()) continue
      this.#written.set(host, allowed)
      pool.setAllowedOperations(host, allowed)
      const left = (before ?? []).filter(operation => !allowed.includes(operation))
      const returned = allowed.filter(operation => !before?.includes(operation))
      witness({ at, host, left, returned, allowed, verdicts: ofHost })
    }
    this.#armExpiry(snapshot, at)
  }

  #complete(pool: PoolSnapshot): PoolSnapshot {
    return { ...this.#reports.complete(pool), overrides: [...pool.overrides, ...this.#overrides] }
  }

  /** Wakes up when the next lease or override runs out. */
  #armExpiry({ reports, overrides }: PoolSnapshot, at: number): void {
    clearTimeout(this.#nextExpiry)
    const ends = [
      ...reports.map(({ confirmedAtMs }) => confirmedAtMs + this.#options.policy.leaseMs + 1),
      ...overrides.map(({ expiresMs }) => expiresMs),
    ].filter(end => end > at)
    if (ends.length === 0) return
    const next = ends.reduce((soonest, end) => Math.min(soonest, end))
    // Node takes a delay beyond 31 bits for 1 ms.
    this.#nextExpiry = setTimeout(() => this.recompute(), Math.min(next - at, 2 ** 31 - 1))
    this.#nextExpiry.unref()
  }

  async #pollForEver(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      await this.#pollAll()
      try {
        await sleep(this.#options.pollEveryMs, undefined, { signal, ref: false })
      } catch {
        // Closed meanwhile.
      }
    }
  }

  /** Asks every host of every guarded SR at once; each answer counts when it comes, a hanging host delays no other. */
  async #pollAll(): Promise<void> {
    const { pool, policy, now, pollTimeoutMs } = this.#options
    const snapshot = pool.snapshot()
    const questions = guardedSrs(snapshot, policy).flatMap(({ ref: sr, members }) =>
      members.filter(({ live }) => live === true).map(({ ref: host }) => ({ host, sr })),
    )
    await Promise.all(
      questions.map(async ({ host, sr }) => {
        // The answer is true of a moment after the question, so the question's time is on the safe side.
        const confirmedAtMs = now()
        try {
          const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(pollTimeoutMs)])
          const text = await pool.pollReport(host, sr, signal)
          this.#reports.accept({ host, sr, confirmedAtMs, ...parseReport(text) })
          this.notice()
        } catch {
          // No answer confirms nothing: the lease of what is known runs on.
        }
      }),
    )
  }
}
