import type { DrbdPeer, DrbdVolume } from '../../judge/drbd.ts'
import { isClientDisk, readPeer } from '../../judge/drbd-figures.ts'
import type { Judgement } from '../../judge/judgement.ts'
import { type Reason, reason } from '../../reason/reason.ts'
import type { SyncState } from '../../state.ts'
import { isBlank, newPairMarks, type PairMarks, REPAIR_SIDES, REST_ORIGINS, VERDICTS } from './pair-marks.ts'
import { type Continuity, hasBitmap, observePair } from './pair-observation.ts'

/** DRBD allows 31; a kernel that keeps naming others must not fill the memory. */
const MAX_PEERS = 64

/** What a reading changed in the stored marks. */
export type MarksChange = 'nothing' | 'amounts' | 'facts'

/**
 * The marks (blocks that DRBD has marked out of sync) of one mirror towards each of its peers. They are remembered because the kernel
 * may forget them: a peer that missed data can return as UpToDate with 0 out of sync although nothing was copied
 * (LINBIT/drbd#145; the findings of a verify vanish in the same way, 9.2.18 and 9.3.3). So marks that vanish count as repaired only
 * if this host observed a repair: data copied between the two, or the disk of one of them Inconsistent, which only a resync (from
 * any host) or force can end. Otherwise the pair is suspect until a resync or a complete verify clears it.
 *
 * A resync that is known to be smaller than what has vanished does not clear it: DRBD copies only what is marked.
 *
 * Most mirrors have no marks, and no object of this class.
 */
export class OwedMarks {
  readonly #pairs: PairMarks[]
  /** Pairs of the last reading, with their amounts out of sync. */
  readonly #shown = new Map<PairMarks, number>()
  /** Pairs whose marks no reading has shown since a gap in the observation. */
  readonly #unseen = new Set<PairMarks>()

  constructor(pairs: readonly PairMarks[] = []) {
    this.#pairs = pairs.map(each => ({ ...each }))
    for (const pair of this.#pairs) this.#unseen.add(pair)
  }

  /** True if a reading shows marks, or facts that decide about marks. */
  static concerns({ peers, aloneOutOfSyncBytes }: DrbdVolume): boolean {
    if (aloneOutOfSyncBytes !== null && aloneOutOfSyncBytes > 0) return true
    for (const { passed, outOfSyncBytes } of peers) {
      if (passed !== null || (outOfSyncBytes !== null && outOfSyncBytes > 0)) return true
    }
    return false
  }

  /** There are no marks. */
  get isEmpty(): boolean {
    return this.#pairs.length === 0
  }

  /** The marks to store. */
  pairs(): readonly Readonly<PairMarks>[] {
    return this.#pairs
  }

  /** Adds a reading. */
  see(volume: DrbdVolume, continuity: Continuity): MarksChange {
    let change: MarksChange = 'nothing'
    this.#shown.clear()
    if (!continuity.isWatched) for (const pair of this.#pairs) this.#unseen.add(pair)
    // A diskless client has no marks.
    if (isClientDisk(volume.disk, volume.intentionalClient)) return change
    for (const shown of volume.peers) change = greater(change, this.#seePeer(volume, shown, continuity))
    // DRBD 8.4 shows no peer while it is StandAlone, and calls its only one `peer`.
    const alone = volume.aloneOutOfSyncBytes ?? 0
    if (volume.peers.length === 0 && alone > 0) change = greater(change, this.#owe('peer', alone))
    this.#dropBlank()
    return change
  }

  /** The reasons that follow from remembered marks. */
  reasons(mirror: string): Reason[] {
    return this.#pairs.flatMap(pair => reasonOf(pair, mirror, this.#shown.get(pair)))
  }

  /** The state of the mirror with these marks. @param state by the reading alone */
  worsen(state: SyncState): SyncState {
    return state === 'synced' && this.hasUnrepaired ? 'degraded' : state
  }

  /** A peer of the last reading came back as up to date without the data that it missed. */
  get hasUnrepaired(): boolean {
    return this.#unrepaired.length > 0
  }

  /** The replicas, where one that came back without the data that it missed is not current, whatever the kernel shows. */
  withoutUnrepaired(judgement: Pick<Judgement, 'replicas' | 'placement'>): Pick<Judgement, 'replicas' | 'placement'> {
    const { placement, replicas } = judgement
    if (placement === undefined || !this.hasUnrepaired) return judgement
    const unrepaired = new Set(this.#unrepaired.map(({ peer }) => peer))
    const all = placement.replicas.map(each => (unrepaired.has(each.peer) ? { ...each, current: false } : each))
    const current = all.filter(each => each.current).length
    return { placement: { ...placement, replicas: all }, replicas: { ...replicas, current } }
  }

  get #unrepaired(): readonly PairMarks[] {
    return this.#pairs.filter(pair => pair.verdict === 'unrepaired' && pair.repair === 'none' && this.#shown.has(pair))
  }

  /** Whether marks at rest towards a peer are known not to come from a resync of a third replica. */
  isDrift(peer: string | undefined): boolean {
    const pair = this.#pairs.find(each => each.peer === peer)
    return pair?.rest === 'drift' || pair?.rest === 'found'
  }

  #seePeer(volume: DrbdVolume, shown: DrbdPeer, continuity: Continuity): MarksChange {
    const known = this.#pairs.find(({ peer }) => peer === shown.peer)
    if (known === undefined && shown.passed === null && (shown.outOfSyncBytes ?? 0) === 0) return 'nothing'
    if (known === undefined && this.#pairs.length >= MAX_PEERS) return 'nothing'
    const pair = known ?? newPairMarks(shown.peer)
    if (known === undefined) this.#pairs.push(pair)
    const factsBefore = factsOf(pair)
    const amountsBefore = amountsOf(pair)
    const isWatched = continuity.isWatched && !this.#unseen.has(pair)
    observePair(pair, volume, readPeer(shown), { ...continuity, isWatched })
    if (shown.outOfSyncBytes !== null && volume.doubts.length === 0 && hasBitmap(volume.disk)) this.#unseen.delete(pair)
    this.#shown.set(pair, shown.outOfSyncBytes ?? 0)
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

/** @param out amount out of sync by the last reading; `undefined`: the reading has no such peer */
function reasonOf(pair: PairMarks, mirror: string, out: number | undefined): Reason[] {
  const { peer, verdict, verdictBytes, foundBytes } = pair
  // The peer of a reason must exist in the kernel; a running resync has its own reason.
  if (out === undefined || pair.repair !== 'none') return []
  const about = { peer, outOfSyncBytes: verdictBytes }
  if (verdict === 'unrepaired') return [reason('rejoined-unrepaired', mirror, about)]
  if (verdict === 'unwatched') return [reason('rejoined-unwatched', mirror, about)]
  if (foundBytes === 0 || pair.verifying || out > 0) return []
  return [reason('verify-unrepaired', mirror, { peer, outOfSyncBytes: foundBytes })]
}

/** What must survive a restart, as one number; amounts are less important. */
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
