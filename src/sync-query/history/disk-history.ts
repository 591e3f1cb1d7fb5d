import type { DrbdVolume } from '../judge/drbd.ts'
import { type ReadPeer, readPeer, sideOf } from '../judge/drbd-figures.ts'
import type { Candidate } from '../reason/reason-kind.ts'

interface DiskState {
  /** `self`, or the peer. */
  readonly peer: string
  word: string | null
  /** Unix time in milliseconds; `NaN`: the change was not observed. */
  since: number
}

/** The observed disk states of one mirror's replicas: since when each has its state, and which one was a source last. */
export class DiskHistory {
  readonly #disks: DiskState[] = []
  #source: string | null = null

  /** Adds a reading. @param isFirst it is the first one */
  see(volume: DrbdVolume, at: number, isFirst: boolean): void {
    const since = isFirst ? Number.NaN : at
    this.#seeDisk('self', volume.disk, since)
    for (const peer of volume.peers) {
      this.#seeDisk(peer.peer, peer.peerDisk, since)
      this.#seeSource(readPeer(peer))
    }
  }

  /** A candidate with its observed history. */
  known(candidate: Candidate): Candidate {
    const disk = this.#disks.find(({ peer }) => peer === candidate.peer)
    const since = disk === undefined || Number.isNaN(disk.since) ? null : new Date(disk.since).toISOString()
    return {
      ...candidate,
      ...(since === null ? {} : { since }),
      ...(this.#source === candidate.peer ? { wasSource: true } : {}),
    }
  }

  #seeDisk(peer: string, word: string | null, since: number): void {
    for (const disk of this.#disks) {
      if (disk.peer !== peer) continue
      if (disk.word !== word) {
        disk.word = word
        disk.since = since
      }
      return
    }
    this.#disks.push({ peer, word, since })
  }

  #seeSource(peer: ReadPeer): void {
    if (peer.replication?.kind !== 'copying') return
    this.#source = sideOf(peer) === 'source' ? 'self' : peer.shown.peer
  }
}
