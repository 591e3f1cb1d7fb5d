import { messageOf } from '../../platform/errors.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { setOtherConfig } from '../../xenapi-client/other-config.ts'
import { encodeHold, HOLD_KEY } from './hold-marker.ts'
import type { HoldStep } from './plan-hold.ts'

/** `host`: its ref. */
export type HoldEvent =
  | { readonly code: 'hold-placed' | 'hold-released' | 'hold-ended'; readonly host: string }
  | { readonly code: 'hold-failed'; readonly host: string; readonly why: string }

export interface HoldLeverOptions {
  readonly client: XenApiClient
  readonly onEvent: (event: HoldEvent) => void
}

const CALL = { timeoutMs: 5_000 }

/**
 * Keeps a returning host disabled. xapi enables a host 70 ms after its PBDs are plugged, so a client would always be late: instead the host
 * is disabled with `auto_enable = false` while it still runs, after its reboot was accepted. xapi stores that flag only if the call really
 * disables the host, so it is enabled just before (executed; xapi 25.31 and later).
 */
export class HoldLever {
  readonly #options: HoldLeverOptions
  /** Refs of the hosts with a step under way. */
  readonly #busy = new Set<string>()

  constructor(options: HoldLeverOptions) {
    this.#options = options
  }

  /** Takes the steps. A host with a step under way is left out; the next decision comes back to it. */
  run(steps: readonly HoldStep[]): void {
    for (const step of steps) if (!this.#busy.has(step.host.ref)) void this.#take(step)
  }

  async #take(step: HoldStep): Promise<void> {
    const { onEvent } = this.#options
    const { ref } = step.host
    this.#busy.add(ref)
    try {
      if (step.kind === 'place') await this.#place(ref, step.host.bootTimeMs)
      else await this.#end(ref, step.kind)
      onEvent({ code: EVENTS[step.kind], host: ref })
    } catch (error) {
      onEvent({ code: 'hold-failed', host: ref, why: messageOf(error) })
    } finally {
      this.#busy.delete(ref)
    }
  }

  async #place(host: string, bootTimeMs: number | null): Promise<void> {
    const { client } = this.#options
    await setOtherConfig(client, 'host', host, HOLD_KEY, encodeHold({ bootTimeMs }), CALL)
    try {
      await client.call('host.enable', [host], CALL)
      await client.call('host.disable', [host, false], CALL)
    } catch (error) {
      // An xapi before 25.31 has no such parameter. The host must not go down enabled.
      await client.call('host.disable', [host], CALL)
      await this.#unmark(host)
      throw error
    }
  }

  async #end(host: string, kind: 'release' | 'forget'): Promise<void> {
    if (kind === 'release') await this.#options.client.call('host.enable', [host], CALL)
    await this.#unmark(host)
  }

  async #unmark(host: string): Promise<void> {
    await this.#options.client.call('host.remove_from_other_config', [host, HOLD_KEY], CALL)
  }
}

const EVENTS = { place: 'hold-placed', release: 'hold-released', forget: 'hold-ended' } as const
