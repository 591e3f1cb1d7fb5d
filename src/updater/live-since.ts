import type { HostSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'

interface Correction {
  /** The moment that the pool states. */
  readonly statedMs: number
  /** The moment that is used in its place. */
  readonly sinceMs: number
}

/** Hosts whose `liveSinceMs` can be compared with the present clock. */
interface CorrectedHosts {
  readonly hosts: readonly HostSnapshot[]
  /** Refs of the hosts whose moment was corrected just now: their reports so far may be from before they became live. */
  readonly renewed: readonly string[]
}

/**
 * Corrects `liveSinceMs` of hosts after the clock of this machine was set back. Such a host would be live since a moment in the future,
 * and its reports would not be valid until then. The correction takes the moment at which the step was seen, and lasts as long as the
 * pool states the same moment.
 */
export class LiveSince {
  /** By ref of the host. */
  #corrections: ReadonlyMap<string, Correction> = new Map()

  correct(hosts: readonly HostSnapshot[], now: number): CorrectedHosts {
    const corrections = new Map<string, Correction>()
    const renewed: string[] = []
    const corrected = hosts.map(host => {
      const { ref, liveSinceMs: statedMs } = host
      if (statedMs === null) return host
      const before = this.#corrections.get(ref)
      const knownMs = before?.statedMs === statedMs ? before.sinceMs : statedMs
      const sinceMs = Math.min(knownMs, now)
      if (sinceMs === statedMs) return host
      if (sinceMs < knownMs) renewed.push(ref)
      corrections.set(ref, { statedMs, sinceMs })
      return { ...host, liveSinceMs: sinceMs }
    })
    this.#corrections = corrections
    return { hosts: corrected, renewed }
  }

  copy(): LiveSince {
    const copied = new LiveSince()
    copied.#corrections = this.#corrections
    return copied
  }
}
