import type { GateReason } from '../reason/gate-reason.ts'

/** The storage rule of one guarded SR: which hosts it concerns, and the reasons against their departure. */
export interface SrRule {
  /** Whether the departure of this host, by ref, may harm the SR. */
  readonly concerns: (host: string) => boolean
  /**
   * The reasons against the departure of these hosts, in addition to the hosts that are already down or going down.
   * @param leaving refs of hosts of the pool; the SR concerns at least one of them
   */
  readonly departure: (leaving: ReadonlySet<string>) => readonly GateReason[]
}
