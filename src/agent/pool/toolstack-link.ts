import type { HostAgent } from '../../host-state/host-agent.ts'
import type { AgentMetrics } from '../../metrics/agent-metrics.ts'
import { messageOf } from '../../platform/errors.ts'
import type { Log } from '../../platform/systemd/log.ts'
import type { Report } from '../../sync-query/report/report.ts'
import type { SrStatus } from '../../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../../sync-query/sr-state/transition.ts'
import type { ReportSink } from '../../xapi-notify/report-pusher.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import type { AgentConfig } from '../agent-config.ts'
import type { HostBoot } from '../host-boot.ts'
import { clientOf, PoolLink } from './pool-link.ts'

export interface ToolstackLinkOptions {
  readonly boot: HostBoot
  /** When this daemon started. Milliseconds since 1970, as `now`. */
  readonly startedAtMs: number
  /** With which this daemon proves its answers to polls. */
  readonly pollKey: string
  readonly now: () => number
  readonly log: Log
  readonly metrics: Pick<AgentMetrics, 'pushArrived' | 'pushFailed'>
  readonly agent: () => Pick<HostAgent, 'changedSeqs' | 'srs' | 'status' | 'isResyncing' | 'pushAgain'>
}

/** The link of this host to the toolstack that is configured, if any: another one whenever the configuration changes. */
export class ToolstackLink implements ReportSink {
  readonly #options: ToolstackLinkOptions
  #link: PoolLink | null = null
  #client: XenApiClient | null = null
  /** The last report that was pushed did not arrive. */
  #undelivered = false

  constructor(options: ToolstackLinkOptions) {
    this.#options = options
  }

  /** The session with the toolstack; `null`: none is configured. */
  get client(): XenApiClient | null {
    return this.#client
  }

  /** @throws as clientOf; then the link before, if any, goes on */
  async open({ host, toolstack, stateDirectory, machine }: AgentConfig): Promise<void> {
    const client = toolstack === undefined ? null : await clientOf(toolstack)
    // Two links at once would both write the same journal.
    await this.close()
    if (client === null || toolstack === undefined) return
    const { boot, startedAtMs, pollKey, now, log } = this.#options
    const agent = this.#options.agent()
    const link = await PoolLink.open({
      client,
      host,
      heartbeatEveryMs: toolstack.heartbeatEverySeconds * 1000,
      machine,
      stateDirectory,
      bootId: boot.id,
      bootTimeMs: startedAtMs - boot.firstSeq,
      agentStartMs: startedAtMs,
      pollKey,
      now,
      log,
      pushAgain: sr => agent.pushAgain(sr),
      changedSeqs: () => agent.changedSeqs(),
    })
    link.retain(agent.srs())
    this.#link = link
    this.#client = client
    for (const sr of agent.srs()) {
      this.#noteLevel(sr)
      agent.pushAgain(sr)
    }
  }

  /** Told once when reports do not arrive, and once when they do again. */
  async push(report: Report): Promise<void> {
    if (this.#link === null) return
    const { metrics, log, now } = this.#options
    try {
      await this.#link.push(report)
      metrics.pushArrived(report.sr, now())
      if (this.#undelivered) log({ level: 'info', code: 'reports-arrive', text: 'the toolstack takes reports again' })
      this.#undelivered = false
    } catch (error) {
      metrics.pushFailed(report.sr)
      const text = messageOf(error)
      if (!this.#undelivered) log({ level: 'warning', code: 'reports-do-not-arrive', text })
      this.#undelivered = true
      throw error
    }
  }

  /** An SR has changed. @param status after it */
  note(sr: string, transition: Transition, status: SrStatus): void {
    this.#link?.note(sr, [transition], status)
  }

  /** Says which SRs are watched from now on. */
  retain(srs: readonly string[]): void {
    this.#link?.retain(srs)
  }

  /** To be called about once a second. */
  tick(): void {
    if (this.#link === null) return
    this.#link.tick(performance.now())
    const agent = this.#options.agent()
    for (const sr of agent.srs()) if (agent.isResyncing(sr)) this.#noteLevel(sr)
  }

  async close(): Promise<void> {
    const link = this.#link
    this.#link = null
    this.#client = null
    await link?.close()
  }

  #noteLevel(sr: string): void {
    const status = this.#options.agent().status(sr)
    if (status !== null) this.#link?.note(sr, [], status)
  }
}
