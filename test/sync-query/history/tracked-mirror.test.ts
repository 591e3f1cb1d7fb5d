import t from 'tap'
import { ReasonOutlines } from '../../../src/sync-query/history/reason-outline.ts'
import { SharedByMirrors } from '../../../src/sync-query/history/shared-by-mirrors.ts'
import { TrackedMirror } from '../../../src/sync-query/history/tracked-mirror.ts'
import { type Judgement, progressBeforeEnd } from '../../../src/sync-query/judge/judgement.ts'
import { type Placement, Placements } from '../../../src/sync-query/judge/placement.ts'
import { reason } from '../../../src/sync-query/reason/reason.ts'
import type { Transition } from '../../../src/sync-query/transition.ts'
import { transitionKind } from '../../../src/sync-query/transition.ts'
import { judgementWith as judgementOf } from '../judgement-with.ts'

const MIB = 1024 * 1024
const MINUTE = 60_000

const judgementWith = (codes: Parameters<typeof judgementOf>[1], figures?: Partial<Judgement>) =>
  judgementOf('r0/0', codes, figures)

type Readings = readonly (readonly [number, Judgement])[]

/** Observes readings one after the other; the first element of each is its time in milliseconds. */
function track(readings: Readings, silenceMeansStall = true) {
  const mirror = new TrackedMirror('r0/0', new SharedByMirrors())
  const observe = (more: Readings) =>
    more.flatMap(([at, judgement]) => mirror.observe({ judgement, at, silenceMeansStall }))
  return { mirror, observe, kinds: kindsOf(observe(readings)) }
}

function kindsOf(transitions: readonly Transition[]) {
  return transitions.map(({ kind }) => kind)
}

const running = (outMib: number | null, figures: Partial<Judgement> = {}) =>
  judgementWith(['resync-running'], { outOfSyncBytes: outMib === null ? null : outMib * MIB, ...figures })
const synced = judgementWith([], { outOfSyncBytes: 0 })

t.test('the transition between two states', async t => {
  const edges: [Parameters<typeof transitionKind>, ReturnType<typeof transitionKind>][] = [
    [[null, 'synced', false], null],
    [[null, 'resyncing', true], 'resync-started'],
    [['synced', 'synced', false], null],
    [['synced', 'resyncing', true], 'resync-started'],
    [['resyncing', 'synced', true], 'resync-finished'],
    [['resyncing', 'degraded', true], 'degraded'],
    [['degraded', 'synced', false], 'recovered'],
    [['degraded', 'synced', true], 'resync-finished'],
    [['unknown', 'synced', false], 'recovered'],
    [['synced', 'unknown', false], 'unknown'],
  ]
  for (const [edge, kind] of edges) t.equal(transitionKind(...edge), kind, `${edge.join(' -> ')}: ${kind}`)
})

t.test('a resync is finished when the mirror is in sync again, also after other states in between', async t => {
  const elsewhere = judgementWith(['peer-disk-not-up-to-date'])
  const { kinds } = track([
    [0, synced],
    [1, running(5)],
    [2, elsewhere],
    [3, synced],
    [4, elsewhere],
    [5, synced],
    [6, running(5)],
    [7, judgementWith(['source-silent'])],
    [8, synced],
  ])
  t.strictSame(kinds, [
    'resync-started',
    'degraded',
    'resync-finished',
    'degraded',
    'recovered',
    'resync-started',
    'unknown',
    'resync-finished',
  ])
})

t.test('progress that is not a number is unknown; progress never reaches 1 before the end', async t => {
  t.strictSame([null, Number.NaN, Number.POSITIVE_INFINITY, -0.1, 0.5, 1, 7].map(progressBeforeEnd), [
    null,
    null,
    null,
    0,
    0.5,
    0.999,
    0.999,
  ])
})

t.test('a resync has two transitions, and its progress counts the amount to copy', async t => {
  const { mirror, observe, kinds } = track([
    [0, synced],
    [1000, judgementWith(['resync-starting'], { outOfSyncBytes: 100 * MIB })],
    [2000, running(100)],
    [5000, running(60)],
  ])
  t.strictSame(kinds, ['resync-started'])
  t.match(mirror.judgement, { progress: 0.4, doneBytes: 40 * MIB, totalBytes: 100 * MIB })
  t.equal(mirror.since, 1000)
  t.strictSame(observe([[9000, synced]]), [{ at: 9000, kind: 'resync-finished', from: 'resyncing', to: 'synced' }])
  t.equal(mirror.judgement.progress, null)
})

t.test('when a resync grows, the progress is based on the largest amount observed and never falls', async t => {
  const { mirror } = track([
    [0, running(12)],
    [1000, running(6)],
    [2000, running(60)],
    [3000, running(45)],
  ])
  t.match(mirror.judgement, { progress: 0.5, totalBytes: 60 * MIB, doneBytes: 15 * MIB })
})

t.test('a resync with nothing to copy has no progress rather than NaN', async t => {
  const { mirror } = track([
    [0, running(0)],
    [10, running(0)],
  ])
  t.equal(mirror.judgement.progress, null)
})

t.test("the kernel's own percentage and totals are preferred", async t => {
  const { mirror } = track([
    [0, running(null)],
    [10, running(null, { progress: 0.25 })],
    [20, running(30, { progress: 0.7, totalBytes: 100 * MIB, doneBytes: 70 * MIB })],
    [30, running(null, { progress: 0.6 })],
  ])
  t.match(mirror.judgement, { progress: 0.7, totalBytes: 100 * MIB, doneBytes: null })
})

t.test('a resync is stalled when its amount does not fall for five minutes', async t => {
  const { mirror, observe } = track([
    [0, running(100)],
    [MINUTE, running(90)],
  ])
  t.strictSame(mirror.age(6 * MINUTE - 1), [])
  t.equal(mirror.stalled, false)
  t.strictSame(mirror.age(6 * MINUTE), [{ at: 6 * MINUTE, kind: 'stalled', from: 'resyncing', to: 'resyncing' }])
  t.match(mirror.judgement.reasons, [{ code: 'resync-stalled', clearedBy: 'operator' }])
  t.equal(mirror.judgement.state, 'resyncing')
  t.strictSame(mirror.age(7 * MINUTE), [], 'the transition is returned once')
  observe([[8 * MINUTE, running(80)]])
  t.equal(mirror.stalled, false, 'the stall ends when data moves again')
  t.match(mirror.judgement.reasons, [{ code: 'resync-running', clearedBy: 'time' }])
})

t.test('a clock that is set back neither ends nor delays a stall', async t => {
  const HOUR = 60 * MINUTE
  const { mirror, observe } = track([[HOUR, running(100)]])
  mirror.age(HOUR + 4 * MINUTE)
  mirror.age(0)
  t.equal(mirror.stalled, false)
  t.match(mirror.age(MINUTE), [{ kind: 'stalled' }], 'four minutes before the change of the clock and one after it')
  t.strictSame(mirror.age(-HOUR), [])
  t.equal(mirror.stalled, true)
  observe([[-HOUR, running(90)]])
  t.equal(mirror.stalled, false)
  observe([[-2 * HOUR, running(90)]])
  t.match(mirror.age(-2 * HOUR + 5 * MINUTE), [{ kind: 'stalled' }])
})

t.test(
  'with a source without progress (events of DRBD 8.4) a stall needs a second reading with the same amount',
  async t => {
    const quiet = track([[0, running(100)]], false).mirror
    quiet.age(60 * MINUTE)
    t.equal(quiet.stalled, false)
    const { mirror } = track(
      [
        [0, running(100)],
        [5 * MINUTE, running(100)],
      ],
      false,
    )
    t.equal(mirror.stalled, true)
  },
)

t.test('a handshake that lasts a minute is stalled (LINBIT/linstor-server#190)', async t => {
  const { mirror } = track([[0, judgementWith(['resync-starting'])]])
  mirror.age(MINUTE - 1)
  t.equal(mirror.reasons[0]?.code, 'resync-starting')
  mirror.age(MINUTE)
  t.equal(mirror.reasons[0]?.code, 'resync-stalled')
})

t.test('waiting and paused resyncs are not stalled; a pause is one transition', async t => {
  const waiting = track([[0, judgementWith(['resync-waiting'])]]).mirror
  waiting.age(60 * MINUTE)
  t.equal(waiting.stalled, false)
  const { kinds } = track([
    [0, running(10)],
    [10, judgementWith(['resync-paused', 'peer-not-connected'])],
    [20, judgementWith(['resync-paused'])],
    [30, running(10)],
    [40, judgementWith(['resync-paused'])],
  ])
  t.strictSame(kinds, ['resync-started', 'paused', 'paused'])
  const both = track([[0, judgementWith(['resync-running', 'peer-not-connected'])]]).mirror
  both.age(60 * MINUTE)
  t.strictSame(
    both.reasons.map(each => each.code),
    ['resync-stalled', 'peer-not-connected'],
    'only the resync that does not move is stalled',
  )
})

t.test('an old estimate is not shown: after a link failure the kernel keeps the last one', async t => {
  const { mirror } = track([
    [0, running(100, { etaSeconds: 50 })],
    [3000, running(90, { etaSeconds: 45 })],
  ])
  t.equal(mirror.judgement.etaSeconds, 45)
  mirror.age(23_000)
  t.equal(mirror.judgement.etaSeconds, 45)
  mirror.age(23_001)
  t.equal(mirror.judgement.etaSeconds, null)
})

t.test(
  'a source that falls silent during a resync makes the mirror unknown and keeps the figures of the resync',
  async t => {
    const { mirror, observe, kinds } = track([
      [0, running(100)],
      [1000, running(40)],
      [2000, judgementWith(['source-silent'], { outOfSyncBytes: null })],
    ])
    t.match(mirror.judgement, { state: 'unknown', progress: null })
    const back = observe([[3000, running(30)]])
    t.match(mirror.judgement, { progress: 0.7, totalBytes: 100 * MIB })
    t.strictSame([...kinds, ...kindsOf(back)], ['resync-started', 'unknown', 'resync-started'])
  },
)

t.test('`pauseAt` names the connection that an operator paused', async t => {
  const { mirror, observe } = track([
    [0, judgementWith([reason('resync-paused', 'r0/0', { peer: 'b' }), 'pause-left-set'])],
  ])
  t.equal(mirror.pauseAt, 'r0/0 peer b')
  observe([[1, judgementWith(['resync-running', 'pause-left-set'])]])
  t.equal(mirror.pauseAt, 'r0/0')
  observe([[2, judgementWith(['resync-running'])]])
  t.equal(mirror.pauseAt, null)
})

t.test('repeated readings of a synced mirror change only its replicas', async t => {
  const { mirror, observe, kinds } = track([[0, synced]])
  const replicas = { expected: 3, current: 3 }
  const placement = { quorum: true, replicas: [{ peer: 'self', current: true }] }
  t.strictSame([...kinds, ...observe([[1, synced]]), ...observe([[2, { ...synced, replicas, placement }]])], [])
  t.strictSame(mirror.judgement, { ...synced, replicas, placement })
  t.equal(mirror.since, 0)
  t.strictSame(
    kindsOf(
      observe([
        [3, judgementWith(['stand-alone'])],
        [4, synced],
        [5, synced],
      ]),
    ),
    ['degraded', 'recovered'],
  )
  t.equal(mirror.since, 4)
  const drained = { outOfSyncBytes: 0, totalBytes: 8, doneBytes: 8 }
  for (const almost of [
    judgementWith(['drift']),
    judgementWith([], { etaSeconds: 1 }),
    judgementWith([], drained),
    judgementWith([], { moving: true }),
  ]) {
    observe([
      [6, synced],
      [7, almost],
    ])
    t.strictSame(mirror.judgement, almost, 'every other judgement is kept in full')
  }
})

t.test('returned objects never change, and no object of a reading is kept', async t => {
  const resyncAt = (progress: number) =>
    judgementWith([
      reason('resync-running', 'r0/0', { peer: 'b', progress, outOfSyncBytes: 100 - 100 * progress }),
      'drift',
    ])
  const first = resyncAt(0.1)
  const { mirror, observe } = track([[0, first]])
  const { judgement } = mirror
  const copy = structuredClone(judgement)
  observe([[1, resyncAt(0.2)]])
  t.match(mirror.reasons, [{ progress: 0.2, outOfSyncBytes: 80 }, { code: 'drift' }])
  t.strictSame(judgement, copy)
  t.strictSame(first, resyncAt(0.1))
  Object.assign(mirror.reasons[0] ?? {}, { peer: 'c' })
  t.match(mirror.reasons, [{ peer: 'b' }, { code: 'drift' }])
})

t.test(
  'the progress in a reason never falls while its state word stays; the amount left is that of the last reading',
  async t => {
    const resyncAt = (progress: number, word: string) =>
      judgementWith([
        reason('resync-running', 'r0/0', { peer: 'b', word, progress, outOfSyncBytes: 100 - 100 * progress }),
      ])
    const { mirror, observe } = track([[0, resyncAt(0.5, 'SyncSource')]])
    observe([[1, resyncAt(0.25, 'SyncSource')]])
    t.match(mirror.reasons, [{ progress: 0.5, outOfSyncBytes: 75 }])
    observe([[2, resyncAt(0.75, 'SyncSource')]])
    t.match(mirror.reasons, [{ progress: 0.75 }])
    observe([[3, resyncAt(0.125, 'SyncTarget')]])
    t.match(mirror.reasons, [{ progress: 0.125 }], 'another resync')
    observe([[4, judgementWith([])]])
    observe([[5, resyncAt(0, 'SyncTarget')]])
    t.match(mirror.reasons, [{ progress: 0 }], 'the next resync')
  },
)

t.test('reasons are those of the last reading, whichever field changed', async t => {
  const base = { peer: 'b', word: 'SyncSource', field: 'replication', side: 'source', progress: 0.5 } as const
  const outdated = { peer: 'self', word: 'Outdated' }
  const variants = [
    reason('resync-running', 'r0/0', base),
    reason('resync-waiting', 'r0/0', base),
    reason('resync-running', 'r0/0', { ...base, clearedBy: 'operator' }),
    reason('resync-running', 'r0/0', { ...base, peer: 'c' }),
    reason('resync-running', 'r0/0', { ...base, word: 'SyncTarget' }),
    reason('resync-running', 'r0/0', { ...base, field: 'sync_action' }),
    reason('resync-running', 'r0/0', { ...base, side: 'target' }),
    reason('resync-running', 'r0/0', { ...base, missing: 1 }),
    reason('resync-running', 'r0/0', { ...base, waitsFor: 'r1/0' }),
    reason('resync-running', 'r0/0', { ...base, outOfSyncBytes: 0 }),
    reason('resync-running', 'r0/0', { peer: 'b' }),
    reason('no-current-replica', 'r0/0'),
    reason('no-current-replica', 'r0/0', { candidates: [outdated] }),
    reason('no-current-replica', 'r0/0', { candidates: [outdated, { peer: 'b', word: 'Outdated' }] }),
    reason('no-current-replica', 'r0/0', { candidates: [outdated, { peer: 'b', word: 'Inconsistent' }] }),
    reason('no-current-replica', 'r0/0', { candidates: [outdated, { peer: 'c', word: 'Outdated' }] }),
    reason('no-current-replica', 'r0/0', {
      candidates: [outdated, { peer: 'b', word: 'Outdated', outOfSyncBytes: 5 }],
    }),
  ]
  for (const from of variants) {
    for (const to of variants) {
      const { mirror } = track([
        [0, judgementWith([from])],
        [1, judgementWith(['drift', from])],
        [2, judgementWith(['drift', to])],
        [3, judgementWith([to])],
      ])
      t.strictSame(mirror.reasons, [to])
    }
  }
})

t.test('equal placements are one object; a reading without a placement removes it', async t => {
  const shared = new SharedByMirrors()
  const placed = (placement: Placement) => ({ ...synced, placement })
  const here = (...replicas: Placement['replicas']): Placement => ({ quorum: true, replicas })
  const self = { peer: 'self', current: true }
  const different = [
    here(self, { peer: 'b', current: true }),
    here(self, { peer: 'b', current: false }),
    here(self, { peer: 'b', current: false, diskless: true }),
    here(self, { peer: 'b', current: true, connected: true }),
    here(self, { peer: 'b', current: false, connected: true }),
    here(self, { peer: 'b', current: false, connected: true, diskless: true }),
    here(self, { peer: 'b', current: false, diskless: true, votes: false }),
    here(self, { peer: 'b', current: false, connected: true, diskless: true, votes: false }),
    here(self, { peer: 'c', current: true }),
    here(self, { peer: 'b', current: true }, { peer: 'c', current: true }),
    here(self),
    { ...here(self), quorum: false },
    here({ peer: '', current: true }, { peer: '+1:b', current: true }),
    here({ peer: '+4:+1:b', current: true }),
  ]
  const mirrors = [1, 2].map(() => new TrackedMirror('r0/0', shared))
  for (const placement of [...different, ...different]) {
    for (const mirror of mirrors) {
      mirror.observe({ judgement: placed(structuredClone(placement)), at: 0, silenceMeansStall: true })
      t.strictSame(mirror.placement, placement)
    }
    t.equal(mirrors[0]?.placement, mirrors[1]?.placement)
  }
  mirrors[0]?.observe({ judgement: synced, at: 1, silenceMeansStall: true })
  t.equal(mirrors[0]?.placement, null)
  t.strictSame(mirrors[1]?.judgement.placement, different.at(-1))
})

t.test(
  'tables of shared objects are bounded when peers and words keep changing; returned objects stay valid',
  async t => {
    const outlines = new ReasonOutlines()
    const away = (peer: string, word: string) => [reason('peer-not-connected', 'r0/0', { peer, word })]
    const first = outlines.intern(away('b', 'Connecting'))
    t.equal(outlines.intern(away('b', 'Connecting')), first)
    for (let count = 0; count < 64; count += 1) outlines.intern(away('b', `word ${count}`))
    const second = outlines.intern(away('b', 'Connecting'))
    t.not(second, first)
    for (let count = 0; count < 4096; count += 1) outlines.intern(away(`peer ${count}`, 'Connecting'))
    t.not(outlines.intern(away('b', 'Connecting')), second)
    for (const outline of [first, second]) t.strictSame(outline.examples, away('b', 'Connecting'))

    const placements = new Placements()
    const on = (peer: string) => ({ quorum: true, replicas: [{ peer, current: true }] })
    const placement = placements.intern(on('b'))
    t.equal(placements.intern(on('b')), placement)
    for (let count = 0; count < 65_537; count += 1) placements.intern(on(`peer ${count}`))
    t.not(placements.intern(on('b')), placement)
    t.strictSame(placement, on('b'))
  },
)
