import t from 'tap'
import { AgentMetrics, type AgentSnapshot } from '../../src/metrics/agent-metrics.ts'
import { HostMirrors } from '../../src/sync-query/history/host-mirrors.ts'
import type { Judgement } from '../../src/sync-query/judge/judgement.ts'
import { type Reason, reason } from '../../src/sync-query/reason/reason.ts'
import { SrFold, type SrStatus } from '../../src/sync-query/sr-state/sr-fold.ts'
import type { SyncState } from '../../src/sync-query/state.ts'
import type { TransitionKind } from '../../src/sync-query/transition.ts'
import { figures, parseExposition } from './parse-exposition.ts'

const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const GIB = 2 ** 30
const NO_REASONS = { reasons: [] }

function status(state: SyncState, more: Partial<SrStatus> = {}): SrStatus {
  return {
    state,
    since: 1_700_000_000_500,
    mirrors: { unknown: 0, degraded: 0, resyncing: 0, synced: 0, [state]: 3 },
    outOfSyncBytes: 0,
    progress: null,
    etaSeconds: null,
    reasons: [],
    ...more,
  }
}

function judgement(mirror: string, state: SyncState, more: Partial<Judgement> = {}): Judgement {
  const isResyncing = state === 'resyncing'
  return {
    mirror,
    backend: 'drbd',
    state,
    activity: isResyncing ? 'resync' : 'none',
    moving: isResyncing,
    progress: isResyncing ? 0.25 : null,
    doneBytes: isResyncing ? GIB : null,
    totalBytes: isResyncing ? 4 * GIB : null,
    outOfSyncBytes: isResyncing ? 3 * GIB : 0,
    etaSeconds: isResyncing ? 60 : null,
    replicas: { expected: 2, current: 1 },
    reasons: isResyncing ? [reason('resync-running', mirror)] : [],
    ...more,
  }
}

/** A host with one SR that has the mirrors passed to `show`. */
class Host {
  readonly mirrors = new HostMirrors()
  readonly #shown = new Set<string>()
  statuses = new Map<string, SrStatus>([[SR, status('synced')]])

  show(...judgements: readonly Judgement[]): void {
    for (const each of judgements) {
      this.#shown.add(each.mirror)
      this.mirrors.observe({ judgement: each, at: 1_000, silenceMeansStall: true })
    }
  }

  snapshot(): AgentSnapshot {
    const mirrors = [...this.#shown].flatMap(name => this.mirrors.get(name) ?? [])
    return { srs: this.statuses, notSynced: mirrors.map(mirror => ({ sr: SR, mirror })) }
  }
}

function metricsOf(host: Host, maxMirrors?: () => number): AgentMetrics {
  return new AgentMetrics({
    snapshot: () => ({ ...host.snapshot(), ...(maxMirrors === undefined ? {} : { maxMirrors: maxMirrors() }) }),
  })
}

t.test('before the first reading the state is unknown, and figures are absent instead of 0', async t => {
  const host = new Host()
  host.statuses.set(SR, new SrFold(1_000).status([]))
  const text = await metricsOf(host).render()
  t.strictSame(figures(text, 'resync_monitor_sr_state'), {
    [`${SR} unknown`]: 1,
    [`${SR} degraded`]: 0,
    [`${SR} resyncing`]: 0,
    [`${SR} synced`]: 0,
  })
  t.strictSame(figures(text, 'resync_monitor_source_up'), { drbd: 0, md: 0 })
  t.strictSame(figures(text, 'resync_monitor_sr_out_of_sync_bytes'), {})
  t.strictSame(figures(text, 'resync_monitor_source_last_full_read_timestamp_seconds'), {})
  t.strictSame(figures(text, 'resync_monitor_report_last_pushed_timestamp_seconds'), {})
  t.strictSame(figures(text, 'resync_monitor_sr_reasons'), { [`${SR} source-silent`]: 1 })
})

t.test('every state of an SR has its series', async t => {
  const running = [reason('resync-running', 'a/0')]
  const stalled = [reason('resync-stalled', 'a/0', { peer: 'x' }), reason('resync-stalled', 'a/0', { peer: 'y' })]
  const table: readonly (readonly [string, SrStatus, Readonly<Record<string, number | undefined>>])[] = [
    ['synced', status('synced'), { out_of_sync_bytes: 0, needs_operator: 0, stalled_mirrors: 0 }],
    [
      'I/O that is suspended or made to fail',
      status('synced', { reasons: [reason('io-suspended', 'a/0'), reason('io-failures-forced', 'a/0')] }),
      { io_suspended_mirrors: 1, needs_operator: 0 },
    ],
    [
      'resyncing',
      status('resyncing', { outOfSyncBytes: GIB, progress: 0.5, etaSeconds: 90, reasons: running }),
      { out_of_sync_bytes: GIB, resync_progress_ratio: 0.5, resync_eta_seconds: 90, needs_operator: 0 },
    ],
    [
      'resyncing, without progress',
      status('resyncing', { outOfSyncBytes: null, reasons: running }),
      { out_of_sync_bytes: undefined, resync_progress_ratio: undefined, resync_eta_seconds: undefined },
    ],
    [
      'stalled with two peers, which is one mirror',
      status('resyncing', { outOfSyncBytes: GIB, progress: 0.5, reasons: stalled }),
      { stalled_mirrors: 1, needs_operator: 1, resync_eta_seconds: undefined },
    ],
    ['degraded', status('degraded', { reasons: [reason('split-brain', 'a/0')] }), { needs_operator: 1 }],
    ['a mere warning', status('synced', { reasons: [reason('drift', 'a/0')] }), { needs_operator: 0 }],
    [
      'unknown, with what was known before',
      status('unknown', { outOfSyncBytes: GIB, progress: 0.5, etaSeconds: 90 }),
      { out_of_sync_bytes: undefined, resync_progress_ratio: undefined, resync_eta_seconds: undefined },
    ],
  ]
  const host = new Host()
  const metrics = metricsOf(host)
  for (const [title, its, expected] of table) {
    host.statuses.set(SR, its)
    const text = await metrics.render()
    const states = figures(text, 'resync_monitor_sr_state')
    t.equal(states[`${SR} ${its.state}`], 1, `${title}: its state`)
    t.equal(Object.keys(states).length, 4, `${title}: no state vanishes`)
    t.equal(
      Object.values(states).reduce((sum, each) => sum + each, 0),
      1,
      `${title}: one state`,
    )
    t.equal(figures(text, 'resync_monitor_sr_mirrors')[`${SR} ${its.state}`], 3)
    t.equal(figures(text, 'resync_monitor_sr_state_entered_timestamp_seconds')[SR], 1_700_000_000.5)
    for (const [name, figure] of Object.entries(expected)) {
      t.equal(figures(text, `resync_monitor_sr_${name}`)[SR], figure, `${title}: ${name}`)
    }
  }
  const reasons = figures(await metrics.render(), 'resync_monitor_sr_reasons')
  t.match(reasons, { [`${SR} split-brain`]: 0, [`${SR} resync-stalled`]: 0 }, 'series of codes stay')
})

t.test('an SR that is no longer watched has no series', async t => {
  const host = new Host()
  host.statuses.set(SR, status('resyncing', { progress: 0.5, reasons: [reason('resync-running', 'a/0')] }))
  host.show(judgement('a/0', 'resyncing'))
  const metrics = metricsOf(host)
  metrics.transition(SR, { at: 0, kind: 'resync-started', from: 'synced', to: 'resyncing' }, NO_REASONS)
  metrics.pushArrived(SR, 1_000)
  metrics.pushFailed(SR)
  t.ok((await metrics.render()).includes(SR))
  host.statuses.clear()
  host.show(judgement('a/0', 'synced'))
  t.notOk((await metrics.render()).includes(SR))
})

t.test('resyncs are counted by their outcome', async t => {
  type Edge = readonly [kind: TransitionKind, from: SyncState, to: SyncState]
  const started: Edge = ['resync-started', 'synced', 'resyncing']
  const finished: Edge = ['resync-finished', 'resyncing', 'synced']
  const lost: Edge = ['unknown', 'resyncing', 'unknown']
  const cut: Edge = ['degraded', 'resyncing', 'degraded']
  const again: Edge = ['resync-started', 'degraded', 'resyncing']
  // Transitions are 100 s apart.
  const table: readonly (readonly [string, readonly Edge[], readonly number[]])[] = [
    ['one that ends well', [started, finished], [1, 1, 0, 0, 1, 100]],
    ['two', [started, finished, started, finished], [2, 2, 0, 0, 2, 200]],
    ['one that is still running', [started], [1, 0, 0, 0, 0, 0]],
    [
      'the source is silent meanwhile',
      [started, lost, ['resync-started', 'unknown', 'resyncing'], finished],
      [1, 1, 0, 0, 1, 300],
    ],
    ['interrupted and taken up', [started, cut, again, finished], [1, 1, 1, 0, 1, 300]],
    ['interrupted for good', [started, cut], [1, 0, 1, 0, 0, 0]],
    [
      'interrupted while the source was silent',
      [started, lost, ['degraded', 'unknown', 'degraded']],
      [1, 0, 1, 0, 0, 0],
    ],
    [
      'unknown between degraded and degraded',
      [started, cut, ['unknown', 'degraded', 'unknown'], ['degraded', 'unknown', 'degraded']],
      [1, 0, 1, 0, 0, 0],
    ],
    ['its mirrors were taken out', [started, ['recovered', 'resyncing', 'synced']], [1, 0, 0, 0, 0, 0]],
    ['its beginning was not seen', [['resync-started', 'unknown', 'resyncing'], finished], [1, 1, 0, 0, 0, 0]],
    [
      'stalled and paused',
      [started, ['stalled', 'resyncing', 'resyncing'], ['paused', 'resyncing', 'resyncing'], finished],
      [1, 1, 0, 1, 1, 300],
    ],
    [
      'degraded without a resync',
      [
        ['degraded', 'synced', 'degraded'],
        ['recovered', 'degraded', 'synced'],
      ],
      [0, 0, 0, 0, 0, 0],
    ],
  ]
  for (const [title, edges, expected] of table) {
    const metrics = metricsOf(new Host())
    for (const [index, [kind, from, to]] of edges.entries())
      metrics.transition(SR, { at: index * 100_000, kind, from, to }, NO_REASONS)
    const text = await metrics.render()
    const names = ['started', 'finished', 'aborted', 'stalled'].map(each => `resyncs_${each}_total`)
    const all = [...names, 'resync_duration_seconds_count', 'resync_duration_seconds_sum']
    t.strictSame(
      all.map(name => figures(text, `resync_monitor_${name}`)[SR]),
      expected,
      title,
    )
  }
})

t.test('a resync that continues between two other nodes is not aborted', async t => {
  const elsewhere = reason('peer-disk-not-up-to-date', 'a/0', { peer: 'c', clearedBy: 'time' })
  const table: readonly (readonly [string, readonly Reason[], number])[] = [
    ['two others still copy', [elsewhere, reason('drift', 'b/0')], 0],
    ['the connection is cut', [elsewhere, reason('peer-not-connected', 'a/0')], 1],
    ['that disk stays as it is', [reason('peer-disk-not-up-to-date', 'a/0', { peer: 'c' })], 1],
  ]
  for (const [title, reasons, aborted] of table) {
    const metrics = metricsOf(new Host())
    metrics.transition(SR, { at: 0, kind: 'resync-started', from: 'synced', to: 'resyncing' }, NO_REASONS)
    metrics.transition(SR, { at: 1, kind: 'degraded', from: 'resyncing', to: 'degraded' }, { reasons })
    t.equal(figures(await metrics.render(), 'resync_monitor_resyncs_aborted_total')[SR], aborted, title)
  }
})

t.test('after the clock was set back there is no negative duration', async t => {
  const metrics = metricsOf(new Host())
  metrics.transition(SR, { at: 5_000, kind: 'resync-started', from: 'synced', to: 'resyncing' }, NO_REASONS)
  metrics.transition(SR, { at: 1_000, kind: 'resync-finished', from: 'resyncing', to: 'synced' }, NO_REASONS)
  const text = await metrics.render()
  t.equal(figures(text, 'resync_monitor_resyncs_finished_total')[SR], 1)
  t.equal(figures(text, 'resync_monitor_resync_duration_seconds_count')[SR], 0)
})

t.test('a mirror has series only while it is not synced', async t => {
  const host = new Host()
  const metrics = metricsOf(host)
  const seriesOf = async (mirror: string) => {
    const samples = parseExposition(await metrics.render()).filter(({ labels }) => labels.mirror === mirror)
    return Object.fromEntries(
      samples.map(({ name, labels, value }) => [
        `${name.replace('resync_monitor_mirror_', '')} ${labels.state ?? ''}`.trim(),
        value,
      ]),
    )
  }
  host.show(judgement('a/0', 'synced'), judgement('b/0', 'synced'))
  t.strictSame(await seriesOf('a/0'), {})
  host.show(judgement('a/0', 'resyncing'))
  t.strictSame(await seriesOf('a/0'), {
    'not_synced resyncing': 1,
    out_of_sync_bytes: 3 * GIB,
    resync_progress_ratio: 0.25,
    resync_eta_seconds: 60,
  })
  host.show(
    judgement('a/0', 'resyncing', {
      outOfSyncBytes: null,
      etaSeconds: null,
      reasons: [reason('resync-running', 'a/0')],
    }),
  )
  t.strictSame(await seriesOf('a/0'), { 'not_synced resyncing': 1, resync_progress_ratio: 0.25 })
  host.mirrors.tick(1_000 + 10 * 60_000)
  t.match(await seriesOf('a/0'), { resync_stalled: 1 })
  host.show(judgement('a/0', 'degraded', { activity: 'check', progress: 0.5, outOfSyncBytes: 7 }))
  t.strictSame(await seriesOf('a/0'), { 'not_synced degraded': 1, out_of_sync_bytes: 7 }, 'a check is no resync')
  host.show(judgement('a/0', 'unknown', { outOfSyncBytes: 7 }))
  t.strictSame(await seriesOf('a/0'), { 'not_synced unknown': 1 })
  host.show(judgement('a/0', 'synced'))
  t.strictSame(await seriesOf('a/0'), {})
  t.strictSame(await seriesOf('b/0'), {})
})

t.test(
  'of too many mirrors those in most trouble are shown, and of equal ones those that were shown before',
  async t => {
    const host = new Host()
    let most = 3
    const metrics = metricsOf(host, () => most)
    const shown = async () =>
      Object.keys(figures(await metrics.render(), 'resync_monitor_mirror_not_synced')).map(key =>
        key.split(' ').slice(1).join(' '),
      )
    const omitted = async () => figures(await metrics.render(), 'resync_monitor_mirrors_omitted')['']
    host.show(...['b', 'c', 'd'].map(name => judgement(name, 'resyncing')))
    t.same(await shown(), ['b resyncing', 'c resyncing', 'd resyncing'])
    t.equal(await omitted(), 0)
    host.show(...['a', 'e', 'f'].map(name => judgement(name, 'resyncing')))
    t.same(await shown(), ['b resyncing', 'c resyncing', 'd resyncing'], 'later mirrors do not displace them')
    t.equal(await omitted(), 3)
    host.show(judgement('e', 'degraded'), judgement('f', 'unknown'))
    t.same((await shown()).toSorted(), ['b resyncing', 'e degraded', 'f unknown'])
    t.equal(await omitted(), 3)
    host.show(judgement('e', 'synced'), judgement('f', 'synced'), judgement('b', 'synced'))
    t.same(
      (await shown()).toSorted(),
      ['a resyncing', 'c resyncing', 'd resyncing'],
      'an omitted mirror gets the free place',
    )
    t.equal(await omitted(), 0)
    most = 1
    t.same(await shown(), ['c resyncing'], 'a new limit is valid at the next scrape')
    t.equal(await omitted(), 2)
  },
)

t.test('a mirror of two SRs has series in both', async t => {
  const mirrors = new HostMirrors()
  mirrors.observe({ judgement: judgement('a/0', 'resyncing'), at: 1_000, silenceMeansStall: true })
  const srs = new Map(['one', 'two'].map(sr => [sr, status('resyncing')]))
  const shown = new Set(srs.keys())
  const mirror = mirrors.get('a/0')
  const metrics = new AgentMetrics({
    snapshot: () => ({ srs, notSynced: [...shown].flatMap(sr => (mirror === null ? [] : [{ sr, mirror }])) }),
  })
  const progress = async () => figures(await metrics.render(), 'resync_monitor_mirror_resync_progress_ratio')
  t.strictSame(await progress(), { 'one a/0': 0.25, 'two a/0': 0.25 })
  shown.delete('one')
  t.strictSame(await progress(), { 'two a/0': 0.25 })
})

t.test('unusual names are exported unchanged', async t => {
  const host = new Host()
  const odd = ['back\\slash', 'quo"te', 'new\nline', 'ünï/0', 'a="b",c', 'back\\nslash', '__proto__', '{}', '\r\t ']
  host.show(...odd.map(name => judgement(name, 'resyncing')))
  const metrics = metricsOf(host)
  const names = async () =>
    parseExposition(await metrics.render()).flatMap(({ name, labels }) =>
      name === 'resync_monitor_mirror_not_synced' ? [labels.mirror ?? ''] : [],
    )
  t.strictSame(await names(), odd)
  host.show(...odd.map(name => judgement(name, 'synced')))
  t.strictSame(await names(), [])
  const long = 'x'.repeat(10_000)
  host.show(judgement('nul\0', 'resyncing'), judgement('half \ud83d', 'resyncing'), judgement(long, 'resyncing'))
  t.strictSame(
    await names(),
    ['nul\ufffd', 'half \ufffd', `${'x'.repeat(255)}…`],
    'characters that cannot be exported are replaced',
  )
})

t.test('pushes', async t => {
  const metrics = metricsOf(new Host())
  const figure = async (name: string) => figures(await metrics.render(), `resync_monitor_report_${name}`)
  t.strictSame(await figure('pushes_total'), { [`${SR} arrived`]: 0, [`${SR} failed`]: 0 }, '0 from the start')
  metrics.pushFailed(SR)
  metrics.pushArrived(SR, 2_000)
  t.strictSame(await figure('pushes_total'), { [`${SR} arrived`]: 1, [`${SR} failed`]: 1 })
  t.strictSame(await figure('last_pushed_timestamp_seconds'), { [SR]: 2 })
})

t.test('unwatched storage has a count, and a series for each of the first fifty names', async t => {
  const host = new Host()
  let unwatched: NonNullable<AgentSnapshot['unwatched']> = { drbd: ['scratch', 'vol-1'], md: [] }
  const metrics = new AgentMetrics({ snapshot: () => ({ ...host.snapshot(), unwatched }) })
  const first = await metrics.render()
  t.strictSame(figures(first, 'resync_monitor_unwatched'), { drbd: 2, md: 0 })
  t.strictSame(figures(first, 'resync_monitor_unwatched_info'), { 'drbd scratch': 1, 'drbd vol-1': 1 })
  unwatched = { drbd: Array.from({ length: 5_000 }, (_, index) => `vol-${index}`), md: ['md7'] }
  const second = await metrics.render()
  t.strictSame(figures(second, 'resync_monitor_unwatched'), { drbd: 5_000, md: 1 })
  t.equal(Object.keys(figures(second, 'resync_monitor_unwatched_info')).length, 51)
})
