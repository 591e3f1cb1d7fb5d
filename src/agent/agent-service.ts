import { followDrbd } from '../drbd-adapter/source.ts'
import { watchDrbdConfig } from '../drbd-adapter/watch-config.ts'
import { type ConfiguredArrays, followMd, watchMdConfig } from '../mdraid-adapter/index.ts'
import { AgentMetrics, type MetricsServer, ProcessMetrics, serveMetrics } from '../metrics/index.ts'
import type { Log } from '../service-manager/index.ts'
import type { Report } from '../sync-query/report.ts'
import type { SrStatus } from '../sync-query/sr-fold.ts'
import { AgentSocket, type SrWatch, VolumePlugin } from '../volume-plugin/index.ts'
import { HostAgent } from './agent.ts'
import type { AgentConfig } from './agent-config.ts'
import type { Backend } from './backend-view.ts'
import { expectedArrays, expectedVolumes, resolveArrays } from './expected-mirrors.ts'
import { Followers } from './followers.ts'
import { type HostBoot, readHostBoot } from './host-boot.ts'
import { clientOf, PoolLink } from './pool-link.ts'
import { ignoring, selectionsOf } from './selections.ts'
import type { SrSelection } from './sr-selection.ts'

export interface AgentServiceOptions {
  readonly config: AgentConfig
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: Log
  /** Of this program. */
  readonly version: string
}

const TICK_EVERY_MS = 1_000

type SourceNews = Parameters<AgentMetrics['source']>[1]

/**
 * The per-host daemon: sources → agent → reports and notifications, and a socket that answers.
 *
 * Invariants: it goes on whatever fails: a source (its SRs are `unknown` meanwhile), the toolstack (what it must be told is
 * kept), a wrong configuration (the one before stays). It does not start without what nothing can be done without: a
 * boot id, and the socket, for two agents of one host would contradict each other.
 * `#config` is what is carried out: what could not be is tried again with the next reload.
 */
export class AgentService {
  readonly #now: () => number
  readonly #log: Log
  readonly #boot: HostBoot
  readonly #version: string
  readonly #startedAtMs: number
  readonly #agent: HostAgent
  readonly #followers = new Followers()
  #config: AgentConfig
  /** SRs that the toolstack has attached through the volume plugin. */
  #attached: readonly SrWatch[] = []
  /** `null`: not read yet, so no array can be missed. */
  #arrays: ConfiguredArrays | null = null
  #plugin: VolumePlugin | undefined
  #socket: AgentSocket | null = null
  #networkSocket: AgentSocket | null = null
  #link: PoolLink | null = null
  readonly #metrics: AgentMetrics
  #metricsServer: MetricsServer | null = null
  /** The last report that was pushed did not arrive. */
  #undelivered = false
  #ticking: NodeJS.Timeout | undefined

  /** @throws Error when the boot id cannot be read, another agent answers at the socket, or the toolstack's files are wrong */
  static async start(options: AgentServiceOptions): Promise<AgentService> {
    const service = new AgentService(options, await readHostBoot(options.config.root))
    try {
      await service.#begin()
      return service
    } catch (error) {
      await service.close()
      throw error
    }
  }

  private constructor({ config, now, log, version }: AgentServiceOptions, boot: HostBoot) {
    this.#config = config
    this.#version = version
    this.#now = now
    this.#log = log
    this.#boot = boot
    this.#startedAtMs = now()
    this.#agent = new HostAgent({
      host: config.host,
      boot,
      srs: config.srs,
      now,
      sink: { push: report => this.#push(report) },
      witness: (sr, transition, status) => {
        log({
          level: 'info',
          code: transition.kind,
          text: `SR ${sr}: ${transition.from ?? 'nothing known'} → ${transition.to}`,
        })
        this.#metrics.transition(sr, transition)
        this.#link?.note(sr, [transition], status)
      },
    })
    this.#metrics = new AgentMetrics({ look: () => ({ srs: this.#statuses(), notSynced: this.#agent.notSynced() }) })
  }

  async #begin(): Promise<void> {
    const { socket, listen, toolstack } = this.#config
    this.#plugin = await VolumePlugin.open({
      host: {
        status: sr => this.#agent.status(sr),
        presentMirrors: () => this.#agent.present(),
        poolState: () => null,
      },
      watch: srs => this.#watchAttached(srs),
      stateDirectory: this.#config.stateDirectory,
      onProblem: text => this.#log({ level: 'warning', code: 'volume-plugin', text }),
      onBug: bug => this.#tellBug(bug),
    })
    this.#socket = await this.#answerAt({ path: socket }, this.#plugin)
    if (listen !== undefined) this.#networkSocket = await this.#answerAt(listen)
    await this.#serveMetrics(this.#config)
    if (toolstack !== undefined) await this.#openLink(this.#config)
    this.#followDrbd()
    this.#followMd()
    this.#ticking = setInterval(() => this.#tick(), TICK_EVERY_MS)
  }

  /** UUIDs of the SRs that are watched. */
  srs(): readonly string[] {
    return this.#agent.srs()
  }

  report(sr: string): Report | null {
    return this.#agent.report(sr)
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
        problems.push(`${keys.join(', ')}: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    for (const key of ['host', 'root'] as const) {
      if (config[key] === before[key]) continue
      this.#log({ level: 'warning', code: 'needs-restart', text: `${key} is another one only after a restart` })
    }
    await change(['socket'], async () => {
      this.#socket = await this.#moveSocket(this.#socket, { path: config.socket }, this.#plugin)
    })
    await change(['listen'], async () => {
      this.#networkSocket = await this.#moveSocket(this.#networkSocket, config.listen)
    })
    await change(['metrics'], () => this.#serveMetrics(config))
    await change(['toolstack', 'stateDirectory', 'machine'], () => this.#openLink(this.#config))
    const selected = this.#selections()
    await change(['srs'], () => this.#select())
    if (ignoring(selected) !== ignoring(this.#selections())) this.#beginAnew('drbd')
    await change(['drbd'], () => this.#beginAnew('drbd'))
    await change(['md'], () => this.#beginAnew('md'))
    if (problems.length > 0) throw new Error(problems.join('; '))
  }

  /** Children, sockets, timers and connections end; what the pool has not been told yet is kept for the next start. */
  async close(): Promise<void> {
    clearInterval(this.#ticking)
    await this.#followers.close()
    const servers = [this.#socket, this.#networkSocket, this.#metricsServer]
    await Promise.all([...servers, this.#agent, this.#link].map(each => each?.close()))
  }

  /** Told once when reports do not arrive, and once when they do again. */
  async #push(report: Report): Promise<void> {
    const link = this.#link
    if (link === null) return
    try {
      await link.push(report)
      this.#metrics.pushArrived(report.sr, this.#now())
      if (this.#undelivered)
        this.#log({ level: 'info', code: 'reports-arrive', text: 'the toolstack takes reports again' })
      this.#undelivered = false
    } catch (error) {
      this.#metrics.pushFailed(report.sr)
      const text = error instanceof Error ? error.message : String(error)
      if (!this.#undelivered) this.#log({ level: 'warning', code: 'reports-do-not-arrive', text })
      this.#undelivered = true
      throw error
    }
  }

  #tellBug(bug: unknown): void {
    this.#log({ level: 'error', code: 'bug', text: bug instanceof Error ? (bug.stack ?? bug.message) : String(bug) })
  }

  #watchAttached(attached: readonly SrWatch[]): void {
    const before = this.#selections()
    this.#attached = attached
    this.#select()
    if (ignoring(before) !== ignoring(this.#selections())) this.#beginAnew('drbd')
  }

  #selections(): readonly SrSelection[] {
    return selectionsOf(this.#config.srs, this.#attached)
  }

  #select(): void {
    const srs = this.#selections()
    if (this.#arrays !== null) this.#agent.expect('md', expectedArrays(this.#arrays, srs))
    this.#agent.select(resolveArrays(srs, this.#arrays ?? { arrays: [], problems: [] }))
    this.#link?.retain(srs.map(({ uuid }) => uuid))
  }

  #beginAnew(backend: Backend): void {
    this.#loseSource(backend, 'it is begun anew with another configuration')
    if (backend === 'drbd') this.#followDrbd()
    else this.#followMd()
  }

  #followDrbd(): void {
    const { root, drbd } = this.#config
    const { drbdsetup } = drbd
    const now = this.#now
    this.#followSource(
      'drbd',
      signal => followDrbd({ drbdsetup, root, now, signal }),
      update => this.#agent.applyDrbd(update),
    )
    this.#follow(
      'drbd configuration',
      signal => watchDrbdConfig({ root, signal }),
      ({ mirrors }) => this.#agent.expect('drbd', expectedVolumes(mirrors)),
    )
  }

  #followMd(): void {
    const { root, md } = this.#config
    const [program, ...args] = md.mdadm
    const now = this.#now
    this.#followSource(
      'md',
      signal => followMd({ root, now, signal, ...(program === undefined ? {} : { mdadm: [program, ...args] }) }),
      update => this.#agent.applyMd(update),
    )
    this.#follow(
      'md configuration',
      signal => watchMdConfig({ root, signal }),
      arrays => {
        this.#arrays = arrays
        this.#select()
      },
    )
  }

  #followSource<Update extends SourceNews>(
    backend: Backend,
    source: (signal: AbortSignal) => AsyncIterable<Update>,
    take: (update: Update) => void,
  ): void {
    const takeAndCount = (update: Update) => {
      take(update)
      this.#metrics.source(backend, update)
    }
    this.#follow(backend, source, takeAndCount, why => this.#loseSource(backend, `its source failed: ${why}`))
  }

  #loseSource(backend: Backend, why: string): void {
    this.#agent.loseSource(backend, why)
    this.#metrics.sourceLost(backend)
  }

  #follow<Update>(
    name: string,
    source: (signal: AbortSignal) => AsyncIterable<Update>,
    take: (update: Update) => void,
    lost: (why: string) => void = () => undefined,
  ): void {
    const failed = (why: string) => {
      this.#log({ level: 'error', code: 'source-failed', text: `${name}: ${why}` })
      lost(why)
    }
    this.#followers.follow(name, source, take, failed)
  }

  /** @throws as clientOf; then the link before, if any, goes on */
  async #openLink({ host, toolstack, stateDirectory, machine }: AgentConfig): Promise<void> {
    const client = toolstack === undefined ? null : await clientOf(toolstack)
    // Two links at once would both write the same journal.
    const before = this.#link
    this.#link = null
    await before?.close()
    if (client === null || toolstack === undefined) return
    const link = await PoolLink.open({
      client,
      host,
      heartbeatEveryMs: toolstack.heartbeatEverySeconds * 1000,
      stateDirectory,
      bootTimeMs: this.#startedAtMs - this.#boot.firstSeq,
      agentStartMs: this.#startedAtMs,
      machine,
      log: this.#log,
      pushAgain: sr => this.#agent.pushAgain(sr),
    })
    link.retain(this.#agent.srs())
    this.#link = link
    for (const sr of this.#agent.srs()) {
      const status = this.#agent.status(sr)
      if (status !== null) link.note(sr, [], status)
      this.#agent.pushAgain(sr)
    }
  }

  async #serveMetrics({ metrics }: AgentConfig): Promise<void> {
    await this.#metricsServer?.close()
    const parts = [this.#metrics, new ProcessMetrics({ version: this.#version })]
    this.#metricsServer = await serveMetrics(metrics, parts, this.#log)
  }

  #statuses(): Map<string, SrStatus> {
    return new Map(
      this.#agent.srs().flatMap(sr => {
        const status = this.#agent.status(sr)
        return status === null ? [] : [[sr, status] as const]
      }),
    )
  }

  async #moveSocket(
    before: AgentSocket | null,
    to: Parameters<AgentSocket['listen']>[0] | undefined,
    plugin?: VolumePlugin,
  ): Promise<AgentSocket | null> {
    // The new one first: if it cannot be opened, the one before goes on.
    const socket = to === undefined ? null : await this.#answerAt(to, plugin)
    await before?.close()
    return socket
  }

  /** @param plugin only where no one but this host's own user can ask: over the network nobody may make SRs */
  async #answerAt(address: Parameters<AgentSocket['listen']>[0], plugin?: VolumePlugin): Promise<AgentSocket> {
    const socket = new AgentSocket(this, bug => this.#tellBug(bug), plugin)
    await socket.listen(address)
    return socket
  }

  #tick(): void {
    this.#agent.tick()
    const link = this.#link
    if (link === null) return
    link.tick(performance.now())
    for (const sr of this.#agent.srs()) {
      const status = this.#agent.isResyncing(sr) ? this.#agent.status(sr) : null
      if (status !== null) link.note(sr, [], status)
    }
  }
}
