/**
 * The remembered marks of one pair (this host and one peer of a mirror): how much DRBD has marked out of sync between them, and how those
 * marks vanished. Bytes.
 */
export interface PairMarks {
  /** Name of the peer, as in reasons. */
  readonly peer: string
  /** Marked while the peer was away or its disk was not good, and not repaired since. */
  owedBytes: number
  /** Marked while both disks were up to date and nothing ran. */
  restBytes: number
  /** The origin of `restBytes`. */
  rest: RestOrigin
  /** The peer was away since `rest` was observed. */
  restWasAway: boolean
  /** Findings of the last complete verify that no resync has repaired since. */
  foundBytes: number
  /** Marks vanished without an observed repair. */
  verdict: Verdict
  verdictBytes: number
  /** Data is copied between the two, or a disk of the pair is Inconsistent. Marks that vanish meanwhile are repaired. */
  repair: RepairSide
  /** The largest amount that was marked during this repair. */
  repairBytes: number
  /** A verify of the pair runs. */
  verifying: boolean
  /** Since when a replicating pair has marks, Unix time in milliseconds; `NaN`: none. Not valid after a restart. */
  markedSince: number
}

/**
 * `left`: a resync with a third replica ended and left them, so the disks are equal as far as DRBD knows; `found`: a verify
 * set them; `drift`: they appeared, or survived a rejoin, and there is no third replica; `unwatched`: the origin is not known.
 */
export const REST_ORIGINS = ['none', 'left', 'found', 'drift', 'unwatched'] as const
export type RestOrigin = (typeof REST_ORIGINS)[number]

/** `unwatched`: a resync may have run in a gap of the observation; `unrepaired`: none ran. */
export const VERDICTS = ['none', 'unwatched', 'unrepaired'] as const
type Verdict = (typeof VERDICTS)[number]

/**
 * Which disk is being repaired, from any source. A peer's (`there`) stays so while the peer is away: an Inconsistent disk becomes UpToDate
 * only by a resync. The end of this host's (`here`) is observed.
 */
export const REPAIR_SIDES = ['none', 'here', 'there'] as const
export type RepairSide = (typeof REPAIR_SIDES)[number]

export function newPairMarks(peer: string): PairMarks {
  return {
    peer,
    owedBytes: 0,
    restBytes: 0,
    rest: 'none',
    restWasAway: false,
    foundBytes: 0,
    verdict: 'none',
    verdictBytes: 0,
    repair: 'none',
    repairBytes: 0,
    verifying: false,
    markedSince: Number.NaN,
  }
}

/** There are no marks. */
export function isBlank(marks: PairMarks): boolean {
  return (
    marks.owedBytes === 0 &&
    marks.rest === 'none' &&
    marks.foundBytes === 0 &&
    marks.verdict === 'none' &&
    marks.repair === 'none' &&
    !marks.verifying &&
    Number.isNaN(marks.markedSince)
  )
}

/** Data was copied until nothing was out of sync, or until only marks of another origin were left. */
export function endRepair(marks: PairMarks): void {
  const { repairBytes } = marks
  marks.owedBytes = 0
  clearRest(marks)
  // A resync copies what is marked. One that is known to be smaller than the vanished marks cannot have copied them all.
  if (repairBytes === 0 || repairBytes >= marks.verdictBytes) clearVerdict(marks)
  if (repairBytes === 0 || repairBytes >= marks.foundBytes) marks.foundBytes = 0
  marks.repair = 'none'
  marks.repairBytes = 0
}

/** A verify has compared both disks completely: every difference is marked again. */
export function endVerify(marks: PairMarks, foundBytes: number): void {
  marks.verifying = false
  marks.owedBytes = 0
  marks.foundBytes = foundBytes
  clearVerdict(marks)
  if (foundBytes === 0) clearRest(marks)
  else setRest(marks, foundBytes, 'found')
}

/** All marks have vanished, and no repair is known. */
export function loseMarks(marks: PairMarks, isWatched: boolean): void {
  const { owedBytes, restBytes, rest, restWasAway } = marks
  if (owedBytes > 0) suspect(marks, owedBytes, isWatched)
  // At a connected peer DRBD also drops marks by itself when a new primary begins (9.2.19): no reason to stop anything.
  else if (rest === 'drift') suspect(marks, restBytes, isWatched && restWasAway)
  else if (rest === 'unwatched' && restWasAway) suspect(marks, restBytes, false)
  marks.owedBytes = 0
  clearRest(marks)
}

export function setRest(marks: PairMarks, bytes: number, origin: RestOrigin): void {
  marks.rest = origin
  marks.restBytes = bytes
  marks.restWasAway = false
}

function clearRest(marks: PairMarks): void {
  setRest(marks, 0, 'none')
}

function clearVerdict(marks: PairMarks): void {
  marks.verdict = 'none'
  marks.verdictBytes = 0
}

function suspect(marks: PairMarks, bytes: number, isWatched: boolean): void {
  marks.verdict = isWatched || marks.verdict === 'unrepaired' ? 'unrepaired' : 'unwatched'
  marks.verdictBytes = Math.max(marks.verdictBytes, bytes)
}
