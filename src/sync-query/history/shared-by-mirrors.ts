import { Placements } from '../judge/placement.ts'
import { MarksMemory } from './marks/marks-memory.ts'
import { ReasonOutlines } from './reason-outline.ts'

/** Time limits in milliseconds. */
export interface Patience {
  /** A resync is `stalled` if for this long the amount out of sync does not fall and no byte moves. */
  readonly stalledAfterMs: number
  /** A handshake (WFBitMap*, StartingSync*) that lasts this long is `stalled`; normally it takes seconds. */
  readonly startingAfterMs: number
  /** A resync that has gained nothing for this long, though bytes move, needs an operator. */
  readonly inVainAfterMs: number
  /** A peer that is behind under load for this long needs an operator, who checks the link. */
  readonly behindAfterMs: number
  /** A local disk that is Detaching or Failed for this long is stuck; a resync that has not begun after this long never will. */
  readonly stuckAfterMs: number
  /** An older estimate is omitted: after a link is cut the kernel's last estimate stays for ever. */
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

/** What all mirrors of a host share. */
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
