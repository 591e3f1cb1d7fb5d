import { REASONS, type Reason } from '../reason/reason.ts'
import { patienceWith } from '../reason/reason-patience.ts'
import { isPausedWithoutCause } from '../reason/resync-waiting.ts'
import type { ResyncPhase } from './resync/resync-motion.ts'

/** A mirror's reasons without the mirror's name and their figures. */
export interface ReasonOutline {
  /** The reasons of the first mirror with this outline; ignore their name and figures. */
  readonly examples: readonly Reason[]
  /** Data is copied. */
  readonly running: boolean
  /** A peer falls behind under load. */
  readonly behind: boolean
  readonly phase: ResyncPhase
  /** A reason may become overdue. */
  readonly ages: boolean
  /** An operator has paused a resync. */
  readonly paused: boolean
  /** The first reason with an operator's pause, of a present or a later resync. */
  readonly pause: Reason | null
}

export const NO_REASONS: ReasonOutline = outlineOf([])

/** Limits the memory and the search if peers and values keep changing. */
const MAX_PEERS = 4096
const MAX_OUTLINES_OF_A_PEER = 64

/**
 * The outlines of one host's reasons, each stored once, because thousands of mirrors share few. A mirror keeps a reference and its figures,
 * and an event is compared with what is already in the processor's cache.
 */
export class ReasonOutlines {
  /** By the peer of the first reason. */
  readonly #outlines = new Map<string, ReasonOutline[]>()

  /** Returns the shared outline of these reasons. */
  intern(reasons: readonly Reason[]): ReasonOutline {
    const [first] = reasons
    if (first === undefined) return NO_REASONS
    const candidates = this.#ofPeer(first.peer ?? '')
    for (const candidate of candidates) if (isOutlineOf(candidate, reasons)) return candidate
    // Existing references stay valid; they are only shared less.
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

/** True if the reasons have this outline, with any figures. */
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
  const has = (...codes: readonly Reason['code'][]) => reasons.some(({ code }) => codes.includes(code))
  const examples = reasons.map(each => ({ ...each }))
  return {
    examples,
    running: has('resync-running'),
    behind: has('peer-behind'),
    phase: phaseOf(reasons),
    ages: reasons.some(each => patienceWith(each, 0) !== Number.POSITIVE_INFINITY),
    paused: has('resync-paused'),
    pause: examples.find(({ code }) => REASONS[code].isPause) ?? null,
  }
}

function phaseOf(reasons: readonly Reason[]): ResyncPhase {
  let phase: ResyncPhase = 'held'
  for (const each of reasons) {
    // The amount that grows while a peer falls behind shows nothing about another resync.
    if (each.code === 'peer-behind') return 'held'
    if (each.code === 'resync-running' || each.code === 'resync-starting') phase = 'moving'
    else if (phase === 'held' && isPausedWithoutCause(each)) phase = 'stuck'
  }
  const hasCause = (each: Reason) =>
    each.code === 'resync-paused' || (each.code === 'resync-waiting' && !isPausedWithoutCause(each))
  return phase === 'stuck' && reasons.some(hasCause) ? 'held' : phase
}
