import { type PassedThrough, REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'

/** The words and the figure of one pair that decide. */
interface PairWords {
  readonly replication: string | null
  readonly peerDisk: string | null
  readonly outOfSyncBytes: number | null
}

/**
 * What one pair passes through between two readings of its volume, collected line by line.
 *
 * It allocates nothing but what `take` returns, and that only when there is something to hand over: neither a pair at rest nor
 * the progress of a resync makes an object.
 */
export class PairPassage {
  #isVerifying = false
  #hasNews = false
  #resync = false
  /** It outlives a reading: a repair that one reading saw begin may end, and marks may come anew, before the next. */
  #repair: PassedThrough['repair'] = 'none'
  #mostOutOfSyncBytes = 0
  #repairedBytes = Number.NaN
  #verifiedBytes = Number.NaN

  /**
   * Adds what a line left behind.
   * @param disk the word of this host's own disk
   * @param hasNewWord the line named the replication state
   */
  see({ replication, peerDisk, outOfSyncBytes }: PairWords, disk: string | null, hasNewWord: boolean): void {
    const meaning = replication === null ? null : wordMeaning(REPLICATION_WORDS, replication)
    const kind = meaning?.kind
    if (hasNewWord) this.#seeWord(kind, meaning !== null && 'side' in meaning, outOfSyncBytes)
    const side =
      (kind === 'copying' || kind === 'halted') && meaning !== null && 'side' in meaning ? meaning.side : null
    if (side === 'source' || peerDisk === 'Inconsistent') this.#beginRepair('there')
    else if (side === 'target' || disk === 'Inconsistent') this.#beginRepair('here')
    // This host's disk is good again, and what is still marked is owed to the peer.
    else if (this.#repair === 'here' && disk === 'UpToDate' && kind !== 'steady') this.#forgetRepair()
    // Where a pair replicates, marks come and go while DRBD settles what a lost primary had under way (9.2.18).
    const counts = this.#repair !== 'none' || (kind !== 'steady' && kind !== 'verify')
    if (counts && outOfSyncBytes !== null) {
      this.#mostOutOfSyncBytes = Math.max(this.#mostOutOfSyncBytes, outOfSyncBytes)
    }
    const isWell = kind === 'steady' && disk === 'UpToDate' && peerDisk === 'UpToDate'
    if (this.#repair !== 'none' && isWell) {
      this.#repairedBytes = Number.isNaN(this.#repairedBytes)
        ? this.#mostOutOfSyncBytes
        : Math.max(this.#repairedBytes, this.#mostOutOfSyncBytes)
      this.#forgetRepair()
      this.#hasNews = true
    }
  }

  /** Hands over what was collected since the last call; `null`: nothing that the present words do not show. */
  take(outOfSyncBytes: number | null): PassedThrough | null {
    const most = this.#mostOutOfSyncBytes
    const now = outOfSyncBytes ?? 0
    // The figure of a repair falls all the time; its largest is kept for its end.
    const isMore = most > now && this.#repair === 'none'
    if (!this.#hasNews && !isMore) return null
    const passed = {
      resync: this.#resync,
      repair: this.#repair,
      repairedBytes: Number.isNaN(this.#repairedBytes) ? null : this.#repairedBytes,
      verifiedBytes: Number.isNaN(this.#verifiedBytes) ? null : this.#verifiedBytes,
      outOfSyncBytes: most,
    }
    this.#hasNews = false
    this.#resync = false
    this.#repairedBytes = Number.NaN
    this.#verifiedBytes = Number.NaN
    if (this.#repair === 'none') this.#mostOutOfSyncBytes = 0
    return passed
  }

  #forgetRepair(): void {
    this.#repair = 'none'
    this.#mostOutOfSyncBytes = 0
  }

  #beginRepair(side: 'here' | 'there'): void {
    if (this.#repair === side) return
    this.#repair = side
    this.#hasNews = true
  }

  #seeWord(kind: string | undefined, isResync: boolean, outOfSyncBytes: number | null): void {
    if (this.#isVerifying && kind === 'steady' && outOfSyncBytes !== null) {
      this.#verifiedBytes = outOfSyncBytes
      this.#hasNews = true
    }
    this.#isVerifying = kind === 'verify'
    if (isResync && !this.#resync) {
      this.#resync = true
      this.#hasNews = true
    }
  }
}
