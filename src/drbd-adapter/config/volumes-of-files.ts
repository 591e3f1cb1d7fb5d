import { isDeepStrictEqual } from 'node:util'
import type { ConfiguredPeer } from '../../sync-query/judge/configured-peers.ts'
import { type ConfiguredVolume, MAX_DOUBT } from './configured-resource.ts'

/**
 * The volumes that several texts name. One that is named twice has the peers of both; of two files that name other peers
 * nothing tells which one drbdadm would take, which is a doubt.
 */
export class VolumesOfFiles {
  readonly #volumes = new Map<string, ConfiguredVolume & { readonly file: string }>()

  add(file: string, volumes: readonly ConfiguredVolume[]): void {
    for (const volume of volumes) {
      const { mirror, peers } = volume
      const before = this.#volumes.get(mirror)
      if (before === undefined) this.#volumes.set(mirror, { ...volume, file })
      else if (before.peers !== peers && !isDeepStrictEqual(before.peers, peers)) {
        const twice = `resource ${mirror.slice(0, mirror.lastIndexOf('/'))}: it is configured in ${before.file} and in ${file}`
        const conflict = before.file === file ? null : twice
        const united = uniteBy(before.peers.peers, peers.peers)
        this.#volumes.set(mirror, {
          mirror,
          file,
          peers: { peers: united, doubt: peers.doubt ?? conflict?.slice(0, MAX_DOUBT) ?? null },
        })
      }
    }
  }

  has(mirror: string): boolean {
    return this.#volumes.has(mirror)
  }

  all(): ConfiguredVolume[] {
    return Array.from(this.#volumes.values(), ({ mirror, peers }) => ({ mirror, peers }))
  }
}

function uniteBy(some: readonly ConfiguredPeer[], more: readonly ConfiguredPeer[]): readonly ConfiguredPeer[] {
  return [...some, ...more.filter(each => !some.some(peer => isDeepStrictEqual(peer, each)))]
}
