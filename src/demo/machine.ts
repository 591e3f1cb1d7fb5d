import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AgentSocket } from '../agent/agent-socket.ts'
import { hostAnswers } from '../agent/host-answers.ts'
import { readHostBoot } from '../agent/host-boot.ts'
import { HostMonitor, type HostMonitorOptions } from '../agent/host-monitor.ts'
import { MirrorMemory } from '../agent/mirror-memory.ts'
import { BackendReadings } from '../agent/sources/backend-readings.ts'
import type { PoolAnswers } from '../agent-api/pool-methods.ts'
import { SyncEvents } from '../agent-api/sync-events.ts'
import { type ConfiguredVolumes, readDrbdConfig } from '../drbd-adapter/config/read-config.ts'
import { drbdBackend } from '../drbd-adapter/drbd-backend.ts'
import { HostState } from '../host-state/host-state.ts'
import type { SrSelection } from '../host-state/sr-selection.ts'
import { ProcessPool } from '../platform/file-reader/process-pool.ts'
import { machineClock } from '../platform/time/clock.ts'
import { MarksMemory } from '../sync-query/history/marks/marks-memory.ts'
import type { DrbdVolume } from '../sync-query/judge/drbd.ts'
import { type Playback, writePlayback } from './simulated-drbdsetup/playback.ts'

const DRBDSETUP = fileURLToPath(new URL('./simulated-drbdsetup/drbdsetup.ts', import.meta.url))
const TICK_EVERY_MS = 1000

export interface MachineOptions extends Pick<HostMonitorOptions, 'sink' | 'onTransition'> {
  /** Its UUID in the pool's database. */
  readonly host: string
  readonly srs: readonly SrSelection[]
  /** Answers the agent's questions to the pool. */
  readonly pool: PoolAnswers
  readonly onBug: (bug: unknown) => void
  /** An empty directory, used as `/`. */
  readonly root: string
  /** Its name in its DRBD configuration. */
  readonly hostname: string
  /** The text of its DRBD configuration. */
  readonly configuration: string
}

interface Running {
  readonly monitor: HostMonitor
  readonly stop: AbortController
  readonly following: Promise<void>
  readonly ticking: NodeJS.Timeout
  readonly socket: AgentSocket
}

/**
 * One host of the demo pool: a directory that looks like a host's `/proc` and `/sys`, a simulated `drbdsetup`, and the real
 * agent on top of them.
 */
export class Machine {
  readonly #options: MachineOptions
  readonly #playback: string
  /** Path of the agent's socket. It exists while the machine is on. */
  readonly socket: string
  #running: Running | null = null

  constructor(options: MachineOptions) {
    this.#options = options
    this.socket = join(options.root, 'agent.sock')
    this.#playback = join(options.root, 'playback.json')
    mkdirSync(join(options.root, 'etc/drbd.d'), { recursive: true })
    mkdirSync(join(options.root, 'sys/module/drbd'), { recursive: true })
    mkdirSync(join(options.root, 'proc/sys/kernel/random'), { recursive: true })
    writeFileSync(join(options.root, 'proc/sys/kernel/hostname'), `${options.hostname}\n`)
    writeFileSync(join(options.root, 'etc/drbd.d/mirrored.res'), options.configuration)
  }

  /** Sets what its simulated drbdsetup prints from now on. */
  play(playback: Playback): void {
    writePlayback(this.#playback, playback)
  }

  /** Switches it on: a new boot and a new agent. Resolves when the agent has read the whole initial dump of its DRBD. */
  async boot(): Promise<void> {
    const { root, host, hostname, srs, sink, onTransition, pool, onBug } = this.#options
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), `${randomUUID()}\n`)
    writeFileSync(join(root, 'proc/uptime'), '1.00 1.00\n')
    const boot = await readHostBoot(root)
    const clock = machineClock
    const events = new SyncEvents()
    const marks = new MarksMemory([])
    const state = new HostState({ host, hostname, boot, marks, memoryDoubts: {}, silentAfterMs: null })
    const readings = new BackendReadings(drbdBackend)
    const monitor = new HostMonitor({
      state,
      clock,
      readings: [readings],
      // Its disks survive a reboot, and its configuration always exists.
      memory: new MirrorMemory(null, () => undefined),
      sink,
      onTransition: changed => {
        events.transition(changed.sr, changed.transition, changed.status)
        onTransition(changed)
      },
    })
    readings.configured = await readDrbdConfig(root, clock)
    monitor.select(srs)
    const stop = new AbortController()
    const known = Promise.withResolvers<void>()
    const following = this.#follow(monitor, readings, stop.signal, known.resolve).finally(known.resolve)
    const ticking = setInterval(() => monitor.tick(), TICK_EVERY_MS)
    const socket = new AgentSocket({ answers: hostAnswers(state, monitor), events, clock, onBug, own: { pool } })
    this.#running = { monitor, stop, following, ticking, socket }
    events.watch(monitor.srs(), sr => monitor.report(sr))
    await socket.listen({ path: this.socket })
    await known.promise
  }

  async #follow(
    monitor: HostMonitor,
    readings: BackendReadings<DrbdVolume, ConfiguredVolumes>,
    signal: AbortSignal,
    isWhole: () => void,
  ): Promise<void> {
    const command = [process.execPath, DRBDSETUP, '--playback', this.#playback]
    const { root } = this.#options
    const files = new ProcessPool(machineClock)
    const source = drbdBackend.follow({ root, command, clock: machineClock, signal, pool: files })
    readings.source = source
    for await (const update of source) {
      monitor.apply(drbdBackend, update)
      if (update.doubt === null) isWhole()
    }
    files.end()
  }

  /** Cuts its power. */
  async halt(): Promise<void> {
    const running = this.#running
    this.#running = null
    if (running === null) return
    clearInterval(running.ticking)
    running.stop.abort()
    await Promise.all([running.socket.close(), running.monitor.close(), running.following])
  }

  /** The agent's present report; `null` while the machine is off. */
  report(sr: string) {
    return this.#running?.monitor.report(sr) ?? null
  }
}
