import type { HostSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'

interface Moved {
  /** The moment that the pool says. */
  readonly saidMs: number
  /** The moment that it is taken for. */
  readonly sinceMs: number
}

/** Hosts with moments that the clock as it is now can be compared with. */
interface Corrected {
  readonly hosts: readonly HostSnapshot[]
  /** Refs of those whose moment was moved just now: what they have said so far may be from before they were live. */
  readonly renewed: readonly string[]
}

/**
 * Since when each host is live, by the clock as it is now. After the clock of this machine has been set back, hosts are live
 * since a moment that is yet to come, and nothing that they say would count until then. They are taken to be live since that
 * was seen, and for as long as the pool says that moment.
 */
export class LiveSince {
  /** By ref of the host. */
  #moved: ReadonlyMap<string, Moved> = new Map()

  correct(hosts: readonly HostSnapshot[], now: number): Corrected {
    const moved = new Map<string, Moved>()
    const renewed: string[] = []
    const corrected = hosts.map(host => {
      const { ref, liveSinceMs: saidMs } = host
      if (saidMs === null) return host
      const before = this.#moved.get(ref)
      const knownMs = before?.saidMs === saidMs ? before.sinceMs : saidMs
      const sinceMs = Math.min(knownMs, now)
      if (sinceMs === saidMs) return host
      if (sinceMs < knownMs) renewed.push(ref)
      moved.set(ref, { saidMs, sinceMs })
      return { ...host, liveSinceMs: sinceMs }
    })
    this.#moved = moved
    return { hosts: corrected, renewed }
  }
}
