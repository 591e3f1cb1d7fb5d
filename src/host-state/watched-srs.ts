import type { BackendName } from '../sync-query/backend-name.ts'
import type { HostMirrors } from '../sync-query/history/host-mirrors.ts'
import type { Reason } from '../sync-query/reason/reason.ts'
import type { Report } from '../sync-query/report/report.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { BackendView } from './backend-view.ts'
import { type HostChanges, NO_CHANGES, type SrTransition, type StaleReport } from './host-changes.ts'
import type { Places } from './places.ts'
import type { SrSelection } from './sr-selection.ts'
import type { Step } from './step.ts'
import { isWorse, statusDuring, WatchedSr } from './watched-sr.ts'

/** One boot of a host's kernel. */
export interface HostBoot {
  /** /proc/sys/kernel/random/boot_id */
  readonly id: string
  /**
   * Where the sequence numbers of a daemon that starts now begin: milliseconds since the boot. So the numbers rise over restarts
   * of the daemon within one boot without being stored, and a step of the wall clock does no harm.
   */
  readonly firstSeq: number
}

export interface WatchedSrsOptions {
  /** The host's UUID in the pool's database. */
  readonly host: string
  readonly boot: HostBoot
  readonly mirrors: HostMirrors
  readonly places: Pick<Places, 'get'>
  readonly views: Readonly<Record<BackendName, BackendView>>
}

/** The SRs of one host: judges them after each step and numbers their reports. */
export class WatchedSrs {
  readonly #options: WatchedSrsOptions
  readonly #byUuid = new Map<string, WatchedSr>()
  /** By UUID of the SR: reports with this `seq` or a higher one are of the SR's present state. */
  readonly changedSeqs = new Map<string, number>()
  #seq: number

  constructor(options: WatchedSrsOptions) {
    this.#options = options
    this.#seq = options.boot.firstSeq
  }

  get byUuid(): ReadonlyMap<string, WatchedSr> {
    return this.#byUuid
  }

  /** Replaces the SRs, or the patterns of SRs that stay. @returns UUIDs */
  select(selections: readonly SrSelection[], now: number): { readonly added: string[]; readonly removed: string[] } {
    const selected = new Set(selections.map(({ uuid }) => uuid))
    const removed = [...this.#byUuid.keys()].filter(uuid => !selected.has(uuid))
    for (const uuid of removed) {
      this.#byUuid.delete(uuid)
      this.changedSeqs.delete(uuid)
    }
    const added: string[] = []
    for (const selection of selections) {
      const known = this.#byUuid.get(selection.uuid)
      if (known !== undefined) known.reselect(selection)
      else {
        this.#byUuid.set(selection.uuid, new WatchedSr(selection, now))
        added.push(selection.uuid)
      }
    }
    return { added, removed }
  }

  /** Judges each SR once, after all changes of a step. @param absence why an SR lacks mirrors; `null`: it does not */
  judge(step: Step, absence: (sr: WatchedSr) => Reason | null, at: number): HostChanges {
    const { views } = this.#options
    let transitions: SrTransition[] | null = null
    let staleReports: StaleReport[] | null = null
    for (const [sr, watched] of this.byUuid) {
      const changes = step.of(watched)
      const { doubtNeedsOperator } = watched.fold
      const edges = watched.apply(changes, views, absence, at)
      let isUrgent = step.isStale(sr)
      let isStale = isUrgent
      if (edges.length > 0) {
        this.changedSeqs.set(sr, this.#seq + 1)
        const status = this.status(watched, at)
        transitions ??= []
        for (const transition of edges) {
          transitions.push({ sr, transition, status: statusDuring(status, transition, changes) })
        }
        isStale = true
        isUrgent = true
      } else if (changes.some(isWorse)) {
        // By its present report the pool may allow operations on the host that now has the last good copy.
        this.changedSeqs.set(sr, this.#seq + 1)
        isStale = true
        isUrgent = watched.mayHurry(at) || isUrgent
      } else if (changes.length > 0 || watched.fold.doubtNeedsOperator !== doubtNeedsOperator) isStale = true
      if (!isStale) continue
      staleReports ??= []
      staleReports.push(isUrgent ? watched.staleNow : watched.staleLater)
    }
    if (transitions === null && staleReports === null) return NO_CHANGES
    return { transitions: transitions ?? [], staleReports: staleReports ?? [], memoryChanges: [], rejudge: [] }
  }

  status(sr: WatchedSr, now: number): SrStatus {
    const { mirrors, places } = this.#options
    const listed = mirrors.mirrorsWithReasons().filter(({ mirror }) => places.get(mirror)?.srs.includes(sr) === true)
    return sr.fold.status(mirrors.reasonsOf(listed, now))
  }

  /** A report of the SR's state at `now`, with the next number. */
  report(sr: WatchedSr, now: number): Report {
    const { host, boot } = this.#options
    const status = this.status(sr, now)
    this.#seq += 1
    return {
      schema: 1,
      host,
      sr: sr.uuid,
      bootId: boot.id,
      seq: this.#seq,
      at: new Date(now).toISOString(),
      ...status,
      since: new Date(status.since).toISOString(),
      ...(status.state === 'unknown' ? {} : { listSeq: sr.listSeq(this.#seq) }),
    }
  }
}
