import { HEALTH_CHECK_LABEL } from '../../allowed-operations/rules/stock-rules.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { XenApiError } from '../../xenapi-client/errors.ts'
import { createTask, setTaskStatus } from '../../xenapi-client/task-calls.ts'
import type { StockTask } from '../follow/pool-cache.ts'

export interface BlockTaskOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  /** The tasks of the toolstack, as far as events have described them. */
  readonly tasks: () => readonly StockTask[]
  /** Called when the toolstack's answer to the next call at a host has changed: the field may be wrong now. */
  readonly switched: () => void
}

/** A call that takes longer has failed: the next one is tried. */
const CALL_TIMEOUT_MS = 5_000
/** Events show a new task within milliseconds. One that they do not show after this may be gone already. */
const SHOWN_AFTER_MS = 300
/** A task that is shown so long after it was destroyed still blocks: a PBD.unplug may have made it pending again in between. */
const GONE_AFTER_MS = 1_000

/**
 * The Task `SR Recovering` of a clustered SR, which makes an unmodified xapi refuse reboot, shutdown and apply_updates of every host
 * (rule R12 of xapi_host_helpers.ml:150-161). Only its label and its description, the ref of the SR, count.
 *
 * Tasks of others with that label are adopted: one is enough to block, and all of them must go to lift the block. A task that anybody
 * completes or destroys is made again by the next call of `want`.
 *
 * Invariant: one call is under way at a time, and what was wanted last is what the next call serves.
 */
export class BlockTask {
  readonly #options: BlockTaskOptions
  /** Refs of the SRs whose tasks count: clustered, and plugged on some host. The first one is named in a new task. */
  #srs: readonly string[] = []
  #isWanted = false
  #running: Promise<void> | null = null
  /** Made by this program and not shown by an event yet: when, by the steady clock. */
  readonly #made = new Map<string, number>()
  /** Destroyed by this program and still shown: when, by the steady clock. */
  readonly #destroyed = new Map<string, number>()

  constructor(options: BlockTaskOptions) {
    this.#options = options
  }

  /** The toolstack refuses, as far as is known. */
  get isPresent(): boolean {
    return this.#present().length > 0
  }

  /**
   * Makes the task, or lifts it.
   * @returns when that is done; `undefined`: nothing is to be done
   * @throws XenApiError, XenApiUnreachable: it is not done
   */
  want(isWanted: boolean, srs: readonly string[]): Promise<void> | undefined {
    this.#isWanted = isWanted
    this.#srs = srs
    if (this.#running !== null) return this.#running
    if (this.#isAsWanted()) return undefined
    this.#running = this.#run().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #run(): Promise<void> {
    await this.#forgetMissing()
    while (!this.#isAsWanted()) {
      const [sr] = this.#srs
      if (this.#isWanted && sr !== undefined) await this.#make(sr)
      else await this.#lift()
    }
  }

  #isAsWanted(): boolean {
    if (this.#isWanted && this.#isAnyDoubtful()) return false
    return this.isPresent === (this.#isWanted && this.#srs.length > 0)
  }

  async #make(sr: string): Promise<void> {
    const { client, clock, switched } = this.#options
    const ref = await createTask(client, HEALTH_CHECK_LABEL, sr, { timeoutMs: CALL_TIMEOUT_MS })
    this.#made.set(ref, clock.steadyNow())
    switched()
  }

  async #lift(): Promise<void> {
    const { client, switched } = this.#options
    for (const ref of this.#present()) {
      if (this.#isWanted) return
      // A pending task stays when it is destroyed (xapi_task.ml:35-42), so it is completed first.
      await ignoringMissing(setTaskStatus(client, ref, 'success', { timeoutMs: CALL_TIMEOUT_MS }))
      await ignoringMissing(client.call('task.destroy', [ref], { timeoutMs: CALL_TIMEOUT_MS }))
      this.#made.delete(ref)
      this.#destroyed.set(ref, this.#options.clock.steadyNow())
    }
    switched()
  }

  /** Refs of the tasks that block. */
  #present(): readonly string[] {
    const now = this.#options.clock.steadyNow()
    const shown = new Set<string>()
    const blocking: string[] = []
    for (const { ref, nameLabel, nameDescription } of this.#options.tasks()) {
      shown.add(ref)
      if (nameLabel !== HEALTH_CHECK_LABEL || !this.#srs.includes(nameDescription)) continue
      const isGoing = now - (this.#destroyed.get(ref) ?? Number.NEGATIVE_INFINITY) < GONE_AFTER_MS
      if (!isGoing) blocking.push(ref)
    }
    for (const ref of this.#destroyed.keys()) if (!shown.has(ref)) this.#destroyed.delete(ref)
    for (const ref of this.#made.keys()) {
      if (shown.has(ref)) this.#made.delete(ref)
      else blocking.push(ref)
    }
    return blocking
  }

  #isAnyDoubtful(): boolean {
    const now = this.#options.clock.steadyNow()
    return this.#made.values().some(madeAt => now - madeAt >= SHOWN_AFTER_MS)
  }

  /**
   * Asks for tasks that no event has shown: one that was made and destroyed between two answers of event.from is in neither. The
   * start of xapi destroys every task that is 76 to 265 ms old.
   */
  async #forgetMissing(): Promise<void> {
    const { client, clock } = this.#options
    for (const ref of [...this.#made.keys()]) {
      try {
        await client.call('task.get_status', [ref], { timeoutMs: CALL_TIMEOUT_MS })
        if (this.#made.has(ref)) this.#made.set(ref, clock.steadyNow())
      } catch (error) {
        if (!isMissing(error)) throw error
        this.#made.delete(ref)
      }
    }
  }
}

async function ignoringMissing(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof XenApiError && error.code === 'HANDLE_INVALID'
}
