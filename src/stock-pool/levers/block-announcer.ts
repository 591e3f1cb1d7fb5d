import type { GuardEvent } from '../guard-event.ts'
import type { BlockCause } from './block-cause.ts'

/** One decision, before it is brought into effect. */
interface Decided {
  readonly cause: BlockCause | null
  readonly hasSentinel: boolean
  /** A sentinel is plugged on some host. */
  readonly isPlugged: boolean
  readonly isTaskPresent: boolean
}

/** Says what has changed from one decision of the guard to the next. */
export class BlockAnnouncer {
  readonly #onEvent: (event: GuardEvent) => void
  #isBlocking = false
  /** The reasons of the block, one text for each. */
  #announced: ReadonlySet<string> = new Set()
  #wasTaskPresent = false
  #isPowerless = false

  constructor(onEvent: (event: GuardEvent) => void) {
    this.#onEvent = onEvent
  }

  /** The last decision blocks. */
  get isBlocking(): boolean {
    return this.#isBlocking
  }

  decided({ cause, hasSentinel, isPlugged, isTaskPresent }: Decided): void {
    if (!isPlugged && !this.#isPowerless) this.#onEvent({ code: 'guard-powerless', hasSentinel })
    this.#isPowerless = !isPlugged
    if (cause !== null && this.#isBlocking && this.#wasTaskPresent && !isTaskPresent) {
      this.#onEvent({ code: 'guard-task-vanished' })
    }
    const keys = new Set(cause === null ? [] : keysOf(cause))
    if (cause !== null && !keys.isSubsetOf(this.#announced)) this.#onEvent({ code: 'guard-blocks', cause })
    this.#announced = keys
    if (cause === null && this.#isBlocking) this.#onEvent({ code: 'guard-lifts' })
    this.#isBlocking = cause !== null
  }

  /** The decision is being brought into effect. @param isTaskPresent as far as is known now */
  acted(isTaskPresent: boolean): void {
    this.#wasTaskPresent = isTaskPresent
  }
}

function keysOf(cause: BlockCause): readonly string[] {
  if (cause.kind === 'claims') return cause.hosts.map(host => `${host} disabled`)
  return cause.reasons.length === 0 ? ['override'] : cause.reasons.map(({ host, code }) => `${host} ${code}`)
}
