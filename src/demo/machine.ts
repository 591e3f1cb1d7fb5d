import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AgentSocket } from '../agent/agent-socket.ts'
import { readHostBoot } from '../agent/host-boot.ts'
import { MirrorMemory } from '../agent/mirror-memory.ts'
import { mirrorsAnswer, unwatchedAnswer } from '../agent/mirrors-answer.ts'
import type { SyncAnswers } from '../agent-api/agent-methods.ts'
import type { PoolAnswers } from '../agent-api/pool-methods.ts'
import { SyncEvents } from '../agent-api/sync-events.ts'
import { readDrbdConfig } from '../drbd-adapter/config/read-config.ts'
import { DrbdView } from '../drbd-adapter/follow/drbd-view.ts'
import { followDrbd } from '../drbd-adapter/follow/follow-drbd.ts'
import { expectedVolumes } from '../host-state/expected-mirrors.ts'
import { HostAgent, type HostAgentOptions } from '../host-state/host-agent.ts'
import { machineClock } from '../platform/time/clock.ts'
import { type Playback, writePlayback } from './simulated-drbdsetup/playback.ts'

const DRBDSETUP = fileURLToPath(new URL('./simulated-drbdsetup/drbdsetup.ts', import.meta.url))
const TICK_EVERY_MS = 1000

export interface MachineOptions extends Pick<HostAgentOptions, 'host' | 'srs' | 'sink' | 'witness'> {
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
  readonly agent: HostAgent
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
    const { root, host, srs, sink, witness, pool, onBug } = this.#options
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), `${randomUUID()}\n`)
    writeFileSync(join(root, 'proc/uptime'), '1.00 1.00\n')
    const boot = await readHostBoot(root)
    const view = new DrbdView()
    const events = new SyncEvents()
    const drbdVolume = (mirror: string) => view.volume(mirror)
    const agent = new HostAgent({
      host,
      hostname: this.#options.hostname,
      srs,
      sink,
      witness: (sr, transition, status) => {
        events.transition(sr, transition, status)
        witness(sr, transition, status)
      },
      boot,
      drbdVolume,
      // Its disks survive a reboot, and its configuration always exists.
      memory: new MirrorMemory(null, () => undefined),
      now: Date.now,
    })
    agent.expect('drbd', expectedVolumes((await readDrbdConfig(root, machineClock)).volumes, srs))
    const stop = new AbortController()
    const known = Promise.withResolvers<void>()
    const following = this.#follow(agent, view, stop.signal, known.resolve).finally(known.resolve)
    const ticking = setInterval(() => agent.tick(), TICK_EVERY_MS)
    const socket = new AgentSocket({ answers: answersOf(agent), events, onBug, own: { pool } })
    this.#running = { agent, stop, following, ticking, socket }
    events.watch(agent.srs(), sr => agent.report(sr))
    await socket.listen({ path: this.socket })
    await known.promise
  }

  async #follow(agent: HostAgent, view: DrbdView, signal: AbortSignal, isWhole: () => void): Promise<void> {
    const drbdsetup = [process.execPath, DRBDSETUP, '--playback', this.#playback] as const
    const { root } = this.#options
    for await (const update of followDrbd({ drbdsetup: [...drbdsetup], root, clock: machineClock, signal, view })) {
      agent.applyDrbd(update)
      if (update.doubt === null) isWhole()
    }
  }

  /** Cuts its power. */
  async halt(): Promise<void> {
    const running = this.#running
    this.#running = null
    if (running === null) return
    clearInterval(running.ticking)
    running.stop.abort()
    await Promise.all([running.socket.close(), running.agent.close(), running.following])
  }

  /** The agent's present report; `null` while the machine is off. */
  report(sr: string) {
    return this.#running?.agent.report(sr) ?? null
  }
}

function answersOf(agent: HostAgent): SyncAnswers {
  return {
    srs: () => agent.srs(),
    report: sr => agent.report(sr),
    unwatched: () => unwatchedAnswer(agent.unwatched()),
    mirrors: sr => {
      const counts = agent.status(sr)?.mirrors
      const mirrors = agent.mirrors(sr)
      return counts === undefined || mirrors === null ? null : mirrorsAnswer(counts, mirrors)
    },
  }
}
