import { randomUUID } from 'node:crypto'
import type { Clock } from '../../platform/time/clock.ts'
import type { Database } from '../database/database.ts'
import { newTask } from '../database/new-record.ts'
import type { HostRecord } from '../database/records.ts'
import { xapiEpochSeconds } from '../database/xapi-datetime.ts'
import type { GoingDown } from '../hosts/host-memory.ts'
import type { HostPresence } from '../hosts/host-presence.ts'
import type { AllowedOperationsField } from './allowed-operations-field.ts'
import type { StockMachines, StockTimes } from './stock-options.ts'
import type { StockStorage } from './stock-storage.ts'

export interface StockHostsOptions {
  readonly clock: Clock
  readonly times: StockTimes
  readonly machines: StockMachines
  readonly presence: HostPresence
  readonly field: AllowedOperationsField
  readonly storage: StockStorage
  /** The coordinator goes down: nobody is left who marks it as not live. */
  readonly isCoordinator: (hostRef: string) => boolean
  readonly onCoordinatorDown: () => void
  readonly onBug: (bug: unknown) => void
}

/** @param bootTimeMs start of the kernel, by the clock of the host */
interface Boot {
  readonly bootTimeMs: number
}

/** What a host and its xapi know by themselves: no record contains it. */
interface HostState {
  /** host_auto_enable of its local.db: false keeps the host disabled over restarts until Host.enable. */
  autoEnable: boolean
  /** host_disabled_until_reboot of its local.db: it has prepared for power-off and has not booted since. */
  disabledUntilReboot: boolean
  /** user_requested_host_disable: Host.disable since the start of its xapi. */
  disabledByUser: boolean
  /** Its xapi has started completely: Host.enable is possible. */
  isStarted: boolean
  /** It has sent a hello since the start of the coordinator's xapi (cancel_tasks.ml hosts_already_cancelled). */
  hasHelloed: boolean
  /** It is off, or its xapi has ended. */
  isDown: boolean
  /** Number of starts and ends of its xapi. */
  runs: number
  /** Cancels the threads of its xapi that wait. */
  readonly waiting: Set<() => void>
}

/** The machines of a stock pool and the xapi on each: how they go down, come back and enable themselves. */
export class StockHosts {
  readonly #db: Database
  readonly #options: StockHostsOptions
  readonly #states = new Map<string, HostState>()

  constructor(db: Database, options: StockHostsOptions) {
    this.#db = db
    this.#options = options
    db.subscribe(({ cls, ref, operation }) => {
      if (cls !== 'host' || operation !== 'del') return
      this.stopWaiting(ref)
      this.#states.delete(ref)
    })
  }

  state(hostRef: string): HostState {
    const known = this.#states.get(hostRef)
    if (known !== undefined) return known
    const state: HostState = {
      autoEnable: true,
      disabledUntilReboot: false,
      disabledByUser: false,
      isStarted: true,
      hasHelloed: true,
      isDown: false,
      runs: 0,
      waiting: new Set(),
    }
    this.#states.set(hostRef, state)
    return state
  }

  /**
   * The part of host.reboot and host.shutdown on the host (xapi_host.ml:888-932): a subtask that ends at once, and a thread that goes
   * down later. The entry of the subtask in current_operations stays until the next hello, for both calls with the word `shutdown`.
   */
  goDown(hostRef: string, how: GoingDown): void {
    const current_operations = this.#db.get('host', hostRef)?.current_operations
    const label = how === 'reboot' ? 'Host is rebooting' : 'Host is shutting down'
    const subtask = this.#db.create('task', newTask({ uuid: randomUUID(), name_label: label, resident_on: hostRef }))
    this.#db.update('host', hostRef, { current_operations: { ...current_operations, [subtask]: 'shutdown' } })
    this.#db.delete('task', subtask)
    this.#later(hostRef, this.#options.times.shutdownAfterMs, () => this.#shutDown(hostRef, how))
  }

  /** A host is off without a shutdown. Only the end of its heartbeats shows that (db_gc.ml:117-128). */
  left(hostRef: string): void {
    this.stopWaiting(hostRef)
    this.state(hostRef).isDown = true
    this.#later(hostRef, this.#options.times.assumedDeadAfterMs, () => {
      this.#options.presence.fellSilent(hostRef)
      this.#options.field.update(hostRef)
    })
  }

  /** A member has booted: its xapi starts and says hello. */
  returned(hostRef: string, boot: Boot): void {
    this.booted(hostRef, boot)
    this.#hello(hostRef, true)
  }

  /** A host has booted. */
  booted(hostRef: string, { bootTimeMs }: Boot): void {
    const host = this.#db.get('host', hostRef)
    if (host === undefined) return
    this.stopWaiting(hostRef)
    const boot_time = xapiEpochSeconds(bootTimeMs)
    this.#db.update('host', hostRef, { other_config: { ...host.other_config, boot_time } })
    this.state(hostRef).disabledUntilReboot = false
    this.state(hostRef).isDown = false
  }

  /** The xapi of a member ends and starts again: a `/sbin/shutdown` that it waits for is dropped. The host stays live. */
  restartAgent(hostRef: string): void {
    const { agentEndsAfterMs, agentStartsAfterMs } = this.#options.times
    this.#later(hostRef, agentEndsAfterMs, () => {
      this.stopWaiting(hostRef)
      this.#later(hostRef, agentStartsAfterMs, () => this.#hello(hostRef, true))
    })
  }

  /** The xapi of the coordinator begins to start: no host has sent a hello to it. */
  coordinatorStarts(coordinator: string): void {
    for (const [ref] of this.#db.list('host')) this.state(ref).hasHelloed = false
    this.#db.update('host', coordinator, this.#newAgent(coordinator))
    this.state(coordinator).disabledByUser = false
    this.state(coordinator).isStarted = false
  }

  /** All hosts are disabled and, except the coordinator, not live. Nothing is recomputed. */
  disableAll(coordinator: string): void {
    const { presence } = this.#options
    for (const [ref] of this.#db.list('host')) {
      this.#db.update('host', ref, { enabled: false })
      if (ref === coordinator) presence.heartbeatsResumed(ref)
      else presence.fellSilent(ref)
    }
  }

  /** The coordinator plugs its PBDs, if any are unplugged, and enables itself. */
  coordinatorHasStarted(coordinator: string): void {
    this.#plugAndEnableLater(coordinator)
  }

  /** The members that run notice that the coordinator is back. Their own xapi were not restarted. */
  membersHello(coordinator: string): void {
    for (const [ref] of this.#db.list('host')) {
      if (ref !== coordinator && !this.state(ref).isDown) this.#hello(ref, false)
    }
  }

  close(): void {
    for (const hostRef of this.#states.keys()) this.stopWaiting(hostRef)
  }

  #shutDown(hostRef: string, how: GoingDown): void {
    const { machines, times, presence, field, storage, isCoordinator, onCoordinatorDown, onBug } = this.#options
    this.#later(hostRef, times.detachAfterMs, () => {
      this.state(hostRef).disabledUntilReboot = true
      storage.unplugAll(hostRef).catch(onBug)
    })
    this.#later(hostRef, times.notLiveAfterMs, () => {
      this.state(hostRef).isDown = true
      this.#db.update('host', hostRef, { enabled: false })
      if (isCoordinator(hostRef)) return onCoordinatorDown()
      presence.fellSilent(hostRef)
      field.update(hostRef)
    })
    machines.goDown?.(hostRef, how)
  }

  /** Pool.hello on the coordinator (xapi_pool.ml:2772-2792), then the start of the host's own xapi, if it is a new one. */
  #hello(hostRef: string, isNewAgent: boolean): void {
    const { presence, field } = this.#options
    const state = this.state(hostRef)
    this.#db.update('host', hostRef, { enabled: false, ...(isNewAgent ? this.#newAgent(hostRef) : {}) })
    presence.heartbeatsResumed(hostRef)
    this.dropEndedOperations()
    field.update(hostRef)
    if (state.hasHelloed) field.updateAll()
    state.hasHelloed = true
    if (isNewAgent) {
      state.disabledByUser = false
      state.isStarted = false
    }
    this.#plugAndEnableLater(hostRef)
  }

  #newAgent(hostRef: string): Pick<HostRecord, 'other_config'> {
    const agent_start_time = xapiEpochSeconds(this.#options.clock.now())
    return { other_config: { ...this.#db.get('host', hostRef)?.other_config, agent_start_time } }
  }

  #plugAndEnableLater(hostRef: string): void {
    this.#later(hostRef, this.#options.times.plugAfterMs, () => {
      this.#plugAndEnable(hostRef).catch(this.#options.onBug)
    })
  }

  /** The host is enabled after the last PBD was tried: a slow SR.attach keeps it disabled. */
  async #plugAndEnable(hostRef: string): Promise<void> {
    const { storage, times } = this.#options
    const { runs } = this.state(hostRef)
    await storage.plugAll(hostRef)
    if (this.state(hostRef).runs !== runs) return
    this.#later(hostRef, times.enableAfterMs, () => this.#considerEnabling(hostRef))
  }

  /** Removes the entries of current_operations of all hosts whose task does not exist (helpers.ml:1181-1203). */
  dropEndedOperations(): void {
    for (const [ref, { current_operations }] of this.#db.list('host')) {
      const kept = Object.entries(current_operations).filter(([task]) => this.#db.has('task', task))
      if (kept.length < Object.keys(current_operations).length) {
        this.#db.update('host', ref, { current_operations: Object.fromEntries(kept) })
      }
    }
  }

  /** `consider_enabling_host`, at the end of the start of a xapi (xapi_host_helpers.ml:453-481). */
  #considerEnabling(hostRef: string): void {
    const state = this.state(hostRef)
    state.isStarted = true
    if (!state.autoEnable || state.disabledByUser || state.disabledUntilReboot) return
    this.#db.update('host', hostRef, { enabled: true })
    this.#options.field.update(hostRef)
  }

  #later(hostRef: string, delayMs: number, step: () => void): void {
    const { waiting } = this.state(hostRef)
    const cancel = this.#options.clock.after(delayMs, () => {
      waiting.delete(cancel)
      step()
    })
    waiting.add(cancel)
  }

  /** The xapi of a host ends, and with it its threads that wait. */
  stopWaiting(hostRef: string): void {
    const state = this.state(hostRef)
    state.runs += 1
    for (const cancel of state.waiting) cancel()
    state.waiting.clear()
  }
}
