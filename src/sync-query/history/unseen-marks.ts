import { DISK_WORDS, wordMeaning } from '../judge/drbd.ts'
import { loseMarks, type PairMarks, setRest } from './pair-marks.ts'

/**
 * What was owed while the peer was away went while nobody could see it, and this connection has moved at least as much: it was
 * copied. DRBD counts writes of the virtual disk too, so this decides only where a restart leaves nothing better.
 */
export function hasCopiedUnseen({ owedBytes, repair }: PairMarks, out: number, movedBytes: number | null): boolean {
  return repair === 'none' && owedBytes > out && movedBytes !== null && movedBytes >= owedBytes - out
}

/**
 * Fewer marks than were remembered, at a peer that is away or not well, after a time that nobody has seen: they went in that
 * time. When the peer returns without marks it is not owed them any more.
 */
export function forgetUnseen(pair: PairMarks, out: number | null, movedBytes: number | null): void {
  if (out === null || Math.max(pair.owedBytes, pair.restBytes) <= out) return
  if (hasCopiedUnseen(pair, out, movedBytes)) setRest(pair, 0, 'none')
  else loseMarks(pair, false)
  pair.owedBytes = out
}

/** The disk is attached, so that the kernel knows its marks. */
export function hasBitmap(disk: string | null): boolean {
  const meaning = disk === null ? null : wordMeaning(DISK_WORDS, disk)
  return meaning === 'good' || meaning === 'old'
}
