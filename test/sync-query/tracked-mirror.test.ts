import t from 'tap'
import type { Judgement } from '../../src/sync-query/judgement.ts'
import { progressBeforeEnd } from '../../src/sync-query/judgement.ts'
import { age, DEFAULT_PATIENCE, type TrackedMirror, track } from '../../src/sync-query/tracked-mirror.ts'
import { transitionKind } from '../../src/sync-query/transition.ts'
import { look as lookAt } from './look.ts'

const MIB = 1024 * 1024
const MINUTE = 60_000

const look = (codes: Parameters<typeof lookAt>[1], figures?: Partial<Judgement>) => lookAt('r0/0', codes, figures)

/** Feeds looks one after the other; the time of each is its key in milliseconds. */
function story(looks: readonly (readonly [number, Judgement])[], silenceMeansStall = true) {
  let mirror: TrackedMirror | null = null
  const kinds: string[] = []
  for (const [at, judgement] of looks) {
    const tracked = track(mirror, { judgement, at, silenceMeansStall }, DEFAULT_PATIENCE)
    mirror = tracked.mirror
    kinds.push(...tracked.transitions.map(each => each.kind))
  }
  if (mirror === null) throw new Error('a story needs a look')
  return { mirror, kinds }
}

const running = (outMib: number | null, figures: Partial<Judgement> = {}) =>
  look(['resync-running'], { outOfSyncBytes: outMib === null ? null : outMib * MIB, ...figures })
const synced = look([], { outOfSyncBytes: 0 })

t.test('the edge between two states', async t => {
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

t.test('a resync that was seen to begin is seen to end, whatever this host sees in between', async t => {
  const elsewhere = look(['peer-disk-not-up-to-date'])
  const { kinds } = story([
    [0, synced],
    [1, running(5)],
    [2, elsewhere],
    [3, synced],
    [4, elsewhere],
    [5, synced],
    [6, running(5)],
    [7, look(['source-silent'])],
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

t.test('a progress that is no number is not known, and none is complete before the end', async t => {
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

t.test('a resync from start to finish: two edges, progress of what had to be copied', async t => {
  const { mirror, kinds } = story([
    [0, synced],
    [1000, look(['resync-starting'], { outOfSyncBytes: 100 * MIB })],
    [2000, running(100)],
    [5000, running(60)],
  ])
  t.strictSame(kinds, ['resync-started'])
  t.match(mirror.judgement, { progress: 0.4, doneBytes: 40 * MIB, totalBytes: 100 * MIB })
  t.equal(mirror.since, 1000)
  const end = track(mirror, { judgement: synced, at: 9000, silenceMeansStall: true }, DEFAULT_PATIENCE)
  t.strictSame(end.transitions, [{ at: 9000, kind: 'resync-finished', from: 'resyncing', to: 'synced' }])
  t.equal(end.mirror.judgement.progress, null)
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
  const start = story([
    [0, running(100)],
    [MINUTE, running(90)],
  ]).mirror
  t.equal(age(start, 6 * MINUTE - 1, DEFAULT_PATIENCE).mirror.stalled, false)
  const stalled = age(start, 6 * MINUTE, DEFAULT_PATIENCE)
  t.same(stalled.transitions, [{ at: 6 * MINUTE, kind: 'stalled', from: 'resyncing', to: 'resyncing' }])
  t.match(stalled.mirror.judgement.reasons, [{ code: 'resync-stalled', clearedBy: 'operator' }])
  t.equal(stalled.mirror.judgement.state, 'resyncing')
  t.strictSame(age(stalled.mirror, 7 * MINUTE, DEFAULT_PATIENCE).transitions, [], 'said once')
  const { mirror } = track(
    stalled.mirror,
    { judgement: running(80), at: 8 * MINUTE, silenceMeansStall: true },
    DEFAULT_PATIENCE,
  )
  t.equal(mirror.stalled, false, 'and taken back when data moves again')
})

t.test(
  'a source without progress (events of DRBD 8.4) stalls only when a second look finds the same figure',
  async t => {
    const quiet = story([[0, running(100)]], false).mirror
    t.equal(age(quiet, 60 * MINUTE, DEFAULT_PATIENCE).mirror.stalled, false)
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
  const { mirror } = story([[0, look(['resync-starting'])]])
  t.equal(age(mirror, MINUTE, DEFAULT_PATIENCE).mirror.judgement.reasons[0]?.code, 'resync-stalled')
  const behind = story([[0, look(['peer-behind'])]]).mirror
  t.equal(age(behind, MINUTE, DEFAULT_PATIENCE).mirror.judgement.reasons[0]?.code, 'resync-stalled')
})

t.test('waiting and paused resyncs stand still by design: not stalled, and a pause is told once', async t => {
  const waiting = story([[0, look(['resync-waiting'])]]).mirror
  t.equal(age(waiting, 60 * MINUTE, DEFAULT_PATIENCE).mirror.stalled, false)
  const { kinds } = story([
    [0, running(10)],
    [10, look(['resync-paused', 'peer-not-connected'])],
    [20, look(['resync-paused'])],
    [30, running(10)],
    [40, look(['resync-paused'])],
  ])
  t.strictSame(kinds, ['resync-started', 'paused', 'paused'])
  const both = story([[0, look(['resync-running', 'peer-not-connected'])]]).mirror
  t.match(
    age(both, 60 * MINUTE, DEFAULT_PATIENCE).mirror.judgement.reasons.map(each => each.code),
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
  t.equal(age(mirror, 23_000, DEFAULT_PATIENCE).mirror.judgement.etaSeconds, 45)
  t.equal(age(mirror, 23_001, DEFAULT_PATIENCE).mirror.judgement.etaSeconds, null)
})

t.test('a source that falls silent in mid resync: unknown, and what was known of the resync is kept', async t => {
  const { mirror, kinds } = story([
    [0, running(100)],
    [1000, running(40)],
    [2000, look(['source-silent'], { outOfSyncBytes: null })],
  ])
  t.match(mirror.judgement, { state: 'unknown', progress: null })
  const back = track(mirror, { judgement: running(30), at: 3000, silenceMeansStall: true }, DEFAULT_PATIENCE)
  t.match(back.mirror.judgement, { progress: 0.7, totalBytes: 100 * MIB })
  t.strictSame([...kinds, ...back.transitions.map(each => each.kind)], ['resync-started', 'unknown', 'resync-started'])
})

t.test(
  'what a verify found stays a warning until it was really repaired (DRBD 9.2 and 9.3 lose it on reconnect)',
  async t => {
    const verifying = (mib: number) => look(mib > 0 ? ['drift'] : [], { activity: 'verify', outOfSyncBytes: mib * MIB })
    const drift = look(['drift'], { outOfSyncBytes: 12 * MIB })
    const away = look(['peer-not-connected'], { outOfSyncBytes: 0 })
    const lost: [number, Judgement][] = [
      [0, verifying(0)],
      [10, verifying(12)],
      [15, verifying(4)],
      [20, drift],
      [30, away],
      [40, synced],
    ]
    const unrepaired = story(lost).mirror
    t.match(unrepaired.judgement.reasons, [{ code: 'verify-unrepaired', outOfSyncBytes: 12 * MIB }])
    t.equal(unrepaired.judgement.state, 'synced', 'shown, not blocking')
    t.strictSame(story([...lost, [50, running(12)], [60, synced]]).mirror.judgement.reasons, [], 'a resync repairs it')
    t.strictSame(
      story([...lost, [50, verifying(0)], [60, synced]]).mirror.judgement.reasons,
      [],
      'a clean verify clears it',
    )
    t.equal(
      story([...lost, [50, look([], { activity: 'verify' })], [60, synced]]).mirror.judgement.reasons.length,
      0,
      'a verify without figures counts as it says nothing',
    )
  },
)
