import { join } from 'node:path'
import type { SyncAnswers } from '../agent-api/agent-methods.ts'
import type { MirrorsAnswer, UnwatchedAnswer } from '../agent-api/answers.ts'
import { newPollSecret, pollProof } from '../agent-api/poll-proof.ts'
import { SyncEvents } from '../agent-api/sync-events.ts'
import { readHostIdentity } from '../drbd-adapter/config/host-identity.ts'
import type { ConfiguredVolumes } from '../drbd-adapter/config/read-config.ts'
import { expectedArrays, expectedVolumes, resolveArrays } from '../host-state/expected-mirrors.ts'
import { HostAgent } from '../host-state/host-agent.ts'
import { ignoring, selectionsOf } from '../host-state/selections.ts'
import type { SrSelection } from '../host-state/sr-selection.ts'
import type { ConfiguredArrays } from '../mdraid-adapter/config/parse-md-config.ts'
import { AgentMetrics } from '../metrics/agent-metrics.ts'
import type { MetricsServer } from '../metrics/metrics-server.ts'
import { ProcessMetrics } from '../metrics/process-metrics.ts'
import { serveMetrics } from '../metrics/serve-metrics.ts'
import { messageOf, stackOf } from '../platform/errors.ts'
import type { Log } from '../platform/systemd/log.ts'
import { machineClock } from '../platform/time/clock.ts'
import { type Reason, reason } from '../sync-query/reason/reason.ts'
import type { Report } from '../sync-query/report/report.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { SrWatch } from '../volume-plugin/sr-configuration.ts'
import { VolumePlugin } from '../volume-plugin/volume-plugin.ts'
import type { AgentConfig } from './agent-config.ts'
import { AgentSockets } from './agent-sockets.ts'
import { type HostBoot, readHostBoot } from './host-boot.ts'
import { HostSources } from './host-sources.ts'
import { MarksFile } from './marks-file.ts'
import { MirrorMemory } from './mirror-memory.ts'
import { mirrorsAnswer, unwatchedAnswer } from './mirrors-answer.ts'
import { PoolQuestions } from './pool/pool-questions.ts'
import { PoolStates } from './pool/pool-states.ts'
import { ToolstackLink } from './pool/toolstack-link.ts'

export interface AgentServiceOptions {
  readonly config: AgentConfig
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: Log
  /** Of this program. */
  readonly version: string
}

const TICK_EVERY_MS = 1_000

/** A state that was not confirmed for 15 s counts no longer; the tick that finds it out may be a second late. */
const SILENT_AFTER_MS = 14_000

/**
 * The per-host daemon: sources → agent → reports and notifications, and a socket that answers.
 *
 * Invariants: it goes on whatever fails: a source (its SRs are `unknown` meanwhile), the toolstack (what it must be told is
 * kept), a wrong configuration (the one before stays). It does not start without what nothing can be done without: a
 * boot id, and the socket, for two agents of one host would contradict each other.
 * `#config` is what is carried out: what could not be is tried again with the next reload.
 */
export class AgentService implements SyncAnswers {
  readonly #log: Log
  readonly #version: string
  readonly #agent: HostAgent
  readonly #events = new SyncEvents()
  readonly #metrics: AgentMetrics
  readonly #toolstack: ToolstackLink
  readonly #questions: PoolQuestions
  readonly #sources: HostSources
  /** Of this start of the daemon: the pool believes no other answer to its polls. */
  readonly #pollKey = newPollSecret()
  readonly #marks: MarksFile
  readonly #memory: MirrorMemory
  #config: AgentConfig
  /** SRs that the toolstack has attached through the volume plugin. */
  #attached: readonly SrWatch[] = []
  /** `null`: not read yet, so no volume can be missed. */
  #volumes: ConfiguredVolumes | null = null
  /** `null`: not read yet, so no array can be missed. */
  #arrays: ConfiguredArrays | null = null
  #sockets: AgentSockets | null = null
  #poolStates: PoolStates | null = null
  #metricsServer: MetricsServer | null = null
  #ticking: NodeJS.Timeout | undefined

  /** @throws Error when the boot id cannot be read, another agent answers at the socket, or the toolstack's files are wrong */
  static async start(options: AgentServiceOptions): Promise<AgentService> {
    const { root, host } = options.config
    const { name } = await readHostIdentity(root)
    const marks = await openMarks(options)
    const service = new AgentService(options, await readHostBoot(root), name ?? host, marks)
    try {
      await service.#begin()
      return service
    } catch (error) {
      await service.close()
      throw error
    }
  }

  private constructor(
    { config, now, log, version }: AgentServiceOptions,
    boot: HostBoot,
    hostname: string,
    marks: MarksFile,
  ) {
    this.#marks = marks
    this.#config = config
    this.#memory = new MirrorMemory(join(config.stateDirectory, 'had-mirrors'), text =>
      log({ level: 'warning', code: 'mirror-memory', text }),
    )
    this.#version = version
    this.#log = log
    this.#metrics = new AgentMetrics({
      look: () => ({
        srs: this.#statuses(),
        notSynced: this.#agent.notSynced(),
        unwatched: this.#agent.unwatched(),
        maxMirrors: this.#config.metrics.maxMirrors,
      }),
    })
    this.#toolstack = new ToolstackLink({
      boot,
      startedAtMs: now(),
      pollKey: this.#pollKey,
      now,
      log,
      metrics: this.#metrics,
      agent: () => this.#agent,
    })
    this.#questions = new PoolQuestions(config.host, now, () => this.#toolstack.client)
    this.#agent = new HostAgent({
      host: config.host,
      boot,
      srs: config.srs,
      now,
      sink: this.#toolstack,
      silence: { steadyNow: () => performance.now(), afterMs: SILENT_AFTER_MS },
      hostname,
      memory: this.#memory,
      drbdVolume: mirror => this.#sources.drbd.volume(mirror),
      marks: marks.memory,
      marksDoubt: marksDoubtOf(config, marks),
      witness: (sr, transition, status) => {
        const text = `SR ${sr}: ${transition.from ?? 'nothing known'} → ${transition.to}`
        log({ level: 'info', code: transition.kind, text })
        this.#metrics.transition(sr, transition, status)
        this.#events.transition(sr, transition, status)
        this.#toolstack.note(sr, transition, status)
        this.#poolStates?.hurry()
      },
    })
    this.#sources = new HostSources({
      agent: this.#agent,
      metrics: this.#metrics,
      config: () => this.#config,
      onVolumes: volumes => {
        this.#volumes = volumes
        this.#select()
      },
      onArrays: arrays => {
        this.#arrays = arrays
        this.#select()
      },
      now,
      log,
    })
  }

  async #begin(): Promise<void> {
    const { host, socket, listen, toolstack, stateDirectory } = this.#config
    const onBug = (bug: unknown) => this.#tellBug(bug)
    this.#poolStates = new PoolStates({ questions: this.#questions, host, clock: machineClock, onBug })
    const plugin = await VolumePlugin.open({
      host: {
        status: sr => this.#agent.status(sr),
        presentMirrors: () => this.#agent.present(),
        poolState: sr => this.#poolStates?.of(sr) ?? null,
      },
      watch: srs => this.#watchAttached(srs),
      stateDirectory,
      onProblem: text => this.#log({ level: 'warning', code: 'volume-plugin', text }),
      onBug,
    })
    this.#tellSelected()
    this.#sockets = new AgentSockets({
      answers: this,
      events: this.#events,
      prove: (sr, nonce, report) => pollProof(this.#pollKey, { host, sr, nonce }, report),
      own: { plugin, pool: this.#questions },
      onProblem: text => this.#log({ level: 'warning', code: 'socket', text }),
      onBug,
    })
    await this.#sockets.listenAt(socket)
    if (listen !== undefined) await this.#sockets.listenOn(listen)
    await this.#serveMetrics(this.#config)
    if (toolstack !== undefined) await this.#openLink()
    this.#sources.follow()
    this.#ticking = setInterval(() => this.#tick(), TICK_EVERY_MS)
  }

  /** UUIDs of the SRs that are watched. */
  srs(): readonly string[] {
    return this.#agent.srs()
  }

  report(sr: string): Report | null {
    return this.#agent.report(sr)
  }

  unwatched(): UnwatchedAnswer {
    return unwatchedAnswer(this.#agent.unwatched())
  }

  mirrors(sr: string): MirrorsAnswer | null {
    const counts = this.#agent.status(sr)?.mirrors
    const mirrors = this.#agent.mirrors(sr)
    return counts === undefined || mirrors === null ? null : mirrorsAnswer(counts, mirrors)
  }

  /**
   * Does as a changed configuration says, and goes on with everything that it says as before. One call at a time.
   * @throws Error telling what could not be done; the rest is done
   */
  async reload(config: AgentConfig): Promise<void> {
    const before = this.#config
    const problems: string[] = []
    const change = async (keys: readonly (keyof AgentConfig)[], carryOut: () => Promise<void> | void) => {
      if (keys.every(key => JSON.stringify(this.#config[key]) === JSON.stringify(config[key]))) return
      const reverted = this.#config
      this.#config = { ...this.#config, ...Object.fromEntries(keys.map(key => [key, config[key]])) }
      try {
        await carryOut()
      } catch (error) {
        this.#config = reverted
        problems.push(`${keys.join(', ')}: ${messageOf(error)}`)
      }
    }
    // stateDirectory: what is kept there is in use, and moved by hand.
    for (const key of ['host', 'root', 'stateDirectory'] as const) {
      if (config[key] === before[key]) continue
      const moving = key === 'stateDirectory' ? `; move what is in ${before[key]} there before` : ''
      this.#log({
        level: 'warning',
        code: 'needs-restart',
        text: `${key} is another one only after a restart${moving}`,
      })
    }
    await change(['socket'], () => this.#sockets?.listenAt(config.socket))
    await change(['listen'], () => this.#sockets?.listenOn(config.listen))
    await change(['metrics'], () => this.#serveMetrics(config))
    await change(['toolstack', 'machine'], () => this.#openLink())
    const selected = this.#selections()
    await change(['srs'], () => this.#select())
    // Taken out of the configuration by hand: what it had here is forgotten.
    const watched = new Set(this.#agent.srs())
    for (const { uuid } of before.srs) if (!watched.has(uuid)) this.#memory.forget(uuid)
    if (ignoring(selected) !== ignoring(this.#selections())) this.#sources.beginAnew('drbd')
    await change(['drbd'], () => this.#sources.beginAnew('drbd'))
    await change(['md'], () => this.#sources.beginAnew('md'))
    if (problems.length > 0) throw new Error(problems.join('; '))
  }

  /** Children, sockets, timers and connections end; what the pool has not been told yet is kept for the next start. */
  async close(): Promise<void> {
    clearInterval(this.#ticking)
    await this.#sources.close()
    const others = [this.#sockets, this.#metricsServer, this.#poolStates, this.#agent, this.#toolstack, this.#marks]
    await Promise.all(others.map(each => each?.close()))
    await this.#memory.close()
  }

  #tellBug(bug: unknown): void {
    this.#log({ level: 'error', code: 'bug', text: stackOf(bug) })
  }

  #watchAttached(attached: readonly SrWatch[]): void {
    const before = this.#selections()
    this.#attached = attached
    this.#select()
    if (ignoring(before) !== ignoring(this.#selections())) this.#sources.beginAnew('drbd')
  }

  #selections(): readonly SrSelection[] {
    return selectionsOf(this.#config.srs, this.#attached)
  }

  #select(): void {
    const srs = this.#selections()
    const volumes = this.#volumes
    const arrays = this.#arrays
    this.#agent.select(arrays === null ? srs : resolveArrays(srs, arrays), {
      drbd: volumes && { mirrors: expectedVolumes(volumes.volumes, srs), doubt: volumes.doubt },
      md: arrays && { mirrors: expectedArrays(arrays, srs), doubt: arrays.doubt },
    })
    this.#toolstack.retain(srs.map(({ uuid }) => uuid))
    this.#tellSelected()
  }

  #tellSelected(): void {
    this.#events.watch(this.#agent.srs(), sr => this.#agent.report(sr))
  }

  /** @throws as ToolstackLink.open; then the link before, if any, goes on */
  async #openLink(): Promise<void> {
    await this.#toolstack.open(this.#config)
    this.#poolStates?.forget()
  }

  async #serveMetrics({ metrics }: AgentConfig): Promise<void> {
    await this.#metricsServer?.close()
    const parts = [this.#metrics, new ProcessMetrics({ version: this.#version })]
    this.#metricsServer = await serveMetrics(metrics, parts, machineClock, this.#log)
  }

  #statuses(): Map<string, SrStatus> {
    return new Map(
      this.#agent.srs().flatMap(sr => {
        const status = this.#agent.status(sr)
        return status === null ? [] : [[sr, status] as const]
      }),
    )
  }

  #tick(): void {
    this.#agent.tick()
    this.#sources.tick()
    this.#memory.retry()
    this.#toolstack.tick()
    this.#marks.tick()
    this.#sockets?.tick()
  }
}

/** What an earlier run remembered of DRBD's marks. A file that cannot be read is told of, and leaves its SRs unknown. */
async function openMarks({ config, log }: AgentServiceOptions): Promise<MarksFile> {
  const path = marksPathOf(config)
  const onProblem = (text: string) => log({ level: 'error', code: 'marks-file', text })
  const marks = await MarksFile.open({ path, steadyNow: () => performance.now(), onProblem })
  if (marks.doubt !== null) onProblem(`${path} cannot be read: ${marks.doubt}`)
  return marks
}

function marksDoubtOf(config: AgentConfig, { doubt }: MarksFile): Reason | null {
  return doubt === null ? null : reason('memory-unreadable', '*', { word: doubt, waitsFor: marksPathOf(config) })
}

function marksPathOf({ stateDirectory }: AgentConfig): string {
  return join(stateDirectory, 'owed-marks.json')
}
