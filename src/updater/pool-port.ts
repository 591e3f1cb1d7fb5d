import type { HostVerdicts } from '../allowed-operations/decide.ts'
import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import type { ObservedSr } from '../allowed-operations/rules/sr-members.ts'

/** The pool as a port last read it. */
export interface PoolReading {
  /** Overrides included. */
  readonly pool: PoolSnapshot
  /**
   * Unix time in milliseconds until which `pool` may be used. After that the updater treats the liveness of every host as not known,
   * which blocks. `Infinity`: the port reads the pool itself and not a copy.
   */
  readonly freshUntilMs: number
  /**
   * Another number than before: the toolstack was restarted, and its database may be older than what it held before. Reports that it
   * holds then count only when their hosts confirm them. Absent: it never gets older.
   */
  readonly run?: number
}

/** The verdicts of the gate at one moment. */
export interface GateVerdicts {
  /** Unix time in milliseconds. */
  readonly atMs: number
  /** Ref of the coordinator; `''`: not known. */
  readonly coordinator: string
  readonly policy: GatePolicy
  /** The pool; `reports` contains the valid report of each host and SR and not what is stored in the database. */
  readonly pool: PoolSnapshot
  /** The guarded SRs with their members. */
  readonly srs: readonly ObservedSr[]
  /** By ref of the host. */
  readonly hosts: ReadonlyMap<string, HostVerdicts>
}

/** The verdicts that a port publishes. */
export interface GateDecision extends Omit<GateVerdicts, 'policy'> {
  /** `host.allowed_operations` by ref of the host: the same array as in the decision before if nothing changed. */
  readonly allowed: ReadonlyMap<string, readonly HostOperation[]>
}

/**
 * The interface between the updater and a toolstack. The embedded pool implements it in embedded-pool/updater-port.ts; an unmodified
 * xapi can be another implementation.
 *
 * Effects may be asynchronous and are independent: the updater never waits for one before it computes again. If one throws or rejects,
 * the updater reports it and tries again with the next computation, a few seconds later at the latest.
 */
export interface PoolPort {
  /** Answers at once. A port over a remote toolstack answers from the copy of the pool that it follows. */
  read(): PoolReading
  /** Ref of the coordinator (`pool.master`); `''`: not known. */
  coordinator(): string
  /**
   * Calls `changed` in the same step as each change that may change a verdict. Writes of this port itself are not changes.
   * @returns stops it
   */
  subscribe(changed: () => void): () => void
  /**
   * Brings a decision into effect: writes `host.allowed_operations`, or does what has the same effect. The updater calls it with every
   * decision, also before an earlier call has resolved; then the newer decision replaces the older one.
   * @returns `undefined`: done within the call
   */
  publish(decision: GateDecision): Promise<void> | undefined
  /** Stores the peers in the last mirror list of the host of a PBD, by ref. They come back in `read`. */
  keepPeers(pbd: string, peers: readonly string[]): Promise<void> | undefined
  /**
   * Asks a host for its report of an SR: host.call_plugin(host, "resync-monitor", "report", {sr}).
   * @returns the report as text. Rejects without an answer, or when `signal` aborts. It must reject if another program than the agent
   *   of that host may have answered
   */
  pollReport(host: string, sr: string, signal: AbortSignal): Promise<string>
}
