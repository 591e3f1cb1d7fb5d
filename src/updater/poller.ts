import type { Clock } from '../platform/time/clock.ts'

/** An SR and the hosts that are polled for it. */
interface PollSubject {
  /** Ref of the SR. */
  readonly ref: string
  readonly members: readonly PolledMember[]
}

interface PolledMember {
  /** Ref of its PBD. With another PBD than before the host was connected anew, and is polled at once. */
  readonly pbd: string
  readonly host: PolledHost
  /** When it last confirmed its report of this SR; `null`: never. */
  readonly confirmedAtMs: number | null
}

interface PolledHost {
  /** Ref of the host. */
  readonly ref: string
  /** Only a live host is polled. */
  readonly live: boolean | null
  /** When it last became live. At another moment than before it has restarted, and is polled at once. */
  readonly liveSinceMs: number | null
}

interface PollerOptions {
  /** Asks a host for its report of an SR. Rejects without an answer; must stop when `signal` aborts. */
  readonly poll: (host: string, sr: string, signal: AbortSignal) => Promise<string>
  /**
   * Called with each answer; a call of `follow` must come soon after. The answer describes a moment after `polledAtMs`, so
   * `polledAtMs` is a safe time for the confirmation.
   * @returns when the answer was made, on the clock of its host; NaN if that cannot be read
   */
  readonly answered: (host: string, sr: string, text: string, polledAtMs: number) => number
  readonly clock: Clock
  readonly pollEveryMs: number
  readonly pollTimeoutMs: number
  readonly leaseMs: number
}

/** The pause after the first poll without an answer. Each further one doubles it, up to `pollEveryMs`. */
const FIRST_RETRY_MS = 1_000
/** At this part of its lease a report is polled again, so that a healthy host without news does not block. */
const RENEW_AT = 2 / 3

/** One host and one SR. */
interface Entry {
  readonly pbd: string
  readonly host: string
  readonly sr: string
  readonly liveSinceMs: number | null
  /** The number of the last call of `follow` that named it. */
  named: number
  confirmedAtMs: number | null
  polledAtMs: number | null
  /** Polls without a useful answer since the last useful one. */
  unanswered: number
  underWay: AbortController | null
}

/**
 * Polls hosts for their reports: each host at once when it is new, and then periodically.
 *
 * Invariants: at most one poll of a host for an SR is under way, so nothing accumulates behind a host that hangs. Polls are
 * independent, so such a host delays no other. An answer is ignored if its poll is from before `forget`, from before the last restart
 * of the host, for an earlier PBD, or older than `pollTimeoutMs`.
 */
export class Poller {
  readonly #options: PollerOptions
  /** By ref of the SR, then by ref of the host. */
  readonly #entries = new Map<string, Map<string, Entry>>()
  #size = 0
  readonly #underWay = new Set<Promise<void>>()
  #calls = 0
  #closed = false
  #wake: { readonly atMs: number; readonly cancel: () => void } | null = null

  constructor(options: PollerOptions) {
    this.#options = options
  }

  /** Sets the hosts that are polled from now on. A host that is not named is no longer polled. */
  follow(subjects: readonly PollSubject[]): void {
    if (this.#closed) return
    this.#calls += 1
    let named = 0
    for (const { ref, members } of subjects) {
      let ofSr = this.#entries.get(ref)
      if (ofSr === undefined) {
        ofSr = new Map()
        this.#entries.set(ref, ofSr)
      }
      for (const member of members) {
        if (member.host.live !== true) continue
        this.#name(ofSr, ref, member)
        named += 1
      }
    }
    if (named < this.#size) this.#dropUnnamed()
    this.#pollDue()
  }

  /** Drops all polls under way. Every host is polled again when `follow` names it. */
  forget(): void {
    this.follow([])
  }

  async close(): Promise<void> {
    this.forget()
    this.#closed = true
    await Promise.all(this.#underWay)
  }

  #name(ofSr: Map<string, Entry>, sr: string, member: PolledMember): void {
    const { pbd, host: polled, confirmedAtMs } = member
    const { ref: host, liveSinceMs } = polled
    const entry = ofSr.get(host)
    if (entry !== undefined && entry.liveSinceMs === liveSinceMs && entry.pbd === pbd) {
      entry.named = this.#calls
      entry.confirmedAtMs = confirmedAtMs
      return
    }
    if (entry === undefined) this.#size += 1
    else entry.underWay?.abort()
    const named = this.#calls
    ofSr.set(host, {
      pbd,
      host,
      sr,
      liveSinceMs,
      named,
      confirmedAtMs,
      polledAtMs: null,
      unanswered: 0,
      underWay: null,
    })
  }

  #dropUnnamed(): void {
    for (const [sr, ofSr] of this.#entries) {
      for (const [host, entry] of ofSr) {
        if (entry.named === this.#calls) continue
        entry.underWay?.abort()
        ofSr.delete(host)
        this.#size -= 1
      }
      if (ofSr.size === 0) this.#entries.delete(sr)
    }
  }

  #pollDue(): void {
    this.#wake?.cancel()
    this.#wake = null
    const nowMs = this.#options.clock.now()
    let nextMs = Number.POSITIVE_INFINITY
    for (const ofSr of this.#entries.values()) {
      for (const entry of ofSr.values()) {
        if (entry.underWay !== null) continue
        const dueAtMs = this.#dueAtMs(entry, nowMs)
        if (dueAtMs <= nowMs) this.#begin(entry, nowMs)
        else if (dueAtMs < nextMs) nextMs = dueAtMs
      }
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#wakeAt(nextMs, nowMs)
  }

  #dueAtMs({ confirmedAtMs, polledAtMs, unanswered }: Entry, nowMs: number): number {
    // A poll in the future: the clock was set back, and the time since the poll is not known.
    if (polledAtMs === null || polledAtMs > nowMs) return nowMs
    const { pollEveryMs, leaseMs } = this.#options
    const pauseMs = unanswered === 0 ? pollEveryMs : Math.min(pollEveryMs, FIRST_RETRY_MS * 2 ** (unanswered - 1))
    const renewAtMs = (confirmedAtMs ?? Number.NEGATIVE_INFINITY) + leaseMs * RENEW_AT
    return polledAtMs < renewAtMs ? Math.min(polledAtMs + pauseMs, renewAtMs) : polledAtMs + pauseMs
  }

  #wakeAt(atMs: number, nowMs: number): void {
    this.#wake?.cancel()
    const cancel = this.#options.clock.after(atMs - nowMs, () => this.#pollDue())
    this.#wake = { atMs, cancel }
  }

  #begin(entry: Entry, polledAtMs: number): void {
    const abort = new AbortController()
    entry.underWay = abort
    entry.polledAtMs = polledAtMs
    const underWay = this.#poll(entry, abort, polledAtMs).finally(() => this.#underWay.delete(underWay))
    this.#underWay.add(underWay)
  }

  async #poll(entry: Entry, abort: AbortController, polledAtMs: number): Promise<void> {
    const { poll, answered, clock, pollTimeoutMs } = this.#options
    const { host, sr } = entry
    const cancelTimeout = clock.after(pollTimeoutMs, () => abort.abort())
    let text: string | null = null
    try {
      text = await Promise.race([poll(host, sr, abort.signal), rejectsOnAbort(abort.signal)])
    } catch {
      // A failed poll confirms nothing: the lease of the known report goes on.
    }
    cancelTimeout()
    entry.underWay = null
    // Aborted because the host is no longer polled, not because of the timeout.
    if (this.#entries.get(sr)?.get(host) !== entry) return
    if (text !== null) {
      // Until the next call of `follow`, which states whether the answer was a confirmation.
      entry.confirmedAtMs = polledAtMs
      // The clock of a host that has just returned may be some milliseconds behind: its next report will be valid.
      const isTooOld = answered(host, sr, text, polledAtMs) < (entry.liveSinceMs ?? Number.NEGATIVE_INFINITY)
      entry.unanswered = isTooOld ? entry.unanswered + 1 : 0
    } else entry.unanswered += 1
    const nowMs = clock.now()
    const dueAtMs = this.#dueAtMs(entry, nowMs)
    if (this.#wake === null || dueAtMs < this.#wake.atMs) this.#wakeAt(dueAtMs, nowMs)
  }
}

function rejectsOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
