import type { SrTransition } from '../../host-state/host-changes.ts'
import type { HostState } from '../../host-state/host-state.ts'
import type { HostBoot } from '../../host-state/watched-srs.ts'
import type { AgentMetrics } from '../../metrics/agent-metrics.ts'
import { messageOf } from '../../platform/errors.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { Report } from '../../sync-query/report/report.ts'
import type { ReportSink } from '../../xapi-notify/report-pusher.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { clientOf } from '../../xenapi-client/client-of-files.ts'
import type { AgentConfig } from '../agent-config.ts'
import type { AgentLog } from '../agent-log.ts'
import { PoolLink } from './pool-link.ts'

export interface ToolstackLinkOptions {
  readonly boot: HostBoot
  /** This daemon proves its answers to polls with this key. */
  readonly pollKey: string
  readonly clock: Clock
  readonly log: AgentLog
  readonly metrics: Pick<AgentMetrics, 'pushArrived' | 'pushFailed'>
  readonly state: Pick<HostState, 'changedSeqs' | 'srs' | 'status' | 'isResyncing'>
}

/** The link of this host to its toolstack. It is replaced whenever the configuration changes, and absent without a toolstack. */
export class ToolstackLink implements ReportSink {
  readonly #options: ToolstackLinkOptions
  readonly #startedAtMs: number
  #link: PoolLink | null = null
  #client: XenApiClient | null = null
  /** The last push failed. */
  #isFailing = false

  constructor(options: ToolstackLinkOptions) {
    this.#options = options
    this.#startedAtMs = options.clock.now()
  }

  /** The session with the toolstack; `null`: none is configured. */
  get client(): XenApiClient | null {
    return this.#client
  }

  /** Replaces the link. Push all reports afterwards. @throws as `clientOf`; then the previous link, if any, stays */
  async open({ host, toolstack, stateDirectory, machine }: AgentConfig): Promise<void> {
    const client = toolstack === undefined ? null : await clientOf(toolstack, this.#options.clock)
    // Two links at once would write the same journal.
    await this.close()
    if (client === null || toolstack === undefined) return
    const { boot, pollKey, clock, log, state } = this.#options
    const link = await PoolLink.open({
      client,
      host,
      heartbeatEveryMs: toolstack.heartbeatEverySeconds * 1000,
      machine,
      stateDirectory,
      bootId: boot.id,
      bootTimeMs: this.#startedAtMs - boot.firstSeq,
      agentStartMs: this.#startedAtMs,
      pollKey,
      clock,
      log,
      changedSeqs: () => state.changedSeqs(),
    })
    link.retain(state.srs())
    this.#link = link
    this.#client = client
    for (const sr of state.srs()) this.#noteStatus(sr)
  }

  /** Logs once that reports do not arrive, and once that they arrive again. Without a toolstack the push succeeds. */
  async push(report: Report): Promise<void> {
    if (this.#link === null) return
    const { metrics, log, clock } = this.#options
    try {
      await this.#link.push(report)
      metrics.pushArrived(report.sr, clock.now())
      if (this.#isFailing) log('reports-arrive', 'reports reach the toolstack again')
      this.#isFailing = false
    } catch (error) {
      metrics.pushFailed(report.sr)
      const text = messageOf(error)
      if (!this.#isFailing) log('reports-do-not-arrive', text)
      this.#isFailing = true
      throw error
    }
  }

  /** Publishes a transition. */
  note({ sr, transition, status }: SrTransition): void {
    this.#link?.note(sr, [transition], status)
  }

  /** Ends the notifications of other SRs than these. */
  retain(srs: readonly string[]): void {
    this.#link?.retain(srs)
  }

  /** Publishes the progress of resyncs. Call it about once a second. @returns the SRs whose reports must be pushed again */
  tick(): readonly string[] {
    if (this.#link === null) return []
    const { state } = this.#options
    for (const sr of state.srs()) if (state.isResyncing(sr)) this.#noteStatus(sr)
    return this.#link.tick()
  }

  async close(): Promise<void> {
    const link = this.#link
    this.#link = null
    this.#client = null
    await link?.close()
  }

  #noteStatus(sr: string): void {
    const { state, clock } = this.#options
    const status = state.status(sr, clock.now())
    if (status !== null) this.#link?.note(sr, [], status)
  }
}
