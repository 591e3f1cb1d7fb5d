import { followDrbd } from '../drbd-adapter/source.ts'
import { watchDrbdConfig } from '../drbd-adapter/watch-config.ts'
import { type ConfiguredArrays, followMd, watchMdConfig } from '../mdraid-adapter/index.ts'
import type { Log } from '../service-manager/index.ts'
import type { Report } from '../sync-query/report.ts'
import { AgentSocket } from '../volume-plugin/index.ts'
import { HostAgent } from './agent.ts'
import type { AgentConfig } from './agent-config.ts'
import type { Backend } from './backend-view.ts'
import { expectedArrays, expectedVolumes, resolveArrays } from './expected-mirrors.ts'
import { type HostBoot, readHostBoot } from './host-boot.ts'
import { clientOf, PoolLink } from './pool-link.ts'
import { supervise } from './supervise.ts'

export interface AgentServiceOptions {
  readonly config: AgentConfig
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: Log
}

const TICK_EVERY_MS = 1_000

/** Something that is followed until it is told to stop. */
interface Follower {
  readonly stop: AbortController
  readonly done: Promise<void>
}

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
  readonly #startedAtMs: number
  readonly #agent: HostAgent
  readonly #followers = new Map<string, Follower>()
  #config: AgentConfig
  #arrays: ConfiguredArrays = { arrays: [], problems: [] }
  #socket: AgentSocket | null = null
  #networkSocket: AgentSocket | null = null
  #link: PoolLink | null = null
  /** The last report that was pushed did not arrive. */
  #undelivered = false
  #ticking: NodeJS.Timeout | undefined

  /** @throws Error when the boot id cannot be read, another agent answers at the socket, or the toolstack's files are wrong */
  static async start({ config, now, log }: AgentServiceOptions): Promise<AgentService> {
    const service = new AgentService(config, now, log, await readHostBoot(config.root))
    try {
      await service.#begin()
      return service
    } catch (error) {
      await service.close()
      throw error
    }
  }

  private constructor(config: AgentConfig, now: () => number, log: Log, boot: HostBoot) {
    this.#config = config
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
        this.#link?.note(sr, [transition], status)
      },
    })
  }

  async #begin(): Promise<void> {
    const { socket, listen, toolstack } = this.#config
    this.#socket = await this.#answerAt({ path: socket })
    if (listen !== undefined) this.#networkSocket = await this.#answerAt(listen)
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
      this.#socket = await this.#moveSocket(this.#socket, { path: config.socket })
    })
    await change(['listen'], async () => {
      this.#networkSocket = await this.#moveSocket(this.#networkSocket, config.listen)
    })
    await change(['toolstack', 'stateDirectory'], () => this.#openLink(this.#config))
    await change(['srs'], () => this.#select())
    // Volumes were judged without the peers that were ignored: they are read again.
    const ignoring = ({ srs }: AgentConfig) => JSON.stringify(srs.map(({ uuid, ignorePeers }) => [uuid, ignorePeers]))
    if (ignoring(before) !== ignoring(config)) await this.#beginAnew('drbd')
    await change(['drbd'], () => this.#beginAnew('drbd'))
    await change(['md'], () => this.#beginAnew('md'))
    if (problems.length > 0) throw new Error(problems.join('; '))
  }

  /** Children, sockets, timers and connections end; what the pool has not been told yet is kept for the next start. */
  async close(): Promise<void> {
    clearInterval(this.#ticking)
    await Promise.all([...this.#followers.keys()].map(name => this.#unfollow(name)))
    await Promise.all([this.#socket?.close(), this.#networkSocket?.close(), this.#agent.close(), this.#link?.close()])
  }

  /** Told once when reports do not arrive, and once when they do again. */
  async #push(report: Report): Promise<void> {
    try {
      await this.#link?.push(report)
      if (this.#undelivered)
        this.#log({ level: 'info', code: 'reports-arrive', text: 'the toolstack takes reports again' })
      this.#undelivered = false
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      if (!this.#undelivered) this.#log({ level: 'warning', code: 'reports-do-not-arrive', text })
      this.#undelivered = true
      throw error
    }
  }

  #select(): void {
    const { srs } = this.#config
    this.#agent.expect('md', expectedArrays(this.#arrays, srs))
    this.#agent.select(resolveArrays(srs, this.#arrays))
    this.#link?.retain(srs.map(({ uuid }) => uuid))
  }

  async #beginAnew(backend: Backend): Promise<void> {
    await this.#unfollow(backend)
    await this.#unfollow(`${backend} configuration`)
    this.#agent.loseSource(backend, 'it is begun anew with another configuration')
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

  #followSource<Update>(
    backend: Backend,
    source: (signal: AbortSignal) => AsyncIterable<Update>,
    take: (update: Update) => void,
  ): void {
    this.#follow(backend, source, take, why => this.#agent.loseSource(backend, `its source failed: ${why}`))
  }

  #follow<Update>(
    name: string,
    source: (signal: AbortSignal) => AsyncIterable<Update>,
    take: (update: Update) => void,
    lost: (why: string) => void = () => undefined,
  ): void {
    const stop = new AbortController()
    const failed = (why: string) => {
      this.#log({ level: 'error', code: 'source-failed', text: `${name}: ${why}` })
      lost(why)
    }
    this.#followers.set(name, { stop, done: supervise(source, take, failed, stop.signal) })
  }

  async #unfollow(name: string): Promise<void> {
    const follower = this.#followers.get(name)
    this.#followers.delete(name)
    follower?.stop.abort()
    await follower?.done
  }

  /** @throws as clientOf; then the link before, if any, goes on */
  async #openLink({ host, toolstack, stateDirectory }: AgentConfig): Promise<void> {
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

  async #moveSocket(
    before: AgentSocket | null,
    to: Parameters<AgentSocket['listen']>[0] | undefined,
  ): Promise<AgentSocket | null> {
    // The new one first: if it cannot be opened, the one before goes on.
    const socket = to === undefined ? null : await this.#answerAt(to)
    await before?.close()
    return socket
  }

  async #answerAt(address: Parameters<AgentSocket['listen']>[0]): Promise<AgentSocket> {
    const socket = new AgentSocket(this, bug => this.#log({ level: 'error', code: 'bug', text: String(bug) }))
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
