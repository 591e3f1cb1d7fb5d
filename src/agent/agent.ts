import type { DrbdUpdate } from '../drbd-adapter/source.ts'
import type { DrbdVolume } from '../sync-query/drbd.ts'
import { HostMirrors, type MirrorChange } from '../sync-query/host-mirrors.ts'
import { judgeDrbdVolume } from '../sync-query/judge-drbd.ts'
import type { Judgement } from '../sync-query/judgement.ts'
import { type Reason, reason } from '../sync-query/reason.ts'
import type { Report } from '../sync-query/report.ts'
import { SrFold, type SrStatus } from '../sync-query/sr-fold.ts'
import type { Transition } from '../sync-query/transition.ts'
import type { HostBoot } from './host-boot.ts'
import { ReportPusher, type ReportSink } from './report-pusher.ts'
import { type SrSelection, SrSelector } from './sr-selection.ts'

export interface HostAgentOptions {
  /** The host's UUID in the pool's database. */
  readonly host: string
  readonly boot: HostBoot
  readonly srs: readonly SrSelection[]
  /** Volumes that the configuration says should be up (`resource/volume`). */
  readonly configured: readonly string[]
  /** Milliseconds since 1970. */
  readonly now: () => number
  readonly sink: ReportSink
  /** Told of every edge of an SR's state, in order. Must not throw. */
  readonly witness: (sr: string, transition: Transition, status: SrStatus) => void
}

interface WatchedSr {
  readonly fold: SrFold
  readonly pusher: ReportPusher
  readonly ignorePeers: ReadonlySet<string>
}

/**
 * One host's side of the monitor: turns what the kernel says into the state of each SR, and the state into reports.
 *
 * Invariants: an SR is `unknown` until its source has told of every volume, and again from the moment that can no longer
 * be claimed; a volume that is configured and not shown by the kernel is a degraded mirror, never a missing one.
 */
export class HostAgent {
  readonly #options: HostAgentOptions
  readonly #selector: SrSelector
  readonly #mirrors = new HostMirrors()
  readonly #srs = new Map<string, WatchedSr>()
  /** Volumes that the kernel shows. */
  readonly #shown = new Set<string>()
  #seq: number

  constructor(options: HostAgentOptions) {
    this.#options = options
    this.#selector = new SrSelector(options.srs)
    this.#seq = options.boot.firstSeq
    for (const { uuid, ignorePeers } of options.srs) {
      const pusher = new ReportPusher(() => this.#makeReport(uuid), options.sink)
      this.#srs.set(uuid, { fold: new SrFold(options.now()), pusher, ignorePeers: new Set(ignorePeers) })
      pusher.want('transition')
    }
  }

  /** Follows a source until it ends or `signal` is aborted. */
  async follow(source: AsyncIterable<DrbdUpdate>): Promise<void> {
    for await (const update of source) this.apply(update)
  }

  /** Takes in what a source has learnt: all of it, before any SR is judged by it. */
  apply({ at, changed, removed, doubt }: DrbdUpdate): void {
    const changes = changed.map(volume => this.#see(volume, at))
    for (const mirror of removed) {
      this.#shown.delete(mirror)
      const change = this.#mirrors.remove(mirror, at)
      if (change !== null) changes.push(change)
    }
    if (doubt === null) changes.push(...this.#missConfigured(at))
    this.#tell(changes, at, doubt === null ? null : reason('source-silent', '*', { word: doubt }))
  }

  /** Lets time pass: stalls are found, old estimates are dropped. To be called about once a second. */
  tick(): void {
    const now = this.#options.now()
    this.#tell(this.#mirrors.tick(now), now)
  }

  /** The report of an SR as of now: the answer to a poll. `null` if this host does not watch that SR. */
  report(sr: string): Report | null {
    return this.#srs.has(sr) ? this.#makeReport(sr) : null
  }

  async close(): Promise<void> {
    await Promise.all([...this.#srs.values()].map(({ pusher }) => pusher.close()))
  }

  #see(volume: DrbdVolume, at: number): MirrorChange {
    this.#shown.add(volume.mirror)
    const judgement = judgeDrbdVolume(this.#counted(volume))
    // The events of DRBD 8.4 carry no progress, so there silence proves nothing.
    return this.#mirrors.observe({ judgement, at, silenceMeansStall: volume.family === '9' })
  }

  /** Without the peers that are no part of the redundancy of any SR this volume belongs to. */
  #counted(volume: DrbdVolume): DrbdVolume {
    const srs = this.#selector.srsOf(volume.mirror).flatMap(uuid => this.#srs.get(uuid) ?? [])
    const ignored = (peer: string) => srs.length > 0 && srs.every(({ ignorePeers }) => ignorePeers.has(peer))
    return { ...volume, peers: volume.peers.filter(({ peer }) => !ignored(peer)) }
  }

  #missConfigured(at: number): MirrorChange[] {
    return this.#options.configured
      .filter(mirror => !this.#shown.has(mirror) && this.#mirrors.get(mirror) === null)
      .map(mirror => this.#mirrors.observe({ judgement: notUp(mirror), at, silenceMeansStall: false }))
  }

  /** Hands each SR the changes of its mirrors. @param doubt what is doubted from now on; absent: what was before */
  #tell(changes: readonly MirrorChange[], at: number, doubt?: Reason | null): void {
    const bySr = new Map<string, MirrorChange[]>()
    for (const change of changes) {
      for (const uuid of this.#selector.srsOf(change.mirror)) {
        const ofSr = bySr.get(uuid)
        if (ofSr === undefined) bySr.set(uuid, [change])
        else ofSr.push(change)
      }
    }
    for (const [uuid, { fold, pusher }] of this.#srs) {
      const ofSr = bySr.get(uuid) ?? []
      const edges = fold.apply(ofSr, at, doubt)
      if (edges.length > 0) {
        const status = fold.status(this.#mirrors, at)
        for (const edge of edges) this.#options.witness(uuid, edge, status)
        pusher.want('transition')
      } else if (ofSr.length > 0) pusher.want('news')
    }
  }

  #makeReport(uuid: string): Report {
    const sr = this.#srs.get(uuid)
    if (sr === undefined) throw new Error(`SR ${uuid} is not watched`)
    const now = this.#options.now()
    const status = sr.fold.status(this.#mirrors, now)
    this.#seq += 1
    return {
      schema: 1,
      host: this.#options.host,
      sr: uuid,
      bootId: this.#options.boot.id,
      seq: this.#seq,
      at: new Date(now).toISOString(),
      ...status,
      since: new Date(status.since).toISOString(),
    }
  }
}

/** A volume that should be there and that the kernel does not show: after a boot, before anything was brought up. */
function notUp(mirror: string): Judgement {
  return {
    mirror,
    backend: 'drbd',
    state: 'degraded',
    activity: 'none',
    moving: false,
    progress: null,
    doneBytes: null,
    totalBytes: null,
    outOfSyncBytes: null,
    etaSeconds: null,
    replicas: { expected: 2, current: 0 },
    reasons: [reason('not-up', mirror)],
  }
}
