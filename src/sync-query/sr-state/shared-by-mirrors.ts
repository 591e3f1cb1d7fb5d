import { MarksMemory } from '../history/marks-memory.ts'
import { Placements } from '../judge/placement.ts'
import { ReasonOutlines } from './reason-outline.ts'

/** How long things may stand still. Milliseconds. */
export interface Patience {
  /** A resync of which for this long neither less is out of sync nor any byte moves is `stalled`. */
  readonly stalledAfterMs: number
  /** A handshake (WFBitMap*, StartingSync*) that lasts this long is `stalled`; in health it takes seconds. */
  readonly startingAfterMs: number
  /** A resync that has gained nothing for this long, though bytes move, needs an operator. */
  readonly inVainAfterMs: number
  /** A peer that falls behind under load for this long needs an operator, who sees to the link. */
  readonly behindAfterMs: number
  /** A local disk that is Detaching or Failed for this long is stuck; a resync that should begin at once never will. */
  readonly stuckAfterMs: number
  /** An estimate older than this is not shown: after a link is cut the kernel's last word stays for ever. */
  readonly estimateValidMs: number
  /** A resync that waits for another while none runs on this host needs an operator after this long. */
  readonly waitingInVainAfterMs: number
}

export const DEFAULT_PATIENCE: Patience = {
  stalledAfterMs: 5 * 60_000,
  startingAfterMs: 60_000,
  inVainAfterMs: 60 * 60_000,
  behindAfterMs: 30 * 60_000,
  stuckAfterMs: 60_000,
  estimateValidMs: 20_000,
  waitingInVainAfterMs: 30_000,
}

/** What all mirrors of a host have in common. */
export class SharedByMirrors {
  readonly patience: Patience
  readonly placements = new Placements()
  readonly outlines = new ReasonOutlines()

  readonly marks: MarksMemory

  constructor(patience: Patience = DEFAULT_PATIENCE, marks: MarksMemory = new MarksMemory()) {
    this.patience = patience
    this.marks = marks
  }
}
