import { HEALTH_CHECK_LABEL } from '../../allowed-operations/rules/stock-rules.ts'
import type { Clock } from '../../platform/time/clock.ts'
import { sleep } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import type { CallFields } from './pool-cache.ts'
import { flagField, listField, mapField } from './xapi-record.ts'

export interface CallWatcherOptions {
  readonly client: Pick<XenApiClient, 'call'>
  readonly clock: Clock
  /** Refs of the hosts that are known as disabled: a reboot could be accepted for them. */
  readonly suspects: () => readonly string[]
  /** Whether nothing is to be found because reboots are blocked. */
  readonly isBlocked: () => boolean
  /** A number that grows with each answer of event.from about hosts. */
  readonly version: () => number
  /** Receives what has been read of a host. */
  readonly read: (host: string, fields: CallFields) => void
}

/** A call is watched for this long after the last sign of one. Its host's `current_operations` name it within about 50 ms. */
const WATCH_MS = 500
const CALL_TIMEOUT_MS = 2_000
/** Between two rounds of reads, so that a toolstack that answers at once is not flooded. */
const PAUSE_MS = 2
const DISABLED_HOSTS = 'field "enabled" = "false"'

/**
 * Finds an accepted `host.reboot` and a `host.disable` as early as a client can. Each synchronous call makes a task row, and events of
 * the class `task` have no delay, while those of `host` come after 20 to 50 ms (xapi_globs.ml:1186-1193). So a new task wakes this
 * watcher, which then reads the hosts that a reboot could be accepted for until it is clear what the call was:
 *
 * - after a call that may disable a host, the records of all disabled hosts: two of them are two claims, and the second client may call
 *   host.reboot a few milliseconds later;
 * - after any other call, `current_operations` of the hosts that are known as disabled.
 */
export class CallWatcher {
  readonly #options: CallWatcherOptions
  readonly #stop = new AbortController()
  #untilMs = Number.NEGATIVE_INFINITY
  /** Until then a host may become disabled. */
  #disablingUntilMs = Number.NEGATIVE_INFINITY
  #running: Promise<void> | null = null

  constructor(options: CallWatcherOptions) {
    this.#options = options
  }

  /** Somebody has begun calls. @param labels of their tasks */
  callsBegan(labels: readonly string[]): void {
    if (!labels.some(mayTakeHostDown)) return
    this.#untilMs = this.#options.clock.steadyNow() + WATCH_MS
    if (labels.some(mayDisableHost)) this.#disablingUntilMs = this.#untilMs
    if (this.#stop.signal.aborted) return
    this.#running ??= this.#run().finally(() => {
      this.#running = null
    })
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    const { clock, suspects, isBlocked } = this.#options
    const { signal } = this.#stop
    while (clock.steadyNow() < this.#untilMs && !signal.aborted && !isBlocked()) {
      if (clock.steadyNow() < this.#disablingUntilMs) await this.#readDisabled()
      else {
        const hosts = suspects()
        if (hosts.length === 0) return
        await Promise.all(hosts.map(host => this.#readOne(host)))
      }
      await sleep(clock, PAUSE_MS, signal)
    }
  }

  async #readDisabled(): Promise<void> {
    const records = await this.#ask('host.get_all_records_where', DISABLED_HOSTS)
    for (const host of Object.keys(records ?? {})) {
      const record = Object(records?.[host])
      if (flagField(record, 'enabled') !== false) continue
      // With the field of the same moment: an older one would seem to be wrong.
      const allowed_operations = listField(record, 'allowed_operations')
      const current_operations = mapField(record, 'current_operations')
      this.#options.read(host, { enabled: false, current_operations, allowed_operations })
    }
  }

  async #readOne(host: string): Promise<void> {
    const operations = await this.#ask('host.get_current_operations', host)
    if (operations === null) return
    this.#options.read(host, { current_operations: mapField({ operations }, 'operations') })
  }

  /** @returns `null`: there is no answer, or an event has come meanwhile that may be newer */
  async #ask(method: string, argument: string): Promise<Readonly<Record<string, unknown>> | null> {
    const { client, version } = this.#options
    const before = version()
    try {
      const signal = this.#stop.signal
      const answer = await client.call(method, [argument], { timeoutMs: CALL_TIMEOUT_MS, signal })
      return typeof answer === 'object' && answer !== null && version() === before ? { ...answer } : null
    } catch {
      // The events bring the same, somewhat later.
      return null
    }
  }
}

/**
 * Whether the call of a task may take a host down, by the label of the task. Only labels of calls that certainly do not are excluded: the
 * polls of this program and the daily work of a pool would otherwise wake the watcher all the time.
 */
function mayTakeHostDown(label: string): boolean {
  return label !== HEALTH_CHECK_LABEL && !HARMLESS_CALL.test(label)
}

const HARMLESS_CALL = /\b(?:VM|VBD|VIF|VDI|PBD|SR|network|session|event|task|message)\.|call_plugin|get_|other_config/

/** Also `apply_updates` and the calls that disable many hosts do it. */
function mayDisableHost(label: string): boolean {
  return /disable|apply_updates|shutdown_agent|maintenance/.test(label)
}
