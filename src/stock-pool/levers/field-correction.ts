import type { HostSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { Recompute } from './recompute.ts'

export interface FieldCorrectionOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  readonly hosts: () => readonly HostSnapshot[]
  /** Ref of the coordinator. */
  readonly coordinator: () => string
  /** Whether the toolstack refuses reboots. */
  readonly isBlocked: () => boolean
  /** Called when the field must be looked at again: a call of `correct` must follow. */
  readonly look: () => void
  /** Called when the toolstack did not compute it. */
  readonly failed: (error: unknown) => void
}

/** The interval of corrections of a field that another computation of xapi has left wrong. */
const CORRECT_EVERY_MS = 5_000
/** A call at a host writes its fields one after the other. A field that is wrong for longer than this is not under way. */
const WRONG_FOR_MS = 100

/**
 * Keeps `host.allowed_operations` at what the toolstack would answer. The field of an enabled host has neither reboot nor shutdown
 * anyway. Computing costs a `Host.enable`, which would undo a `host.disable` of the same host in the same moment, so it is not done
 * without need.
 */
export class FieldCorrection {
  readonly #options: FieldCorrectionOptions
  readonly #recompute: Recompute
  #cancelCorrection: () => void = () => undefined
  /** Since when a field is wrong, by the steady clock; `null`: none is. */
  #wrongSinceMs: number | null = null

  constructor(options: FieldCorrectionOptions) {
    const { client, clock, failed } = options
    this.#options = options
    this.#recompute = new Recompute({ client, clock, candidates: () => this.#enabledHosts(), failed })
  }

  close(): void {
    this.#cancelCorrection()
  }

  /** The toolstack answers the next call otherwise than before. */
  answerChanged(): void {
    if (this.#isWrong(this.#options.hosts())) this.#recompute.trigger()
  }

  /** Has a field computed again that stays wrong. @param hosts as the decision saw them */
  correct(hosts: readonly HostSnapshot[]): void {
    const { clock, look } = this.#options
    this.#cancelCorrection()
    const now = clock.steadyNow()
    this.#wrongSinceMs = this.#isWrong(hosts) ? (this.#wrongSinceMs ?? now) : null
    if (this.#wrongSinceMs === null) return
    const leftMs = this.#wrongSinceMs + WRONG_FOR_MS - now
    if (leftMs > 0) this.#cancelCorrection = clock.after(leftMs, look)
    else this.#recompute.triggerAtMostEvery(CORRECT_EVERY_MS)
  }

  /** The field of a host that could be rebooted shows another answer than the toolstack would give. */
  #isWrong(hosts: readonly HostSnapshot[]): boolean {
    const isBlocked = this.#options.isBlocked()
    return hosts.some(({ enabled, live, currentOperations, allowedOperations }) => {
      if (enabled || live !== true || currentOperations.length > 0) return false
      return allowedOperations.includes('reboot') === isBlocked
    })
  }

  /** Refs. The coordinator first: a call for another host goes through that host's own toolstack. */
  #enabledHosts(): readonly string[] {
    const coordinator = this.#options.coordinator()
    return this.#options
      .hosts()
      .flatMap(({ ref, live, enabled }) => (live === true && enabled ? [ref] : []))
      .toSorted((a, b) => Number(b === coordinator) - Number(a === coordinator))
  }
}
