import type { GateReason } from '../reason/gate-reason.ts'

/** One guarded SR, and what speaks against the departure of hosts that it concerns, beside those that are away already. */
export interface SrRule {
  /** Whether the SR has a say in what becomes of a host, by its ref. */
  readonly concerns: (host: string) => boolean
  /** @param leaving refs of hosts of the pool; the SR concerns at least one of them */
  readonly departure: (leaving: ReadonlySet<string>) => readonly GateReason[]
}
