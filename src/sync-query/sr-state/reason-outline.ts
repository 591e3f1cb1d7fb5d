import { patienceWith } from '../history/reason-ages.ts'
import type { ResyncPhase } from '../history/resync-motion.ts'
import { REASONS, type Reason } from '../reason/reason.ts'
import { isPausedWithoutCause } from '../reason/resync-waiting.ts'

/** What a mirror's reasons say, without the mirror's name and their figures. */
export interface ReasonOutline {
  /** Reasons that say it, of whichever mirror did so first; its name and figures mean nothing here. */
  readonly examples: readonly Reason[]
  /** Data is copied. */
  readonly running: boolean
  /** A peer falls behind under load. */
  readonly behind: boolean
  readonly phase: ResyncPhase
  /** Something of it may be overdue some day. */
  readonly ages: boolean
  /** An operator has paused a resync. */
  readonly paused: boolean
  /** The first reason that tells of an operator's pause, of a resync or of what may come. */
  readonly pause: Reason | null
}

export const NO_REASONS: ReasonOutline = outlineOf([])

/** So that peers and words that keep changing cannot fill the memory, nor make a search long. */
const MAX_PEERS = 4096
const MAX_OUTLINES_OF_A_PEER = 64

/**
 * The outlines of one host's reasons, each kept once: thousands of mirrors say the same few things. So a mirror keeps a
 * reference and its figures, and an event is compared with what is in the processor's cache already.
 */
export class ReasonOutlines {
  /** By the peer of the first reason. */
  readonly #outlines = new Map<string, ReasonOutline[]>()

  /** The one of these reasons. */
  intern(reasons: readonly Reason[]): ReasonOutline {
    const [first] = reasons
    if (first === undefined) return NO_REASONS
    const candidates = this.#ofPeer(first.peer ?? '')
    for (const candidate of candidates) if (isOutlineOf(candidate, reasons)) return candidate
    // References to earlier ones stay right; they are only shared less.
    if (candidates.length >= MAX_OUTLINES_OF_A_PEER) candidates.length = 0
    const outline = outlineOf(reasons)
    candidates.push(outline)
    return outline
  }

  #ofPeer(peer: string): ReasonOutline[] {
    const known = this.#outlines.get(peer)
    if (known !== undefined) return known
    if (this.#outlines.size >= MAX_PEERS) this.#outlines.clear()
    const candidates: ReasonOutline[] = []
    this.#outlines.set(peer, candidates)
    return candidates
  }
}

/** True if the reasons say that, with whatever figures. */
export function isOutlineOf({ examples }: ReasonOutline, reasons: readonly Reason[]): boolean {
  return (
    examples.length === reasons.length && examples.every((example, index) => isSameButFigures(example, reasons[index]))
  )
}

function isSameButFigures(a: Reason, b: Reason | undefined): boolean {
  return (
    a.code === b?.code &&
    a.clearedBy === b.clearedBy &&
    a.peer === b.peer &&
    a.word === b.word &&
    a.field === b.field &&
    a.side === b.side &&
    a.missing === b.missing &&
    a.waitsFor === b.waitsFor &&
    isSameChoice(a.candidates, b.candidates) &&
    (a.progress === undefined) === (b.progress === undefined) &&
    (a.outOfSyncBytes === undefined) === (b.outOfSyncBytes === undefined)
  )
}

function isSameChoice(a: Reason['candidates'], b: Reason['candidates']): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined || a.length !== b.length) return false
  return a.every(({ peer, word, outOfSyncBytes }, index) => {
    const other = b[index]
    return peer === other?.peer && word === other.word && outOfSyncBytes === other.outOfSyncBytes
  })
}

function outlineOf(reasons: readonly Reason[]): ReasonOutline {
  const says = (...codes: readonly Reason['code'][]) => reasons.some(({ code }) => codes.includes(code))
  const examples = reasons.map(each => ({ ...each }))
  return {
    examples,
    running: says('resync-running'),
    behind: says('peer-behind'),
    phase: phaseOf(reasons),
    ages: reasons.some(each => patienceWith(each, 0) !== Number.POSITIVE_INFINITY),
    paused: says('resync-paused'),
    pause: examples.find(({ code }) => REASONS[code].isPause) ?? null,
  }
}

function phaseOf(reasons: readonly Reason[]): ResyncPhase {
  let phase: ResyncPhase = 'held'
  for (const each of reasons) {
    // What grows while a peer falls behind is no sign of how another resync gets on.
    if (each.code === 'peer-behind') return 'held'
    if (each.code === 'resync-running' || each.code === 'resync-starting') phase = 'moving'
    else if (phase === 'held' && isPausedWithoutCause(each)) phase = 'stuck'
  }
  const hasCause = (each: Reason) =>
    each.code === 'resync-paused' || (each.code === 'resync-waiting' && !isPausedWithoutCause(each))
  return phase === 'stuck' && reasons.some(hasCause) ? 'held' : phase
}
