import type { Reason } from '../../reason/reason.ts'
import { isPausedWithoutCause } from '../../reason/resync-waiting.ts'

/** How a resync develops, by its history. */
export type ResyncTrend =
  | 'moves'
  /** Nothing moves: the amount out of sync does not fall, and no data is sent or received. */
  | 'stalled'
  /** Data moves, and writes add more than is copied. */
  | 'outrun'
  /** Data moves, but nothing was gained for so long that waiting is not enough. */
  | 'in-vain'
  /** The peer has been behind under load for so long that somebody must check the link or its settings. */
  | 'behind-for-long'

/** A reading's reason, corrected by the trend of its resync. */
export function inLightOf(trend: ResyncTrend, each: Reason): Reason {
  switch (trend) {
    case 'moves':
      return each
    case 'stalled':
      return isStallable(each) ? { ...each, code: 'resync-stalled', clearedBy: 'operator' } : each
    case 'outrun':
      return each.code === 'resync-running' ? { ...each, code: 'resync-outrun', clearedBy: 'time' } : each
    case 'in-vain':
      return each.code === 'resync-running' ? { ...each, code: 'resync-outrun', clearedBy: 'operator' } : each
    case 'behind-for-long':
      return each.code === 'peer-behind' ? { ...each, clearedBy: 'operator' } : each
  }
}

function isStallable(each: Reason): boolean {
  return each.code === 'resync-running' || each.code === 'resync-starting' || isPausedWithoutCause(each)
}
