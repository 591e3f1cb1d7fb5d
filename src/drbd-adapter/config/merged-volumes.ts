import { isDeepStrictEqual } from 'node:util'
import type { ConfiguredPeer } from '../../sync-query/judge/configured-peers.ts'
import { type ConfiguredVolume, MAX_DOUBT } from './configured-resource.ts'

/**
 * Merges the volumes of several files. A volume that occurs twice has the peers of both. If two files give it different peers there is a
 * doubt, because it is unknown which of them drbdadm uses.
 */
export class MergedVolumes {
  readonly #volumes = new Map<string, ConfiguredVolume & { readonly file: string }>()

  add(file: string, volumes: readonly ConfiguredVolume[]): void {
    for (const volume of volumes) {
      const { mirror, peers } = volume
      const before = this.#volumes.get(mirror)
      if (before === undefined) this.#volumes.set(mirror, { ...volume, file })
      else if (before.peers !== peers && !isDeepStrictEqual(before.peers, peers)) {
        const text = `resource ${mirror.slice(0, mirror.lastIndexOf('/'))}: ${before.file} and ${file} both configure it`
        const conflict = before.file === file ? null : text
        const united = union(before.peers.peers, peers.peers)
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

function union(some: readonly ConfiguredPeer[], more: readonly ConfiguredPeer[]): readonly ConfiguredPeer[] {
  return [...some, ...more.filter(each => !some.some(peer => isDeepStrictEqual(peer, each)))]
}
