import type { Problem } from '../sync-query/judgement.ts'
import { Errand } from './limited-read.ts'

/** How an errand came out. */
export type Outcome<T> =
  | { readonly kind: 'done'; readonly value: T; readonly problems: readonly Problem[] }
  /** Nothing came of it in time: what it was reading then. */
  | { readonly kind: 'hangs'; readonly at: string }
  /** It was not begun, for others hang already: what one of them is reading. */
  | { readonly kind: 'refused'; readonly at: string }

/**
 * Node reads files in four threads that all of the process shares, host names included; a read that the kernel does not
 * answer keeps its thread, and nothing can take it back. Two are what a source may lose.
 */
const MAX_HANGING = 2

/**
 * Lets reads hang without hanging with them: as long as the kernel holds an array's lock, a read of its files in sysfs
 * does not come back.
 *
 * Invariants: of errands with the same key only one is under way, however long it hangs; at most `MAX_HANGING` errands
 * hang at a time; one that was given up reads nothing further, even when it comes back.
 */
export class HangGuard {
  readonly #timeoutMs: number
  readonly #signal: AbortSignal | undefined
  readonly #hanging = new Map<string, Errand>()

  /** @param signal gives up whatever is under way */
  constructor(timeoutMs: number, signal?: AbortSignal) {
    this.#timeoutMs = timeoutMs
    this.#signal = signal
  }

  /** @param work must not reject */
  run<T>(key: string, device: string | null, work: (errand: Errand) => Promise<T>): Promise<Outcome<T>> {
    const same = this.#hanging.get(key)
    if (same !== undefined) return Promise.resolve({ kind: 'hangs', at: same.at })
    const [other] = this.#hanging.values()
    if (other !== undefined && this.#hanging.size >= MAX_HANGING) {
      return Promise.resolve({ kind: 'refused', at: other.at })
    }
    if (this.#signal?.aborted === true) return Promise.resolve({ kind: 'refused', at: '' })
    const errand = new Errand(device)
    return new Promise(resolve => {
      const giveUp = () => {
        errand.isGivenUp = true
        this.#hanging.set(key, errand)
        stopWaiting()
        resolve({ kind: 'hangs', at: errand.at })
      }
      const timer = setTimeout(giveUp, this.#timeoutMs)
      this.#signal?.addEventListener('abort', giveUp, { once: true })
      const stopWaiting = () => {
        clearTimeout(timer)
        this.#signal?.removeEventListener('abort', giveUp)
      }
      void work(errand).then(value => {
        stopWaiting()
        if (errand.isGivenUp) this.#hanging.delete(key)
        else resolve({ kind: 'done', value, problems: errand.problems })
      })
    })
  }
}
