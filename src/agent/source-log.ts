import type { Backend } from '../host-state/backend-view.ts'
import type { Log } from '../platform/systemd/log.ts'
import { printable } from '../platform/text/printable.ts'

/** What a source has learnt, as far as it is about the source itself. */
export interface SourceSaid {
  /** Milliseconds since 1970. */
  readonly at: number
  /** `null`: the state of all mirrors is known. */
  readonly doubt: string | null
  /** False: the source has only begun, and nothing is wrong. */
  readonly isFault: boolean
  readonly problems: readonly { readonly code: string; readonly text: string }[]
  /** How many problems there were of each code, listed or not. */
  readonly problemCounts: ReadonlyMap<string, number>
}

/** A spell of problems is over when none of its code came for so long, milliseconds. */
const QUIET_MS = 600_000

/** In one spell so many causes of a silence are logged. */
const MAX_CAUSES = 8
/** In one spell so many problems of a code are logged: an unknown word names a mirror, of the others the first are enough. */
const MAX_TEXTS = 3
const MAX_UNKNOWN_WORDS = 20
/** Codes are this program's own and few. */
const MAX_SPELLS = 64
const MAX_TEXT = 300

interface Silence {
  readonly since: number
  readonly causes: Set<string>
}

interface Misreading {
  readonly texts: Set<string>
  lastAt: number
  count: number
}

/**
 * Logs what is wrong with a backend's source: each cause of a silence, and what was not understood, once per spell and in
 * the words of the tool or the kernel; and once that the spell is over. The counts in the metrics have no such limit.
 */
export class SourceLog {
  readonly #backend: Backend
  readonly #log: Log
  readonly #misreadings = new Map<string, Misreading>()
  #silence: Silence | null = null

  constructor(backend: Backend, log: Log) {
    this.#backend = backend
    this.#log = log
  }

  note({ at, doubt, isFault, problems, problemCounts }: SourceSaid): void {
    if (doubt === null) this.#endSilence(at)
    else if (isFault) this.silent(doubt, at)
    for (const [code, count] of problemCounts) {
      // The silence of the whole source has its own line; that of one array has not.
      if (code !== 'source-silent' || doubt === null) this.#count(code, count, at)
    }
    for (const { code, text } of problems) this.#misread(code, text)
  }

  /** The source cannot be followed, for this cause. */
  silent(cause: string, at: number): void {
    this.#silence ??= { since: at, causes: new Set() }
    const { causes } = this.#silence
    if (causes.size >= MAX_CAUSES || causes.has(cause)) return
    causes.add(cause)
    this.#write('warning', 'source-silent', `the state of its mirrors is unknown: ${cause}`)
  }

  /** Lets time pass. To be called now and then. */
  tick(now: number): void {
    for (const [code, { count, lastAt }] of this.#misreadings) {
      // A clock that was set back is no reason to wait longer.
      if (Math.abs(now - lastAt) < QUIET_MS) continue
      this.#misreadings.delete(code)
      this.#write('info', 'source-understood', `${code}: none for ${QUIET_MS / 60_000} min, ${count} before that`)
    }
  }

  #endSilence(at: number): void {
    if (this.#silence === null) return
    const seconds = Math.max(0, Math.round((at - this.#silence.since) / 1000))
    this.#silence = null
    this.#write('info', 'source-well', `the state of its mirrors is known again, after ${seconds} s`)
  }

  #count(code: string, count: number, at: number): void {
    const known = this.#misreadings.get(code)
    if (known !== undefined) {
      known.count += count
      known.lastAt = at
    } else if (this.#misreadings.size < MAX_SPELLS) this.#misreadings.set(code, { texts: new Set(), lastAt: at, count })
  }

  #misread(code: string, text: string): void {
    const spell = this.#misreadings.get(code)
    const most = code === 'unknown-word' ? MAX_UNKNOWN_WORDS : MAX_TEXTS
    if (spell === undefined || spell.texts.size >= most || spell.texts.has(text)) return
    spell.texts.add(text)
    const more = spell.texts.size === most ? ' (more of this kind are only counted)' : ''
    this.#write('warning', 'source-misread', `${code}: ${text}${more}`)
  }

  #write(level: 'info' | 'warning', code: string, text: string): void {
    this.#log({ level, code, text: `${this.#backend}: ${printable(text).slice(0, MAX_TEXT)}` })
  }
}
