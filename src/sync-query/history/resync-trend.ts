import type { Reason } from '../reason/reason.ts'
import { isPausedWithoutCause } from '../reason/resync-waiting.ts'

/** How a resync gets on, which only its history tells. */
export type ResyncTrend =
  | 'moves'
  /** Nothing moves: neither less is out of sync, nor is anything sent or received. */
  | 'stalled'
  /** Data moves, and writes add more than is copied. */
  | 'outrun'
  /** Data moves, and nothing has been gained for so long that waiting will not do. */
  | 'in-vain'
  /** The peer has fallen behind under load for so long that the link or its settings must be seen to. */
  | 'behind-for-long'

/** What a reason of one look says in the light of how its resync gets on. */
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
