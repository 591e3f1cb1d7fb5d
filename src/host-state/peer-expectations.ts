import { isDeepStrictEqual } from 'node:util'
import type { ExpectationPace } from '../agent/expectations.ts'
import type { ConfiguredPeer, ConfiguredPeers } from '../sync-query/judge/configured-peers.ts'
import type { ExpectedMirror } from './expected-mirrors.ts'

interface Entry {
  readonly configured: ConfiguredPeers
  /** Those that count by now: `configured` without the peers that are so new that they may be about to come up. */
  due: ConfiguredPeers
  /** When each of the new peers began to be named. */
  early: readonly { readonly peer: ConfiguredPeer; readonly since: number }[]
  /** The configuration names the volume. */
  isNamed: boolean
}

/**
 * Which peers each DRBD volume should have, by what the configuration says now and has said.
 *
 * A peer that the configuration begins to name counts a moment later: `drbdadm adjust` follows. What it names from the
 * beginning counts at once. A volume that the kernel shows keeps its peers when the configuration names it no more (LINSTOR's
 * satellite removes all files when it starts), until it is named again or is gone.
 */
export class PeerExpectations {
  readonly #graceMs: number
  readonly #entries = new Map<string, Entry>()
  /** Volumes with peers that do not count yet. */
  readonly #waiting = new Set<string>()

  constructor({ missAfterMs }: Pick<ExpectationPace, 'missAfterMs'>) {
    this.#graceMs = missAfterMs
  }

  /** The peers that count by now; `null`: no configuration names the volume. */
  get(mirror: string): ConfiguredPeers | null {
    return this.#entries.get(mirror)?.due ?? null
  }

  /**
   * Replaces what the configuration names.
   *
   * @param knewAll everything was named before, so that what is new now began to be just now
   * @param isShown whether the kernel shows a volume
   * @returns the volumes whose peers are others than before
   */
  replace(
    expected: readonly ExpectedMirror[],
    now: number,
    knewAll: boolean,
    isShown: (mirror: string) => boolean,
  ): string[] {
    const changed: string[] = []
    for (const entry of this.#entries.values()) entry.isNamed = false
    for (const { mirror, peers } of expected) {
      if (peers === undefined) continue
      const before = this.#entries.get(mirror)
      if (before !== undefined && isDeepStrictEqual(before.configured, peers)) {
        before.isNamed = true
        continue
      }
      this.#entries.set(mirror, entryOf(peers, before, knewAll ? now : null))
      this.#wait(mirror, now)
      changed.push(mirror)
    }
    for (const [mirror, { isNamed }] of this.#entries) if (!isNamed && !isShown(mirror)) this.#forget(mirror)
    return changed
  }

  /** Lets time pass. @returns the volumes of which more peers count than before */
  pass(now: number): string[] {
    return [...this.#waiting].filter(mirror => this.#wait(mirror, now))
  }

  /** The kernel shows a volume no more. */
  lose(mirror: string): void {
    if (this.#entries.get(mirror)?.isNamed === false) this.#forget(mirror)
  }

  /** @returns whether a peer counts that did not */
  #wait(mirror: string, now: number): boolean {
    const entry = this.#entries.get(mirror)
    if (entry === undefined) return false
    // By a clock that may be set: one that was set back must not make anything wait for ever.
    const early = entry.early.filter(({ since }) => now >= since && now - since < this.#graceMs)
    const isNews = early.length < entry.early.length
    entry.early = early
    const { peers, doubt } = entry.configured
    const due = peers.filter(each => !early.some(({ peer }) => peer === each))
    entry.due = early.length === 0 ? entry.configured : { peers: due, doubt }
    if (early.length > 0) this.#waiting.add(mirror)
    else this.#waiting.delete(mirror)
    return isNews
  }

  #forget(mirror: string): void {
    this.#entries.delete(mirror)
    this.#waiting.delete(mirror)
  }
}

/** @param since when what is new began to be named; `null`: it may have been named all along */
function entryOf(configured: ConfiguredPeers, before: Entry | undefined, since: number | null): Entry {
  const early = configured.peers.flatMap(peer => {
    const waiting = before?.early.find(each => isSamePeer(each.peer, peer))
    if (waiting !== undefined) return [{ peer, since: waiting.since }]
    const isNew = since !== null && before?.configured.peers.some(each => isSamePeer(each, peer)) !== true
    return isNew ? [{ peer, since }] : []
  })
  return { configured, due: configured, early, isNamed: true }
}

function isSamePeer(a: ConfiguredPeer, b: ConfiguredPeer): boolean {
  return a.nodeId === b.nodeId && isDeepStrictEqual(a.names, b.names)
}
