import { DISK_WORDS, type DrbdPeer, type DrbdVolume, wordMeaning } from '../judge/drbd.ts'
import { isClientDisk, type ReadPeer, readPeer, sideOf } from '../judge/drbd-figures.ts'
import type { Judgement } from '../judge/judgement.ts'
import { type Reason, reason } from '../reason/reason.ts'
import type { SyncState } from '../state.ts'
import {
  endRepair,
  endVerify,
  isBlank,
  loseMarks,
  newPairMarks,
  type PairMarks,
  REPAIR_SIDES,
  REST_ORIGINS,
  type RepairSide,
  setRest,
  VERDICTS,
} from './pair-marks.ts'
import { forgetUnseen, hasBitmap, hasCopiedUnseen } from './unseen-marks.ts'

/** DRBD allows 31; a kernel that keeps naming others must not fill the memory. */
const MAX_PEERS = 64

/** What a look changed in what is worth remembering. */
export type MarksChange = 'nothing' | 'amounts' | 'facts'

/** Marks that a pair shows while it replicates count after this long: DRBD sets some for moments when a primary is lost (9.2.18). */
const LASTING_AFTER_MS = 10_000

/** How far the look at a volume can be compared with the one before. */
export interface Continuity {
  /** Milliseconds since 1970. */
  readonly at: number
  /** Whatever happened since the look before was seen. */
  readonly isWatched: boolean
  /** The look before was of the same appearance of the volume in the kernel. */
  readonly isSameAppearance: boolean
}

/**
 * The marks (blocks that DRBD has noted as out of sync) of one mirror towards each of its peers, remembered because the kernel
 * may forget them: a peer that was owed data can return as UpToDate with 0 out of sync although nothing was copied
 * (LINBIT/drbd#145; what a verify found vanishes the same way, 9.2.18 and 9.3.3). So marks that vanish count as repaired only
 * if this host saw a repair: data copied between the two, or the disk of one of them Inconsistent, which only a resync (from
 * anybody) or force can end. Without one the pair is accused until a resync or a whole verify clears it.
 *
 * A resync that is known to be smaller than what has vanished does not clear it: DRBD copies only what is marked.
 *
 * Most mirrors have none of this, and no object of this class.
 */
export class OwedMarks {
  readonly #pairs: PairMarks[]
  /** Pairs that the last look showed, with what it showed as out of sync. */
  readonly #shown = new Map<PairMarks, number>()
  /** Pairs that no look has shown with their marks since something may have happened unseen. */
  readonly #unseen = new Set<PairMarks>()

  constructor(pairs: readonly PairMarks[] = []) {
    this.#pairs = pairs.map(each => ({ ...each }))
    for (const pair of this.#pairs) this.#unseen.add(pair)
  }

  /** True if a look tells of marks, or of what decides about marks, so that they must be remembered. */
  static concerns({ peers, aloneOutOfSyncBytes }: DrbdVolume): boolean {
    if (aloneOutOfSyncBytes !== null && aloneOutOfSyncBytes > 0) return true
    for (const { passed, outOfSyncBytes } of peers) {
      if (passed !== null || (outOfSyncBytes !== null && outOfSyncBytes > 0)) return true
    }
    return false
  }

  /** There is nothing to remember. */
  get isEmpty(): boolean {
    return this.#pairs.length === 0
  }

  /** What is to be written down. */
  pairs(): readonly Readonly<PairMarks>[] {
    return this.#pairs
  }

  /** Adds one look. */
  see(volume: DrbdVolume, continuity: Continuity): MarksChange {
    let change: MarksChange = 'nothing'
    this.#shown.clear()
    if (!continuity.isWatched) for (const pair of this.#pairs) this.#unseen.add(pair)
    // A diskless client has no marks.
    if (isClientDisk(volume.disk, volume.intentionalClient)) return change
    for (const said of volume.peers) change = greater(change, this.#seePeer(volume, said, continuity))
    // DRBD 8.4 shows no peer while it is StandAlone, and calls its only one `peer`.
    const alone = volume.aloneOutOfSyncBytes ?? 0
    if (volume.peers.length === 0 && alone > 0) change = greater(change, this.#owe('peer', alone))
    this.#dropBlank()
    return change
  }

  /** The reasons that only memory gives. */
  reasons(mirror: string): Reason[] {
    return this.#pairs.flatMap(pair => reasonOf(pair, mirror, this.#shown.get(pair)))
  }

  /** The state that the mirror is in with these marks, where a look alone says `state`. */
  worsen(state: SyncState): SyncState {
    return state === 'synced' && this.accuses ? 'degraded' : state
  }

  /** A peer that the last look showed came back as up to date without what it was owed. */
  get accuses(): boolean {
    return this.#accused.length > 0
  }

  /** Where the replicas are: one that came back without what it was owed is not current, whatever the kernel says. */
  withoutAccused(judgement: Pick<Judgement, 'replicas' | 'placement'>): Pick<Judgement, 'replicas' | 'placement'> {
    const { placement, replicas } = judgement
    if (placement === undefined || !this.accuses) return judgement
    const accused = new Set(this.#accused.map(({ peer }) => peer))
    const all = placement.replicas.map(each => (accused.has(each.peer) ? { ...each, current: false } : each))
    const current = all.filter(each => each.current).length
    return { placement: { ...placement, replicas: all }, replicas: { ...replicas, current } }
  }

  get #accused(): readonly PairMarks[] {
    return this.#pairs.filter(pair => pair.verdict === 'unrepaired' && pair.repair === 'none' && this.#shown.has(pair))
  }

  /** Whether marks at rest towards a peer are known to come from something else than a resync of a third replica. */
  isDrift(peer: string | undefined): boolean {
    const pair = this.#pairs.find(each => each.peer === peer)
    return pair?.rest === 'drift' || pair?.rest === 'found'
  }

  #seePeer(volume: DrbdVolume, said: DrbdPeer, continuity: Continuity): MarksChange {
    const known = this.#pairs.find(({ peer }) => peer === said.peer)
    if (known === undefined && said.passed === null && (said.outOfSyncBytes ?? 0) === 0) return 'nothing'
    if (known === undefined && this.#pairs.length >= MAX_PEERS) return 'nothing'
    const pair = known ?? newPairMarks(said.peer)
    if (known === undefined) this.#pairs.push(pair)
    const factsBefore = factsOf(pair)
    const amountsBefore = amountsOf(pair)
    const isWatched = continuity.isWatched && !this.#unseen.has(pair)
    seePair(pair, volume, readPeer(said), { ...continuity, isWatched })
    if (said.outOfSyncBytes !== null && volume.doubts.length === 0 && hasBitmap(volume.disk)) this.#unseen.delete(pair)
    this.#shown.set(pair, said.outOfSyncBytes ?? 0)
    if (factsOf(pair) !== factsBefore) return 'facts'
    return amountsOf(pair) === amountsBefore ? 'nothing' : 'amounts'
  }

  #owe(peer: string, bytes: number): MarksChange {
    let pair = this.#pairs.find(each => each.peer === peer)
    if (pair === undefined) {
      pair = newPairMarks(peer)
      this.#pairs.push(pair)
    }
    const before = pair.owedBytes
    pair.restWasAway ||= pair.rest !== 'none'
    if (bytes > pair.restBytes) pair.owedBytes = Math.max(before, bytes)
    this.#shown.set(pair, bytes)
    if (pair.owedBytes === before) return 'nothing'
    return before === 0 ? 'facts' : 'amounts'
  }

  #dropBlank(): void {
    for (let index = this.#pairs.length - 1; index >= 0; index -= 1) {
      const pair = this.#pairs[index]
      if (pair === undefined || !isBlank(pair)) continue
      this.#pairs.splice(index, 1)
      this.#shown.delete(pair)
      this.#unseen.delete(pair)
    }
  }
}

function seePair(pair: PairMarks, volume: DrbdVolume, peer: ReadPeer, continuity: Continuity): void {
  const { said, replication } = peer
  const { passed } = said
  const out = said.outOfSyncBytes
  if (passed !== null) takePassage(pair, passed)
  const kind = replication?.kind
  const most = Math.max(out ?? 0, (passed?.repair ?? 'none') !== 'none' ? 0 : (passed?.outOfSyncBytes ?? 0))
  if (isClientDisk(said.peerDisk, said.intentionalClient)) {
    // Its data is gone on purpose, and comes back only by a whole resync.
    if (said.connection === 'Connected') Object.assign(pair, newPairMarks(pair.peer))
    return
  }
  const side = repairedSide(volume.disk, peer)
  if (side !== 'none') {
    pair.repair = side
    pair.verifying = false
    pair.repairBytes = Math.max(pair.repairBytes, out ?? 0)
    return
  }
  if (kind === 'verify') {
    pair.verifying = true
    pair.foundBytes = Math.max(pair.foundBytes, out ?? 0)
    return
  }
  if (pair.verifying) {
    // It did not end as a whole one does (`verifiedBytes`): it was cut off, and only what it found counts.
    pair.verifying = false
    if (pair.foundBytes > 0) setRest(pair, pair.foundBytes, 'found')
  }
  const isAtRest = said.connection === 'Connected' && kind === 'steady' && isGood(volume.disk) && isGood(said.peerDisk)
  const hasThird = hasThirdReplica(volume, said)
  const isWatched = continuity.isWatched && (continuity.isSameAppearance || !hasThird)
  if (!isAtRest) {
    if (!isWatched && volume.doubts.length === 0 && hasBitmap(volume.disk)) forgetUnseen(pair, out, said.movedBytes)
    // This host's disk is good again, and what is still marked is owed to the peer.
    if (pair.repair === 'here' && isGood(volume.disk)) pair.repair = 'none'
    const replicates = said.connection === 'Connected' && kind === 'steady'
    const isLasting = replicates && lasts(pair, out, continuity.at)
    if (!replicates) pair.restWasAway ||= pair.rest !== 'none'
    if (most > pair.restBytes && (!replicates || isLasting)) pair.owedBytes = Math.max(pair.owedBytes, most)
    return
  }
  // What is in doubt decides nothing.
  if (volume.doubts.length > 0 || out === null) return
  if (most > Math.max(pair.restBytes, out)) pair.owedBytes = Math.max(pair.owedBytes, most)
  const isLasting = lasts(pair, out, continuity.at)
  if (!isWatched && hasCopiedUnseen(pair, out, said.movedBytes)) {
    pair.owedBytes = 0
    if (out === 0) setRest(pair, 0, 'none')
    else setRest(pair, out, hasThird ? 'left' : 'drift')
    return
  }
  if (out === 0) {
    if (pair.repair !== 'none') endRepair(pair)
    else loseMarks(pair, isWatched)
  } else if (isLasting || pair.repair !== 'none' || pair.owedBytes > 0 || !continuity.isWatched) {
    rest(pair, out, hasThird, isWatched)
  }
}

/** Which disk of the pair is being repaired by what the look says. */
function repairedSide(disk: string | null, peer: ReadPeer): RepairSide {
  const kind = peer.replication?.kind
  const side = kind === 'copying' || kind === 'halted' ? sideOf(peer) : null
  if (side === 'source' || peer.said.peerDisk === 'Inconsistent') return 'there'
  return side === 'target' || disk === 'Inconsistent' ? 'here' : 'none'
}

function takePassage(pair: PairMarks, passed: NonNullable<DrbdPeer['passed']>): void {
  if (passed.repairedBytes !== null) {
    pair.repairBytes = Math.max(pair.repairBytes, passed.repairedBytes)
    endRepair(pair)
  }
  if (passed.verifiedBytes !== null) endVerify(pair, passed.verifiedBytes)
  if (passed.repair !== 'none') {
    pair.repair = passed.repair
    pair.repairBytes = Math.max(pair.repairBytes, passed.outOfSyncBytes)
  }
}

/** Both disks are up to date, nothing runs, and yet `out` bytes are marked. */
function rest(pair: PairMarks, out: number, hasThird: boolean, isWatched: boolean): void {
  if (pair.repair !== 'none') {
    endRepair(pair)
    setRest(pair, out, hasThird ? 'left' : 'drift')
  } else {
    const origin = hasThird || !isWatched ? 'unwatched' : 'drift'
    if (pair.owedBytes > out) {
      loseMarks(pair, isWatched)
      setRest(pair, out, origin)
    } else if (pair.rest === 'none' || out > pair.restBytes) setRest(pair, out, origin)
  }
  pair.owedBytes = 0
}

/** Whether marks stand for long on a pair that replicates. */
function lasts(pair: PairMarks, out: number | null, at: number): boolean {
  if (out === null) return false
  if (out === 0) pair.markedSince = Number.NaN
  // A clock that was set back begins the time anew.
  else if (!(pair.markedSince <= at)) pair.markedSince = at
  return at - pair.markedSince >= LASTING_AFTER_MS
}

function hasThirdReplica({ peers }: DrbdVolume, said: DrbdPeer): boolean {
  return peers.some(each => each !== said && each.connection === 'Connected' && isGood(each.peerDisk))
}

function isGood(disk: string | null): boolean {
  return disk !== null && wordMeaning(DISK_WORDS, disk) === 'good'
}

/** @param out what the last look showed as out of sync; `undefined`: it did not show the peer */
function reasonOf(pair: PairMarks, mirror: string, out: number | undefined): Reason[] {
  const { peer, verdict, verdictBytes, foundBytes } = pair
  // The peer of a reason is one that the kernel has; a resync that runs is told of as such.
  if (out === undefined || pair.repair !== 'none') return []
  const about = { peer, outOfSyncBytes: verdictBytes }
  if (verdict === 'unrepaired') return [reason('rejoined-unrepaired', mirror, about)]
  if (verdict === 'unwatched') return [reason('rejoined-unwatched', mirror, about)]
  if (foundBytes === 0 || pair.verifying || out > 0) return []
  return [reason('verify-unrepaired', mirror, { peer, outOfSyncBytes: foundBytes })]
}

/** What a restart must not forget, as one number; amounts are of less weight. */
function factsOf({ owedBytes, rest: origin, foundBytes, verdict, repair, verifying }: PairMarks): number {
  const words = VERDICTS.indexOf(verdict) + 4 * REPAIR_SIDES.indexOf(repair) + 16 * REST_ORIGINS.indexOf(origin)
  return Number(owedBytes > 0) + 2 * Number(foundBytes > 0) + 4 * Number(verifying) + 8 * words
}

function amountsOf({ owedBytes, restBytes, foundBytes, verdictBytes, repairBytes }: PairMarks): number {
  return owedBytes + restBytes + foundBytes + verdictBytes + repairBytes
}

function greater(a: MarksChange, b: MarksChange): MarksChange {
  if (a === 'facts' || b === 'facts') return 'facts'
  return a === 'amounts' ? a : b
}
