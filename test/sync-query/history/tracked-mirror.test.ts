import t from 'tap'
import { ReasonOutlines } from '../../../src/sync-query/history/reason-outline.ts'
import { SharedByMirrors } from '../../../src/sync-query/history/shared-by-mirrors.ts'
import { TrackedMirror } from '../../../src/sync-query/history/tracked-mirror.ts'
import type { Judgement } from '../../../src/sync-query/judge/judgement.ts'
import { progressBeforeEnd } from '../../../src/sync-query/judge/judgement.ts'
import { type Placement, Placements } from '../../../src/sync-query/judge/placement.ts'
import { reason } from '../../../src/sync-query/reason/reason.ts'
import type { Transition } from '../../../src/sync-query/transition.ts'
import { transitionKind } from '../../../src/sync-query/transition.ts'
import { judgementWith as judgementOf } from '../judgement-with.ts'

const MIB = 1024 * 1024
const MINUTE = 60_000

const judgementWith = (codes: Parameters<typeof judgementOf>[1], figures?: Partial<Judgement>) =>
  judgementOf('r0/0', codes, figures)

type Looks = readonly (readonly [number, Judgement])[]

/** Feeds looks one after the other; the time of each is its key in milliseconds. */
function story(looks: Looks, silenceMeansStall = true) {
  const mirror = new TrackedMirror('r0/0', new SharedByMirrors())
  const observe = (more: Looks) =>
    more.flatMap(([at, judgement]) => mirror.observe({ judgement, at, silenceMeansStall }))
  return { mirror, observe, kinds: kindsOf(observe(looks)) }
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

t.test(
  'a resync that began is finished when the mirror is in sync again, whatever this host observed in between',
  async t => {
    const elsewhere = judgementWith(['peer-disk-not-up-to-date'])
    const { kinds } = story([
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
  },
)

t.test('a progress that is not a number is unknown; progress never reaches 1 before the end', async t => {
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

t.test('a resync from start to finish: two transitions, and progress of the amount to copy', async t => {
  const { mirror, observe, kinds } = story([
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

t.test('a resync that grows: the base is the largest amount seen, what is shown never falls', async t => {
  const { mirror } = story([
    [0, running(12)],
    [1000, running(6)],
    [2000, running(60)],
    [3000, running(45)],
  ])
  t.match(mirror.judgement, { progress: 0.5, totalBytes: 60 * MIB, doneBytes: 15 * MIB })
})

t.test('a resync with nothing to copy has no progress rather than NaN', async t => {
  const { mirror } = story([
    [0, running(0)],
    [10, running(0)],
  ])
  t.equal(mirror.judgement.progress, null)
})

t.test("the kernel's own percentage and totals are preferred", async t => {
  const { mirror } = story([
    [0, running(null)],
    [10, running(null, { progress: 0.25 })],
    [20, running(30, { progress: 0.7, totalBytes: 100 * MIB, doneBytes: 70 * MIB })],
    [30, running(null, { progress: 0.6 })],
  ])
  t.match(mirror.judgement, { progress: 0.7, totalBytes: 100 * MIB, doneBytes: null })
})

t.test('stalled: bytes that do not fall for five minutes', async t => {
  const { mirror, observe } = story([
    [0, running(100)],
    [MINUTE, running(90)],
  ])
  t.strictSame(mirror.age(6 * MINUTE - 1), [])
  t.equal(mirror.stalled, false)
  t.strictSame(mirror.age(6 * MINUTE), [{ at: 6 * MINUTE, kind: 'stalled', from: 'resyncing', to: 'resyncing' }])
  t.match(mirror.judgement.reasons, [{ code: 'resync-stalled', clearedBy: 'operator' }])
  t.equal(mirror.judgement.state, 'resyncing')
  t.strictSame(mirror.age(7 * MINUTE), [], 'said once')
  observe([[8 * MINUTE, running(80)]])
  t.equal(mirror.stalled, false, 'and taken back when data moves again')
  t.match(mirror.judgement.reasons, [{ code: 'resync-running', clearedBy: 'time' }])
})

t.test('a clock that is set back neither ends a stall nor puts one off', async t => {
  const HOUR = 60 * MINUTE
  const { mirror, observe } = story([[HOUR, running(100)]])
  mirror.age(HOUR + 4 * MINUTE)
  mirror.age(0)
  t.equal(mirror.stalled, false)
  t.match(mirror.age(MINUTE), [{ kind: 'stalled' }], 'four minutes before, one after')
  t.strictSame(mirror.age(-HOUR), [])
  t.equal(mirror.stalled, true)
  observe([[-HOUR, running(90)]])
  t.equal(mirror.stalled, false)
  observe([[-2 * HOUR, running(90)]])
  t.match(mirror.age(-2 * HOUR + 5 * MINUTE), [{ kind: 'stalled' }])
})

t.test(
  'a source without progress (events of DRBD 8.4) stalls only when a second look finds the same figure',
  async t => {
    const quiet = story([[0, running(100)]], false).mirror
    quiet.age(60 * MINUTE)
    t.equal(quiet.stalled, false)
    const { mirror } = story(
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
  const { mirror } = story([[0, judgementWith(['resync-starting'])]])
  mirror.age(MINUTE - 1)
  t.equal(mirror.reasons[0]?.code, 'resync-starting')
  mirror.age(MINUTE)
  t.equal(mirror.reasons[0]?.code, 'resync-stalled')
})

t.test('waiting and paused resyncs are not stalled; a pause is one transition', async t => {
  const waiting = story([[0, judgementWith(['resync-waiting'])]]).mirror
  waiting.age(60 * MINUTE)
  t.equal(waiting.stalled, false)
  const { kinds } = story([
    [0, running(10)],
    [10, judgementWith(['resync-paused', 'peer-not-connected'])],
    [20, judgementWith(['resync-paused'])],
    [30, running(10)],
    [40, judgementWith(['resync-paused'])],
  ])
  t.strictSame(kinds, ['resync-started', 'paused', 'paused'])
  const both = story([[0, judgementWith(['resync-running', 'peer-not-connected'])]]).mirror
  both.age(60 * MINUTE)
  t.strictSame(
    both.reasons.map(each => each.code),
    ['resync-stalled', 'peer-not-connected'],
    'only the part that stands still is called stalled',
  )
})

t.test('an estimate is not shown once it is old: after a cut link the last one stays for ever', async t => {
  const { mirror } = story([
    [0, running(100, { etaSeconds: 50 })],
    [3000, running(90, { etaSeconds: 45 })],
  ])
  t.equal(mirror.judgement.etaSeconds, 45)
  mirror.age(23_000)
  t.equal(mirror.judgement.etaSeconds, 45)
  mirror.age(23_001)
  t.equal(mirror.judgement.etaSeconds, null)
})

t.test('a source that falls silent in mid resync: unknown, and what was known of the resync is kept', async t => {
  const { mirror, observe, kinds } = story([
    [0, running(100)],
    [1000, running(40)],
    [2000, judgementWith(['source-silent'], { outOfSyncBytes: null })],
  ])
  t.match(mirror.judgement, { state: 'unknown', progress: null })
  const back = observe([[3000, running(30)]])
  t.match(mirror.judgement, { progress: 0.7, totalBytes: 100 * MIB })
  t.strictSame([...kinds, ...kindsOf(back)], ['resync-started', 'unknown', 'resync-started'])
})

t.test('the place of an operator’s pause', async t => {
  const { mirror, observe } = story([
    [0, judgementWith([reason('resync-paused', 'r0/0', { peer: 'b' }), 'pause-left-set'])],
  ])
  t.equal(mirror.pauseAt, 'r0/0 peer b')
  observe([[1, judgementWith(['resync-running', 'pause-left-set'])]])
  t.equal(mirror.pauseAt, 'r0/0')
  observe([[2, judgementWith(['resync-running'])]])
  t.equal(mirror.pauseAt, null)
})

t.test('repeated readings of a synced mirror change only its replicas', async t => {
  const { mirror, observe, kinds } = story([[0, synced]])
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
    t.strictSame(mirror.judgement, almost, 'of anything else nothing is lost')
  }
})

t.test('returned objects never change, and no object of a reading is kept', async t => {
  const said = (progress: number) =>
    judgementWith([
      reason('resync-running', 'r0/0', { peer: 'b', progress, outOfSyncBytes: 100 - 100 * progress }),
      'drift',
    ])
  const first = said(0.1)
  const { mirror, observe } = story([[0, first]])
  const { judgement } = mirror
  const copy = structuredClone(judgement)
  observe([[1, said(0.2)]])
  t.match(mirror.reasons, [{ progress: 0.2, outOfSyncBytes: 80 }, { code: 'drift' }])
  t.strictSame(judgement, copy)
  t.strictSame(first, said(0.1))
  Object.assign(mirror.reasons[0] ?? {}, { peer: 'c' })
  t.match(mirror.reasons, [{ peer: 'b' }, { code: 'drift' }])
})

t.test(
  'the progress in a reason never falls while the same is said; what is left to copy is what was said last',
  async t => {
    const said = (progress: number, word: string) =>
      judgementWith([
        reason('resync-running', 'r0/0', { peer: 'b', word, progress, outOfSyncBytes: 100 - 100 * progress }),
      ])
    const { mirror, observe } = story([[0, said(0.5, 'SyncSource')]])
    observe([[1, said(0.25, 'SyncSource')]])
    t.match(mirror.reasons, [{ progress: 0.5, outOfSyncBytes: 75 }])
    observe([[2, said(0.75, 'SyncSource')]])
    t.match(mirror.reasons, [{ progress: 0.75 }])
    observe([[3, said(0.125, 'SyncTarget')]])
    t.match(mirror.reasons, [{ progress: 0.125 }], 'another resync')
    observe([[4, judgementWith([])]])
    observe([[5, said(0, 'SyncTarget')]])
    t.match(mirror.reasons, [{ progress: 0 }], 'the next resync')
  },
)

t.test('reasons are those of the last reading, whichever part of them changed', async t => {
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
      const { mirror } = story([
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
  'peers and words that keep changing fill no table: what was handed out stays right, and is shared no more',
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
