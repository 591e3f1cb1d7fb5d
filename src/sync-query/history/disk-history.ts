import type { DrbdVolume } from '../judge/drbd.ts'
import { type ReadPeer, readPeer, sideOf } from '../judge/drbd-figures.ts'
import type { Candidate } from '../reason/reason-kind.ts'

interface DiskWord {
  /** `self`, or the peer. */
  readonly peer: string
  word: string | null
  /** Milliseconds since 1970; `NaN`: the change was not observed. */
  since: number
}

/** What has been seen of the disks of one mirror's replicas: since when each is as it is, and which was a source last. */
export class DiskHistory {
  readonly #disks: DiskWord[] = []
  #source: string | null = null

  /** Adds a look. @param isFirst nothing was known before it */
  see(volume: DrbdVolume, at: number, isFirst: boolean): void {
    const since = isFirst ? Number.NaN : at
    this.#seeDisk('self', volume.disk, since)
    for (const said of volume.peers) {
      this.#seeDisk(said.peer, said.peerDisk, since)
      this.#seeSource(readPeer(said))
    }
  }

  /** A candidate with what has been seen of it. */
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
    this.#source = sideOf(peer) === 'source' ? 'self' : peer.said.peer
  }
}
