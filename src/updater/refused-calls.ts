import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate, hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { machineTimers, type Timers } from '../platform/time/timers.ts'

/** A call of the toolstack that was answered with an error. */
export interface RefusedCall {
  readonly method: string
  /** Ref of the host that it is about; `null`: it is about none. */
  readonly host: string | null
  readonly user: string
  /** As XenAPI raises it. */
  readonly error: readonly string[]
  readonly reasons: readonly GateReason[]
}

/** Calls that are alike in method, host, user and error code: the last of them, and how many they are. */
export interface RefusedCallEvent extends RefusedCall {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly pool: PoolSnapshot
  readonly count: number
}

export interface RefusedCallsOptions {
  /** Told of the first call of each kind at once, and of those that follow together, once a minute. Must not throw. */
  readonly tell: (refused: RefusedCall, count: number) => void
  /** Default: the machine's. */
  readonly timers?: Timers
}

const TOGETHER_MS = 60_000
/** Kinds of calls in one minute. Calls of further kinds are told together, as one kind. */
const MAX_KINDS = 100
const OTHER_KINDS = 'other kinds'

interface Kind {
  /** The last one that was not told yet. */
  last: RefusedCall | null
  count: number
  readonly cancel: () => void
}

/** Bounds what is told of refused calls: a client that tries again and again, or in many ways, costs a few lines a minute. */
export class RefusedCalls {
  readonly #tell: RefusedCallsOptions['tell']
  readonly #timers: Timers
  readonly #kinds = new Map<string, Kind>()

  constructor({ tell, timers = machineTimers }: RefusedCallsOptions) {
    this.#tell = tell
    this.#timers = timers
  }

  add(refused: RefusedCall): void {
    const { method, host, user, error } = refused
    const own = JSON.stringify([method, host, user, error[0]])
    const key = this.#kinds.has(own) || this.#kinds.size < MAX_KINDS ? own : OTHER_KINDS
    const kind = this.#kinds.get(key)
    if (kind !== undefined) {
      kind.last = refused
      kind.count += 1
      return
    }
    this.#begin(key)
    this.#tell(refused, 1)
  }

  /** Tells what is not told yet. */
  close(): void {
    for (const { last, count, cancel } of this.#kinds.values()) {
      cancel()
      if (last !== null) this.#tell(last, count)
    }
    this.#kinds.clear()
  }

  #begin(key: string): void {
    this.#kinds.set(key, { last: null, count: 0, cancel: this.#timers.after(TOGETHER_MS, () => this.#end(key)) })
  }

  #end(key: string): void {
    const kind = this.#kinds.get(key)
    this.#kinds.delete(key)
    if (kind === undefined || kind.last === null) return
    this.#begin(key)
    this.#tell(kind.last, kind.count)
  }
}

/** How many reasons a sentence names. */
const MAX_REASONS = 3

/** A sentence for people. */
export function describeRefusedCall({ method, host, user, error, reasons, pool, count }: RefusedCallEvent): string {
  const about = host === null ? '' : ` of ${hostName(host, pool)}`
  const times = count === 1 ? '' : ` (${count} calls in a minute, this is the last one)`
  const named = reasons.slice(0, MAX_REASONS).map(reason => describeGate(reason, pool))
  const more = reasons.length > MAX_REASONS ? ` and ${reasons.length - MAX_REASONS} more` : ''
  const why = named.length === 0 ? '' : `: ${named.join('; ')}${more}`
  return `${method}${about} by ${user} is refused${times}: ${error.join(' ')}${why}`
}
