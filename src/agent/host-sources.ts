import type { ConfiguredVolumes } from '../drbd-adapter/config/read-config.ts'
import { watchDrbdConfig } from '../drbd-adapter/config/watch-config.ts'
import { DrbdView } from '../drbd-adapter/follow/drbd-view.ts'
import { followDrbd } from '../drbd-adapter/follow/follow-drbd.ts'
import { BACKENDS, type Backend } from '../host-state/backend-view.ts'
import type { HostAgent } from '../host-state/host-agent.ts'
import type { ConfiguredArrays } from '../mdraid-adapter/config/parse-md-config.ts'
import { watchMdConfig } from '../mdraid-adapter/config/watch-md-config.ts'
import { followMd } from '../mdraid-adapter/follow/follow-md.ts'
import type { AgentMetrics } from '../metrics/agent-metrics.ts'
import { ProcessPool } from '../platform/file-reader/process-pool.ts'
import type { Log } from '../platform/systemd/log.ts'
import { machineClock } from '../platform/time/clock.ts'
import type { Problem } from '../sync-query/judge/problem.ts'
import type { AgentConfig } from './agent-config.ts'
import { Followers } from './followers.ts'
import { SourceLog } from './source-log.ts'

export interface HostSourcesOptions {
  readonly agent: HostAgent
  readonly metrics: AgentMetrics
  /** What is carried out at this moment. */
  readonly config: () => Pick<AgentConfig, 'root' | 'drbd' | 'md'>
  /** Told which volumes DRBD's configuration names, whenever that was read. */
  readonly onVolumes: (volumes: ConfiguredVolumes) => void
  /** Told which arrays mdadm.conf names, whenever that was read. */
  readonly onArrays: (arrays: ConfiguredArrays) => void
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly log: Log
}

/** Of very many problems the first tell enough. */
const MAX_LOGGED = 20

type SourceNews = Parameters<AgentMetrics['source']>[1] & { readonly isFault?: boolean }

/** What the host's kernel and its configurations tell, of both backends: followed whatever fails, and told to the agent. */
export class HostSources {
  readonly #options: HostSourcesOptions
  readonly #followers = new Followers()
  /** What DRBD's source knows now. */
  readonly drbd = new DrbdView()
  readonly #logs: Readonly<Record<Backend, SourceLog>>
  readonly #pool = new ProcessPool(machineClock)

  constructor(options: HostSourcesOptions) {
    this.#options = options
    const { log } = options
    this.#logs = { drbd: new SourceLog('drbd', log), md: new SourceLog('md', log) }
  }

  /** Lets time pass: what was not understood and has not come again is over. To be called now and then. */
  tick(): void {
    for (const backend of BACKENDS) this.#logs[backend].tick(this.#options.now())
  }

  follow(): void {
    this.#followDrbd()
    this.#followMd()
  }

  /** Asks a backend for everything anew. Until it has told, nothing is known of it. */
  beginAnew(backend: Backend): void {
    this.#lose(backend, 'it is begun anew with another configuration')
    if (backend === 'drbd') this.#followDrbd()
    else this.#followMd()
  }

  async close(): Promise<void> {
    await this.#followers.close()
    this.#pool.end()
  }

  #followDrbd(): void {
    const { agent, config, now, onVolumes } = this.#options
    const clock = { ...machineClock, now }
    const {
      root,
      drbd: { drbdsetup },
    } = config()
    this.#followSource(
      'drbd',
      signal => followDrbd({ drbdsetup, root, clock, signal, pool: this.#pool, view: this.drbd }),
      update => agent.applyDrbd(update),
    )
    this.#followConfiguration('drbd', signal => watchDrbdConfig({ root, clock, signal }), onVolumes)
  }

  #followMd(): void {
    const { agent, config, now, onArrays } = this.#options
    const { root, md } = config()
    const [program, ...args] = md.mdadm
    this.#followSource(
      'md',
      signal =>
        followMd({
          root,
          clock: { ...machineClock, now },
          signal,
          pool: this.#pool,
          ...(program === undefined ? {} : { mdadm: [program, ...args] }),
        }),
      update => agent.applyMd(update),
    )
    this.#followConfiguration(
      'md',
      signal => watchMdConfig({ root, clock: machineClock, signal, pool: this.#pool }),
      onArrays,
    )
  }

  /** What is wrong with a configuration is told once, and again when it was well in between. */
  #followConfiguration<Configured extends { readonly problems: readonly Problem[] }>(
    backend: Backend,
    watch: (signal: AbortSignal) => AsyncIterable<Configured>,
    take: (configured: Configured) => void,
  ): void {
    const { log, metrics } = this.#options
    let known: ReadonlySet<string> = new Set()
    this.#follow(`${backend} configuration`, watch, configured => {
      const problems = configured.problems.filter(({ text }) => !known.has(text))
      known = new Set(configured.problems.map(({ text }) => text))
      metrics.misread(backend, problems)
      for (const { text } of problems.slice(0, MAX_LOGGED)) {
        log({ level: 'warning', code: 'configuration-misread', text: `${backend}: ${text}` })
      }
      take(configured)
    })
  }

  #followSource<Update extends SourceNews>(
    backend: Backend,
    source: (signal: AbortSignal) => AsyncIterable<Update>,
    take: (update: Update) => void,
  ): void {
    const takeAndCount = (update: Update) => {
      take(update)
      this.#options.metrics.source(backend, update)
      const { at, doubt, problems, isFault = doubt !== null, problemCounts = countsOf(problems) } = update
      this.#logs[backend].note({ at, doubt, isFault, problems, problemCounts })
    }
    this.#follow(backend, source, takeAndCount, why => this.#lose(backend, `its source failed: ${why}`))
  }

  #lose(backend: Backend, why: string): void {
    this.#options.agent.loseSource(backend, why)
    this.#options.metrics.sourceLost(backend)
  }

  #follow<Update>(
    name: string,
    source: (signal: AbortSignal) => AsyncIterable<Update>,
    take: (update: Update) => void,
    lost: (why: string) => void = () => undefined,
  ): void {
    const failed = (why: string) => {
      this.#options.log({ level: 'error', code: 'source-failed', text: `${name}: ${why}` })
      lost(why)
    }
    this.#followers.follow(name, source, take, failed)
  }
}

function countsOf(problems: readonly { readonly code: string }[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { code } of problems) counts.set(code, (counts.get(code) ?? 0) + 1)
  return counts
}
