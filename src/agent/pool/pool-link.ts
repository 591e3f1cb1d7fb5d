import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../../platform/time/clock.ts'
import type { Report } from '../../sync-query/report/report.ts'
import type { SrStatus } from '../../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../../sync-query/transition.ts'
import { PbdReportSink } from '../../xapi-notify/pbd-report-sink.ts'
import { PbdReports } from '../../xapi-notify/pbd-reports.ts'
import type { ReportSink } from '../../xapi-notify/report-pusher.ts'
import { ResyncNotifier } from '../../xapi-notify/resync-notifier.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import type { AgentLog } from '../agent-log.ts'
import { sendHeartbeats } from './heartbeat.ts'
import { carryOut, type MachineCommands, type Order } from './orders.ts'
import { StoredReports } from './stored-reports.ts'

export interface PoolLinkOptions {
  /** Closed with the link. */
  readonly client: XenApiClient
  /** The host's UUID in the pool's database. */
  readonly host: string
  /** 0: this host sends none. */
  readonly heartbeatEveryMs: number
  readonly stateDirectory: string
  /** The present boot of the host's kernel. */
  readonly bootId: string
  /** When the host's kernel and this daemon started, milliseconds since 1970 by the host's clock. */
  readonly bootTimeMs: number
  readonly agentStartMs: number
  /** This daemon proves its answers to polls with this key. */
  readonly pollKey: string
  readonly clock: Clock
  readonly machine: MachineCommands
  readonly log: AgentLog
  /** As in `HostState`. */
  readonly changedSeqs: () => ReadonlyMap<string, number>
}

/** Everything that one host sends to its toolstack, over one client: reports, notifications and heartbeats. */
export class PoolLink implements ReportSink {
  readonly #client: XenApiClient
  readonly #sink: PbdReportSink
  readonly #stored: StoredReports
  readonly #notifier: ResyncNotifier
  readonly #stop = new AbortController()
  readonly #done: Promise<unknown>

  static async open(options: PoolLinkOptions): Promise<PoolLink> {
    const notifier = await ResyncNotifier.open({
      clock: options.clock,
      client: options.client,
      host: { uuid: options.host, name: hostname() },
      journalPath: join(options.stateDirectory, 'notifications.json'),
      onProblem: ({ code, text }) => options.log(code, text),
    })
    return new PoolLink(options, notifier)
  }

  private constructor(options: PoolLinkOptions, notifier: ResyncNotifier) {
    const { client, host, heartbeatEveryMs: everyMs, machine, log, clock } = options
    const { signal } = this.#stop
    this.#client = client
    this.#notifier = notifier
    this.#sink = new PbdReportSink(new PbdReports(client))
    this.#stored = new StoredReports(this.#sink, clock)
    const { bootId, bootTimeMs, agentStartMs, pollKey, changedSeqs } = options
    const obey = (order: Order) => carryOut(order, machine, log)
    const beating =
      everyMs === 0
        ? undefined
        : sendHeartbeats({
            client,
            host,
            bootId,
            bootTimeMs,
            agentStartMs,
            pollKey,
            changedSeqs,
            clock,
            everyMs,
            carryOut: obey,
            signal,
          })
    this.#done = Promise.all([beating, this.#stored.follow(client, signal)])
  }

  push(report: Report): Promise<void> {
    return this.#sink.push(report)
  }

  /** Publishes transitions of an SR, or only its status. @param status after all of the transitions */
  note(sr: string, transitions: readonly Transition[], status: SrStatus): void {
    this.#notifier.note(sr, transitions, status)
  }

  /** Ends the notifications of other SRs than these. */
  retain(srs: readonly string[]): void {
    this.#notifier.retain(srs)
  }

  /** Call it about once a second. @returns the SRs whose reports must be pushed again */
  tick(): string[] {
    return this.#stored.check()
  }

  async close(): Promise<void> {
    this.#stop.abort()
    await Promise.all([this.#notifier.close(), this.#done])
    await this.#client.close()
  }
}
