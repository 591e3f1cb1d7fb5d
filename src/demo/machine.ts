import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readHostBoot } from '../agent/host-boot.ts'
import { MirrorMemory } from '../agent/mirror-memory.ts'
import { readDrbdConfig } from '../drbd-adapter/config/read-config.ts'
import { DrbdView } from '../drbd-adapter/follow/drbd-view.ts'
import { followDrbd } from '../drbd-adapter/follow/follow-drbd.ts'
import { expectedVolumes } from '../host-state/expected-mirrors.ts'
import { HostAgent, type HostAgentOptions } from '../host-state/host-agent.ts'
import { machineClock } from '../platform/time/clock.ts'
import { type Stage, writeStage } from './stand-in/stage.ts'

const STAND_IN = fileURLToPath(new URL('./stand-in/drbdsetup.ts', import.meta.url))
const TICK_EVERY_MS = 1000

export interface MachineOptions extends Pick<HostAgentOptions, 'host' | 'srs' | 'sink' | 'witness'> {
  /** An empty directory of its own, which stands for `/`. */
  readonly root: string
  /** Its name, by which its DRBD configuration knows it. */
  readonly hostname: string
  /** The text of its DRBD configuration. */
  readonly configuration: string
}

/**
 * One host of the demo pool: a directory that looks like a host's `/proc` and `/sys`, a stand-in of `drbdsetup`, and the
 * real agent on top of them.
 */
export class Machine {
  readonly #options: MachineOptions
  readonly #stage: string
  #running: { agent: HostAgent; stop: AbortController; following: Promise<void>; ticking: NodeJS.Timeout } | null = null

  constructor(options: MachineOptions) {
    this.#options = options
    this.#stage = join(options.root, 'stage.json')
    mkdirSync(join(options.root, 'etc/drbd.d'), { recursive: true })
    mkdirSync(join(options.root, 'sys/module/drbd'), { recursive: true })
    mkdirSync(join(options.root, 'proc/sys/kernel/random'), { recursive: true })
    writeFileSync(join(options.root, 'proc/sys/kernel/hostname'), `${options.hostname}\n`)
    writeFileSync(join(options.root, 'etc/drbd.d/mirrored.res'), options.configuration)
  }

  /** What its DRBD does from now on. */
  perform(stage: Stage): void {
    writeStage(this.#stage, stage)
  }

  /** Switches it on: a new boot, and an agent that knows nothing yet. Resolves when it knows what its DRBD has. */
  async boot(): Promise<void> {
    const { root, host, srs, sink, witness } = this.#options
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), `${randomUUID()}\n`)
    writeFileSync(join(root, 'proc/uptime'), '1.00 1.00\n')
    const boot = await readHostBoot(root)
    const view = new DrbdView()
    const drbdVolume = (mirror: string) => view.volume(mirror)
    const agent = new HostAgent({
      host,
      hostname: this.#options.hostname,
      srs,
      sink,
      witness,
      boot,
      drbdVolume,
      // Its disks outlive a reboot, and its configuration is always there.
      memory: new MirrorMemory(null, () => undefined),
      now: Date.now,
    })
    agent.expect('drbd', expectedVolumes((await readDrbdConfig(root, machineClock)).volumes, srs))
    const stop = new AbortController()
    const known = Promise.withResolvers<void>()
    const following = this.#follow(agent, view, stop.signal, known.resolve).finally(known.resolve)
    const ticking = setInterval(() => agent.tick(), TICK_EVERY_MS)
    this.#running = { agent, stop, following, ticking }
    await known.promise
  }

  async #follow(agent: HostAgent, view: DrbdView, signal: AbortSignal, isWhole: () => void): Promise<void> {
    const drbdsetup = [process.execPath, STAND_IN, '--stage', this.#stage] as const
    const { root } = this.#options
    for await (const update of followDrbd({ drbdsetup: [...drbdsetup], root, clock: machineClock, signal, view })) {
      agent.applyDrbd(update)
      if (update.doubt === null) isWhole()
    }
  }

  /** Takes its power away. */
  async halt(): Promise<void> {
    const running = this.#running
    this.#running = null
    if (running === null) return
    clearInterval(running.ticking)
    running.stop.abort()
    await Promise.all([running.agent.close(), running.following])
  }

  /** Answers a poll; `null` while it is off. */
  report(sr: string) {
    return this.#running?.agent.report(sr) ?? null
  }
}
