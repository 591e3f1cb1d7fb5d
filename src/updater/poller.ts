import type { Timers } from '../platform/time/timers.ts'

/** An SR, and the hosts that are to be asked about it. */
interface PollSubject {
  /** Ref of the SR. */
  readonly ref: string
  readonly members: readonly PolledMember[]
}

interface PolledMember {
  /** Ref of its PBD. Another one than before: it was connected anew, and is asked at once. */
  readonly pbd: string
  readonly host: PolledHost
  /** When it last confirmed what it says of this SR; `null`: never. */
  readonly confirmedAtMs: number | null
}

interface PolledHost {
  /** Ref of the host. */
  readonly ref: string
  /** Only a host that is live is asked. */
  readonly live: boolean | null
  /** When it last became live. Another moment than before: it is another life, and is asked at once. */
  readonly liveSinceMs: number | null
}

interface PollerOptions {
  /** Asks a host for its report of an SR. Rejects when there is no answer; must give up when `signal` says so. */
  readonly ask: (host: string, sr: string, signal: AbortSignal) => Promise<string>
  /**
   * Told of every answer; `follow` must be called soon after. It is true of a moment after `askedAtMs`, so that moment is on
   * the safe side.
   * @returns when the answer was made, by the clock of its host; NaN where that cannot be read
   */
  readonly hear: (host: string, sr: string, text: string, askedAtMs: number) => number
  readonly now: () => number
  readonly timers: Timers
  readonly pollEveryMs: number
  readonly pollTimeoutMs: number
  readonly leaseMs: number
}

/** The first pause after a question without an answer; each further one doubles it, up to `pollEveryMs`. */
const FIRST_RETRY_MS = 1_000
/** At this part of its lease a confirmation is asked for once more: a healthy host that is quiet must not block. */
const RENEW_AT = 2 / 3

/** One host and one SR. */
interface Entry {
  readonly pbd: string
  readonly host: string
  readonly sr: string
  readonly liveSinceMs: number | null
  /** Of the call of `follow` that named it last. */
  named: number
  confirmedAtMs: number | null
  askedAtMs: number | null
  /** Questions without an answer that is of any use, since the last one that had one. */
  unanswered: number
  question: AbortController | null
}

/**
 * Asks hosts for their reports: each at once when it is new, and then from time to time.
 *
 * Invariants: of one host about one SR at most one question is under way, so that nothing piles up behind a host that
 * hangs; each question is on its own, so that such a host delays no other. Answers to questions from before `forget`, from
 * an earlier life of the host, by an earlier PBD or after `pollTimeoutMs` are not heard.
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

  /** Says who is to be asked from now on; who is not named is not asked any more. */
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
    this.#askWhoIsDue()
  }

  /** What was asked so far is of no interest any more: everybody is asked anew when `follow` names them. */
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
    else entry.question?.abort()
    const named = this.#calls
    ofSr.set(host, { pbd, host, sr, liveSinceMs, named, confirmedAtMs, askedAtMs: null, unanswered: 0, question: null })
  }

  #dropUnnamed(): void {
    for (const [sr, ofSr] of this.#entries) {
      for (const [host, entry] of ofSr) {
        if (entry.named === this.#calls) continue
        entry.question?.abort()
        ofSr.delete(host)
        this.#size -= 1
      }
      if (ofSr.size === 0) this.#entries.delete(sr)
    }
  }

  #askWhoIsDue(): void {
    this.#wake?.cancel()
    this.#wake = null
    const nowMs = this.#options.now()
    let nextMs = Number.POSITIVE_INFINITY
    for (const ofSr of this.#entries.values()) {
      for (const entry of ofSr.values()) {
        if (entry.question !== null) continue
        const dueAtMs = this.#dueAtMs(entry, nowMs)
        if (dueAtMs <= nowMs) this.#begin(entry, nowMs)
        else if (dueAtMs < nextMs) nextMs = dueAtMs
      }
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#wakeAt(nextMs, nowMs)
  }

  #dueAtMs({ confirmedAtMs, askedAtMs, unanswered }: Entry, nowMs: number): number {
    // The clock has been set back: how long ago it was asked is not known.
    if (askedAtMs === null || askedAtMs > nowMs) return nowMs
    const { pollEveryMs, leaseMs } = this.#options
    const pauseMs = unanswered === 0 ? pollEveryMs : Math.min(pollEveryMs, FIRST_RETRY_MS * 2 ** (unanswered - 1))
    const renewAtMs = (confirmedAtMs ?? Number.NEGATIVE_INFINITY) + leaseMs * RENEW_AT
    return askedAtMs < renewAtMs ? Math.min(askedAtMs + pauseMs, renewAtMs) : askedAtMs + pauseMs
  }

  #wakeAt(atMs: number, nowMs: number): void {
    this.#wake?.cancel()
    const cancel = this.#options.timers.after(atMs - nowMs, () => this.#askWhoIsDue())
    this.#wake = { atMs, cancel }
  }

  #begin(entry: Entry, askedAtMs: number): void {
    const question = new AbortController()
    entry.question = question
    entry.askedAtMs = askedAtMs
    const underWay = this.#question(entry, question, askedAtMs).finally(() => this.#underWay.delete(underWay))
    this.#underWay.add(underWay)
  }

  async #question(entry: Entry, question: AbortController, askedAtMs: number): Promise<void> {
    const { ask, hear, now, timers, pollTimeoutMs } = this.#options
    const { host, sr } = entry
    const stopWaiting = timers.after(pollTimeoutMs, () => question.abort())
    let text: string | null = null
    try {
      text = await Promise.race([ask(host, sr, question.signal), rejectsOnAbort(question.signal)])
    } catch {
      // No answer confirms nothing: the lease of what is known runs on.
    }
    stopWaiting()
    entry.question = null
    // Given up because nobody asks any more, not because it took too long.
    if (this.#entries.get(sr)?.get(host) !== entry) return
    if (text !== null) {
      // Until it is named again, when it is told whether the answer has confirmed anything.
      entry.confirmedAtMs = askedAtMs
      // A host that has just returned, whose clock is some milliseconds behind: what it says counts in a moment.
      const isTooOld = hear(host, sr, text, askedAtMs) < (entry.liveSinceMs ?? Number.NEGATIVE_INFINITY)
      entry.unanswered = isTooOld ? entry.unanswered + 1 : 0
    } else entry.unanswered += 1
    const nowMs = now()
    const dueAtMs = this.#dueAtMs(entry, nowMs)
    if (this.#wake === null || dueAtMs < this.#wake.atMs) this.#wakeAt(dueAtMs, nowMs)
  }
}

function rejectsOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
