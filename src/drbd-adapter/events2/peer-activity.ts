import { type PassedThrough, REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'

/** The words and the amount that determine the activity of a peer-device. */
interface PeerWords {
  readonly replication: string | null
  readonly peerDisk: string | null
  readonly outOfSyncBytes: number | null
}

/**
 * Collects, line by line, the states that a peer-device passes through between two reads of its volume.
 *
 * Only `take` allocates, and only if there is something to return: a peer at rest and the progress of a resync allocate nothing.
 */
export class PeerActivity {
  #isVerifying = false
  #hasNews = false
  #resync = false
  /** Survives a read: a repair that began before one read can end, and new marks can appear, before the next. */
  #repair: PassedThrough['repair'] = 'none'
  #maxOutOfSyncBytes = 0
  #repairedBytes = Number.NaN
  #verifiedBytes = Number.NaN

  /**
   * Adds the state after a line.
   * @param disk the state word of this host's disk
   * @param hasNewWord the line has a replication state
   */
  observe({ replication, peerDisk, outOfSyncBytes }: PeerWords, disk: string | null, hasNewWord: boolean): void {
    const meaning = replication === null ? null : wordMeaning(REPLICATION_WORDS, replication)
    const kind = meaning?.kind
    if (hasNewWord) this.#observeWord(kind, meaning !== null && 'side' in meaning, outOfSyncBytes)
    const side =
      (kind === 'copying' || kind === 'halted') && meaning !== null && 'side' in meaning ? meaning.side : null
    if (side === 'source' || peerDisk === 'Inconsistent') this.#beginRepair('there')
    else if (side === 'target' || disk === 'Inconsistent') this.#beginRepair('here')
    // This host's disk is good again; the remaining marks are data that the peer lacks.
    else if (this.#repair === 'here' && disk === 'UpToDate' && kind !== 'steady') this.#endRepair()
    // While a peer replicates, marks come and go as DRBD settles the writes that a lost primary had under way (9.2.18).
    const counts = this.#repair !== 'none' || (kind !== 'steady' && kind !== 'verify')
    if (counts && outOfSyncBytes !== null) {
      this.#maxOutOfSyncBytes = Math.max(this.#maxOutOfSyncBytes, outOfSyncBytes)
    }
    const isInSync = kind === 'steady' && disk === 'UpToDate' && peerDisk === 'UpToDate'
    if (this.#repair !== 'none' && isInSync) {
      this.#repairedBytes = Number.isNaN(this.#repairedBytes)
        ? this.#maxOutOfSyncBytes
        : Math.max(this.#repairedBytes, this.#maxOutOfSyncBytes)
      this.#endRepair()
      this.#hasNews = true
    }
  }

  /** Returns what was collected since the last call; `null`: nothing beyond what the current words show. */
  take(outOfSyncBytes: number | null): PassedThrough | null {
    const max = this.#maxOutOfSyncBytes
    const now = outOfSyncBytes ?? 0
    // During a repair the amount falls all the time; the maximum is kept until the repair ends.
    const isMore = max > now && this.#repair === 'none'
    if (!this.#hasNews && !isMore) return null
    const passed = {
      resync: this.#resync,
      repair: this.#repair,
      repairedBytes: Number.isNaN(this.#repairedBytes) ? null : this.#repairedBytes,
      verifiedBytes: Number.isNaN(this.#verifiedBytes) ? null : this.#verifiedBytes,
      outOfSyncBytes: max,
    }
    this.#hasNews = false
    this.#resync = false
    this.#repairedBytes = Number.NaN
    this.#verifiedBytes = Number.NaN
    if (this.#repair === 'none') this.#maxOutOfSyncBytes = 0
    return passed
  }

  #endRepair(): void {
    this.#repair = 'none'
    this.#maxOutOfSyncBytes = 0
  }

  #beginRepair(side: 'here' | 'there'): void {
    if (this.#repair === side) return
    this.#repair = side
    this.#hasNews = true
  }

  #observeWord(kind: string | undefined, isResync: boolean, outOfSyncBytes: number | null): void {
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
