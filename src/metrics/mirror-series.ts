import { Gauge, type Registry } from 'prom-client'
import type { TrackedMirror } from '../sync-query/history/tracked-mirror.ts'
import type { SyncState } from '../sync-query/state.ts'
import { labelValue, setOrRemove } from './series-value.ts'

/** A mirror in one of its SRs. */
export interface MirrorOfSr {
  /** UUID of the SR. */
  readonly sr: string
  readonly mirror: Pick<TrackedMirror, 'mirror' | 'state' | 'stalled' | 'judgement'>
}

const FIGURES = ['outOfSyncBytes', 'progress', 'etaSeconds', 'stalled'] as const
type Figure = (typeof FIGURES)[number]

/** The values of the series of one mirror; `null`: the series does not exist. */
type Figures = Readonly<Record<Figure, number | null>> & { readonly state: SyncState | null }

const NO_FIGURES: Figures = { state: null, outOfSyncBytes: null, progress: null, etaSeconds: null, stalled: null }

interface Shown {
  readonly labels: { readonly sr: string; readonly mirror: string }
  readonly figures: Figures
}

/** By SR, then by name. A combined key would be built for thousands of mirrors at each scrape. */
type ShownMirrors = ReadonlyMap<string, ReadonlyMap<string, Shown>>

/** The order in which mirrors get series if there are too many: those that need an operator come first. */
const RANKS = ['unknown', 'degraded', 'stalled', 'resyncing'] as const
type Rank = (typeof RANKS)[number]

/**
 * Series of single mirrors, only for mirrors that are not synced, at most `maxMirrors`: rendering blocks the event loop for 4 ms per
 * 1 000 series, and a pool that loses a host has thousands of mirrors that are not synced.
 */
export class MirrorSeries {
  #shown: ShownMirrors = new Map()
  readonly #notSynced: Gauge<'sr' | 'mirror' | 'state'>
  readonly #gauges: Readonly<Record<Figure, Gauge<'sr' | 'mirror'>>>
  readonly #omitted: Gauge

  constructor(registry: Registry) {
    const registers = [registry]
    const ofMirror = (name: string, help: string) =>
      new Gauge({ name: `resync_monitor_mirror_${name}`, help, labelNames: ['sr', 'mirror'], registers })
    this.#notSynced = new Gauge({
      name: 'resync_monitor_mirror_not_synced',
      help: '1 while the mirror is not synced. The series of a mirror exist only while it is not synced, for at most metrics.maxMirrors mirrors.',
      labelNames: ['sr', 'mirror', 'state'],
      registers,
    })
    this.#gauges = {
      outOfSyncBytes: ofMirror('out_of_sync_bytes', 'Bytes that differ between the replicas. Absent while not known.'),
      progress: ofMirror('resync_progress_ratio', 'Progress of the resync, 0 to 1. Absent while not known.'),
      etaSeconds: ofMirror('resync_eta_seconds', 'Estimated seconds until the resync ends. Absent while not known.'),
      stalled: ofMirror('resync_stalled', '1 while the resync makes no progress. Absent otherwise.'),
    }
    this.#omitted = new Gauge({
      name: 'resync_monitor_mirrors_omitted',
      help: 'Mirrors that are not synced and have no series of their own.',
      registers,
    })
  }

  /** @param all every mirror that is not synced, in each of its SRs */
  set(all: Iterable<MirrorOfSr>, maxMirrors: number): void {
    const { chosen, omitted } = this.#choose(all, maxMirrors)
    const before = this.#shown
    this.#shown = shownAfter(before, chosen)
    for (const [sr, ofSr] of before) {
      for (const [name, { labels, figures }] of ofSr) {
        if (this.#shown.get(sr)?.has(name) !== true) this.#change(labels, figures, NO_FIGURES)
      }
    }
    for (const [sr, ofSr] of this.#shown) {
      for (const [name, { labels, figures }] of ofSr) {
        this.#change(labels, before.get(sr)?.get(name)?.figures ?? NO_FIGURES, figures)
      }
    }
    this.#omitted.set(omitted)
  }

  /** Among mirrors of equal rank, those that already have series keep them: series that come and go give no line in a graph. */
  #choose(
    all: Iterable<MirrorOfSr>,
    maxMirrors: number,
  ): { readonly chosen: readonly MirrorOfSr[]; readonly omitted: number } {
    const byRank = { unknown: noneYet(), degraded: noneYet(), stalled: noneYet(), resyncing: noneYet() }
    let count = 0
    for (const each of all) {
      const rank = rankOf(each)
      if (rank === null) continue
      count += 1
      const isShown = this.#shown.get(each.sr)?.has(each.mirror.mirror) === true
      const list = isShown ? byRank[rank].shown : byRank[rank].others
      if (list.length < maxMirrors) list.push(each)
    }
    const chosen = RANKS.flatMap(rank => [...byRank[rank].shown, ...byRank[rank].others]).slice(0, maxMirrors)
    return { chosen, omitted: count - chosen.length }
  }

  #change(labels: Shown['labels'], before: Figures, after: Figures): void {
    if (before.state !== after.state) {
      if (before.state !== null) this.#notSynced.remove({ ...labels, state: before.state })
      if (after.state !== null) this.#notSynced.set({ ...labels, state: after.state }, 1)
    }
    for (const figure of FIGURES) {
      if (before[figure] !== after[figure]) setOrRemove(this.#gauges[figure], labels, after[figure])
    }
  }
}

function noneYet(): { readonly shown: MirrorOfSr[]; readonly others: MirrorOfSr[] } {
  return { shown: [], others: [] }
}

function rankOf({ mirror: { state, stalled } }: MirrorOfSr): Rank | null {
  if (state === 'synced') return null
  return state === 'resyncing' && stalled ? 'stalled' : state
}

function shownAfter(before: ShownMirrors, chosen: readonly MirrorOfSr[]): ShownMirrors {
  const bySr = new Map<string, Map<string, Shown>>()
  for (const { sr, mirror } of chosen) {
    const ofSr = bySr.get(sr) ?? new Map<string, Shown>()
    const name = mirror.mirror
    const labels = before.get(sr)?.get(name)?.labels ?? { sr: labelValue(sr), mirror: labelValue(name) }
    bySr.set(sr, ofSr.set(name, { labels, figures: figuresOf(mirror) }))
  }
  return bySr
}

function figuresOf({ state, stalled, judgement }: MirrorOfSr['mirror']): Figures {
  const { outOfSyncBytes, progress, etaSeconds } = judgement
  // The figures of an unknown mirror are old.
  if (state === 'unknown') return { ...NO_FIGURES, state }
  // The progress of a degraded array may be that of a check.
  if (state !== 'resyncing') return { ...NO_FIGURES, state, outOfSyncBytes }
  return { state, outOfSyncBytes, progress, etaSeconds, stalled: stalled ? 1 : null }
}
