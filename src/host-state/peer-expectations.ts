import { isDeepStrictEqual } from 'node:util'
import type { ExpectedMirror } from '../sync-query/backend.ts'
import type { ConfiguredPeer, ConfiguredPeers } from '../sync-query/judge/configured-peers.ts'
import type { ExpectationPace } from './expectations.ts'

interface Entry {
  readonly configured: ConfiguredPeers
  /** The peers that count now: `configured` without those that are so new that they may come up in a moment. */
  due: ConfiguredPeers
  /** The new peers, and when each entered the configuration. */
  early: readonly { readonly peer: ConfiguredPeer; readonly since: number }[]
  /** The present configuration names the mirror. */
  isNamed: boolean
}

/**
 * The peers that each mirror of one backend should have, by the present configuration and by former ones.
 *
 * A peer that enters the configuration counts a moment later, because `drbdadm adjust` follows. The peers of the first
 * configuration count at once. A mirror that the kernel shows keeps its peers when the configuration no longer names it (LINSTOR's
 * satellite removes all files when it starts), until it is named again or the kernel has removed it.
 */
export class PeerExpectations {
  readonly #graceMs: number
  readonly #entries = new Map<string, Entry>()
  /** Mirrors with peers that do not count yet. */
  readonly #waiting = new Set<string>()

  constructor({ missAfterMs }: Pick<ExpectationPace, 'missAfterMs'>) {
    this.#graceMs = missAfterMs
  }

  /** The peers that count now; `null`: no configuration names the mirror. */
  get(mirror: string): ConfiguredPeers | null {
    return this.#entries.get(mirror)?.due ?? null
  }

  /**
   * Replaces the peers by those of the present configuration.
   *
   * @param knewAll the previous configuration was complete, so a new peer has just entered it
   * @param isShown whether the kernel shows a mirror
   * @returns the mirrors whose peers have changed
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
      this.#updateDue(mirror, now)
      changed.push(mirror)
    }
    for (const [mirror, { isNamed }] of this.#entries) if (!isNamed && !isShown(mirror)) this.#forget(mirror)
    return changed
  }

  /** @returns the mirrors of which more peers count than before */
  findDue(now: number): string[] {
    return [...this.#waiting].filter(mirror => this.#updateDue(mirror, now))
  }

  /** The kernel no longer shows a mirror. */
  remove(mirror: string): void {
    if (this.#entries.get(mirror)?.isNamed === false) this.#forget(mirror)
  }

  /** @returns whether a peer counts now that did not count before */
  #updateDue(mirror: string, now: number): boolean {
    const entry = this.#entries.get(mirror)
    if (entry === undefined) return false
    // If the clock was set back, a peer must not stay early for ever.
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

/** @param since when new peers entered the configuration; `null`: they may have been in it all along */
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
