import type { ReasonDetails } from './reason-kind.ts'

type CodedDetails = Pick<ReasonDetails, 'peer' | 'word' | 'field'> & { readonly code: string }

/**
 * The other side holds the resync back. This side cannot see whether it is paused there or waits for its turn: DRBD sends one flag
 * for both.
 */
export function isHeldBackByPeer<Each extends CodedDetails>(each: Each): each is Each & { readonly peer: string } {
  return each.code === 'resync-waiting' && waitsForPeer(each)
}

/** As `isHeldBackByPeer`, of a reason that waits. */
export function waitsForPeer({ peer, word }: Pick<ReasonDetails, 'peer' | 'word'>): boolean {
  return word === 'peer' && peer !== undefined
}

/**
 * The kernel shows the resync as paused without a cause (`resync-suspended:no`). Towards one of several sources that is normal; towards
 * all of them it is a deadlock (DRBD 9.2.19 after a link was cut during a resync, recorded).
 */
export function isPausedWithoutCause({ code, field }: Pick<CodedDetails, 'code' | 'field'>): boolean {
  return code === 'resync-waiting' && waitsWithoutCause({ field })
}

/** As `isPausedWithoutCause`, of a reason that waits. */
export function waitsWithoutCause({ field }: { readonly field?: string | undefined }): boolean {
  return field === 'replication'
}
