import { REASONS, type Reason } from './reason.ts'

/** Milliseconds that a reason may last before it becomes another one or needs an operator; `Infinity`: no limit. */
export function patienceWith(reason: Reason, stuckAfterMs: number): number {
  // A detach, an I/O error and a handshake take moments; later the kernel is stuck.
  if (isLeavingDisk(reason) || isIdle(reason)) return stuckAfterMs
  // Another host copies to that peer. That may take days and has its own reasons there.
  const isCopiedElsewhere = reason.code === 'peer-disk-not-up-to-date' && reason.word === 'Inconsistent'
  if (reason.clearedBy === 'operator' || isCopiedElsewhere) return Number.POSITIVE_INFINITY
  return REASONS[reason.code].patienceMs ?? Number.POSITIVE_INFINITY
}

/** The reason after that time. */
export function outOfPatience(reason: Reason): Reason {
  if (isLeavingDisk(reason)) return { ...reason, code: 'disk-stuck', clearedBy: 'operator' }
  if (isIdle(reason)) return { ...reason, code: 'resync-never-began', clearedBy: 'operator', side: 'source' }
  return { ...reason, clearedBy: 'operator' }
}

/** The largest possible Date, Unix time in milliseconds. */
const LAST_MOMENT_MS = 8_640_000_000_000_000

/** The reason with `since`, if its kind carries that. A recording without a clock has no moment. */
export function dated(reason: Reason, since: number): Reason {
  const { isDated = false } = REASONS[reason.code]
  return isDated && since > 0 && since <= LAST_MOMENT_MS ? { ...reason, since: new Date(since).toISOString() } : reason
}

/** The local disk is detaching: DRBD waits for its pending I/O. */
function isLeavingDisk({ code, word }: Reason): boolean {
  return code === 'disk-not-up-to-date' && (word === 'Detaching' || word === 'Failed')
}

/** A peer lacks data that is marked here, and nothing copies it: the resync begins within moments, or never. */
function isIdle({ code, clearedBy, outOfSyncBytes }: Reason): boolean {
  return code === 'peer-disk-not-up-to-date' && clearedBy === 'time' && outOfSyncBytes !== undefined
}
