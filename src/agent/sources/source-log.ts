import { countCodes } from '../../platform/count-codes.ts'
import { printable } from '../../platform/text/printable.ts'
import type { SourceUpdate } from '../../sync-query/backend.ts'
import type { BackendName } from '../../sync-query/backend-name.ts'
import type { ProblemCode } from '../../sync-query/judge/problem.ts'
import type { AgentLog } from '../agent-log.ts'

/** The parts of an update that concern the source itself. */
export type SourceHealth = Pick<SourceUpdate<unknown>, 'at' | 'doubt' | 'isFault' | 'problems' | 'problemCounts'>

/** An episode of problems is over when none of its code has occurred for this long, milliseconds. */
const QUIET_MS = 600_000

/** So many causes of one silence are logged. */
const MAX_CAUSES = 8
/** So many problems of a code are logged per episode. An unknown word names a mirror; of other codes the first few are enough. */
const MAX_TEXTS = 3
const MAX_UNKNOWN_WORDS = 20
const MAX_TEXT = 300

interface Silence {
  readonly since: number
  readonly causes: Set<string>
}

interface Episode {
  readonly texts: Set<string>
  lastAt: number
  count: number
}

/**
 * Logs the problems of a backend's source: each cause of a silence and each input that was not understood, once per episode and in
 * the words of the tool or the kernel, and the end of the episode. The metrics count all of them.
 */
export class SourceLog {
  readonly #backend: BackendName
  readonly #log: AgentLog
  readonly #episodes = new Map<ProblemCode, Episode>()
  #silence: Silence | null = null

  constructor(backend: BackendName, log: AgentLog) {
    this.#backend = backend
    this.#log = log
  }

  note({ at, doubt, isFault = doubt !== null, problems, problemCounts = countCodes(problems) }: SourceHealth): void {
    if (doubt === null) this.#endSilence(at)
    else if (isFault) this.#logSilence(doubt, at)
    for (const [code, count] of problemCounts) {
      // The silence of the whole source has its own line. The silence of one array has none.
      if (code !== 'source-silent' || doubt === null) this.#count(code, count, at)
    }
    for (const { code, text } of problems) this.#misread(code, text)
  }

  #logSilence(cause: string, at: number): void {
    this.#silence ??= { since: at, causes: new Set() }
    const { causes } = this.#silence
    if (causes.size >= MAX_CAUSES || causes.has(cause)) return
    causes.add(cause)
    this.#write('source-silent', `the state of its mirrors is unknown: ${cause}`)
  }

  /** Ends episodes without new problems. Call it about once a second. */
  tick(now: number): void {
    for (const [code, { count, lastAt }] of this.#episodes) {
      // A clock that was set back must not prolong an episode.
      if (Math.abs(now - lastAt) < QUIET_MS) continue
      this.#episodes.delete(code)
      this.#write('source-understood', `${code}: none for ${QUIET_MS / 60_000} min, ${count} before that`)
    }
  }

  #endSilence(at: number): void {
    if (this.#silence === null) return
    const seconds = Math.max(0, Math.round((at - this.#silence.since) / 1000))
    this.#silence = null
    this.#write('source-well', `the state of its mirrors is known again, after ${seconds} s`)
  }

  #count(code: ProblemCode, count: number, at: number): void {
    const known = this.#episodes.get(code)
    if (known !== undefined) {
      known.count += count
      known.lastAt = at
    } else this.#episodes.set(code, { texts: new Set(), lastAt: at, count })
  }

  #misread(code: ProblemCode, text: string): void {
    const episode = this.#episodes.get(code)
    const most = code === 'unknown-word' ? MAX_UNKNOWN_WORDS : MAX_TEXTS
    if (episode === undefined || episode.texts.size >= most || episode.texts.has(text)) return
    episode.texts.add(text)
    const more = episode.texts.size === most ? ' (more of this kind are only counted)' : ''
    this.#write('source-misread', `${code}: ${text}${more}`)
  }

  #write(code: Parameters<AgentLog>[0], text: string): void {
    this.#log(code, `${this.#backend}: ${printable(text).slice(0, MAX_TEXT)}`)
  }
}
