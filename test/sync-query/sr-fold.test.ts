import fc from 'fast-check'
import t from 'tap'
import { HostMirrors } from '../../src/sync-query/host-mirrors.ts'
import type { Judgement } from '../../src/sync-query/judgement.ts'
import { type ReasonCode, reason } from '../../src/sync-query/reason.ts'
import { SrFold } from '../../src/sync-query/sr-fold.ts'
import { worstState } from '../../src/sync-query/state.ts'
import { look } from './look.ts'

/** One SR that holds every mirror of the host. */
function host() {
  const mirrors = new HostMirrors()
  const sr = new SrFold(0)
  const kinds: string[] = []
  const see = (at: number, judgement: Judgement) => {
    const change = mirrors.observe({ judgement, at, silenceMeansStall: true })
    kinds.push(...sr.apply([change], at).map(each => each.kind))
  }
  const tick = (at: number) => {
    for (const change of mirrors.tick(at)) kinds.push(...sr.apply([change], at).map(each => each.kind))
  }
  return { mirrors, sr, kinds, see, tick }
}

t.test('the worst mirror decides, and no mirror at all is synced', async t => {
  const none = { unknown: 0, degraded: 0, resyncing: 0, synced: 0 }
  t.equal(worstState(none), 'synced')
  t.equal(worstState({ ...none, synced: 9 }), 'synced')
  t.equal(worstState({ ...none, synced: 9, resyncing: 1 }), 'resyncing')
  t.equal(worstState({ ...none, resyncing: 1, degraded: 1 }), 'degraded')
  t.equal(worstState({ unknown: 1, degraded: 1, resyncing: 1, synced: 1 }), 'unknown')
})

t.test('unknown until everything was looked at, and again when that can no longer be claimed', async t => {
  const { mirrors, sr, kinds, see } = host()
  see(1, look('a/0', []))
  t.match(sr.status(mirrors, 1), { state: 'unknown', reasons: [{ code: 'source-silent', mirror: '*' }] })
  sr.setDoubt(null, 2)
  t.match(sr.status(mirrors, 2), { state: 'synced', since: 2, reasons: [], mirrors: { synced: 1 } })
  const edges = sr.setDoubt(reason('events-lost', '*', { word: 'exit 20' }), 3)
  t.same(edges, [{ at: 3, kind: 'unknown', from: 'synced', to: 'unknown' }])
  t.match(sr.status(mirrors, 3), { state: 'unknown', since: 3, reasons: [{ code: 'events-lost', word: 'exit 20' }] })
  t.strictSame(kinds, [], 'that it is unknown at first is no news')
})

t.test('one SR, two resyncs: one start, one finish, and a progress that never falls when the first ends', async t => {
  const { mirrors, sr, kinds, see } = host()
  see(0, look('a/0', []))
  see(0, look('b/0', []))
  kinds.push(...sr.setDoubt(null, 0).map(each => each.kind))
  const running = (name: string, out: number, total: number, etaSeconds: number | null) =>
    look(name, ['resync-running'], { outOfSyncBytes: out, totalBytes: total, doneBytes: total - out, etaSeconds })
  see(1, running('a/0', 100, 100, 10))
  see(2, running('b/0', 300, 300, null))
  t.match(sr.status(mirrors, 2), { state: 'resyncing', since: 1, progress: 0, outOfSyncBytes: 400, etaSeconds: null })
  see(3, running('b/0', 200, 300, 30))
  see(3, running('a/0', 50, 100, 5))
  t.match(sr.status(mirrors, 3), { progress: 150 / 400, outOfSyncBytes: 250, etaSeconds: 30 })
  see(4, look('a/0', []))
  t.match(sr.status(mirrors, 4), { progress: 200 / 400, outOfSyncBytes: 200, mirrors: { synced: 1, resyncing: 1 } })
  see(4, look('c/0', ['resync-running']))
  t.match(
    sr.status(mirrors, 4),
    { progress: 200 / 400, outOfSyncBytes: null, etaSeconds: null },
    'shown until it is known better',
  )
  see(5, look('c/0', []))
  see(5, look('b/0', []))
  t.match(sr.status(mirrors, 5), { state: 'synced', progress: null, outOfSyncBytes: 0, etaSeconds: null })
  t.strictSame(kinds, ['recovered', 'resync-started', 'resync-finished'])
})

t.test('a mirror that goes away takes its sums along', async t => {
  const { mirrors, sr, see } = host()
  sr.setDoubt(null, 0)
  see(1, look('a/0', ['resync-running'], { outOfSyncBytes: 7, totalBytes: 9, doneBytes: 2 }))
  const change = mirrors.remove('a/0', 2)
  if (change === null) throw new Error('it was there')
  t.same(
    sr.apply([change], 2).map(each => each.kind),
    ['resync-finished'],
  )
  t.equal(mirrors.remove('a/0', 3), null)
  t.equal(mirrors.get('a/0'), null)
  t.match(sr.status(mirrors, 3), {
    state: 'synced',
    outOfSyncBytes: 0,
    mirrors: { unknown: 0, degraded: 0, resyncing: 0, synced: 0 },
  })
})

t.test('stalled and paused are told once an SR, however many mirrors stand still', async t => {
  const { mirrors, sr, kinds, see, tick } = host()
  sr.setDoubt(null, 0)
  see(0, look('a/0', ['resync-running'], { outOfSyncBytes: 5 }))
  see(0, look('b/0', ['resync-running'], { outOfSyncBytes: 5 }))
  tick(1000)
  tick(300_000)
  tick(301_000)
  see(302_000, look('c/0', ['resync-paused']))
  see(303_000, look('d/0', ['resync-paused']))
  t.strictSame(kinds, ['resync-started', 'stalled', 'paused'])
  t.equal(mirrors.size, 4)
  t.strictSame([...mirrors.names()], ['a/0', 'b/0', 'c/0', 'd/0'])
})

t.test('reasons: what needs an operator first, warnings last; vanished mirrors give none', async t => {
  const { mirrors, sr, see } = host()
  sr.setDoubt(null, 0)
  see(1, look('a/0', ['drift']))
  see(1, look('b/0', ['resync-running']))
  see(1, look('c/0', ['stand-alone']))
  t.strictSame(
    sr.status(mirrors, 1).reasons.map(each => each.code),
    ['stand-alone', 'resync-running', 'drift'],
  )
  mirrors.remove('c/0', 2)
  t.strictSame(
    sr.status(mirrors, 2).reasons.map(each => each.code),
    ['resync-running', 'drift'],
  )
})

t.test(
  'a resync that waits for a dependency while none runs needs an operator, who is told where (seen on 9.2.18)',
  async t => {
    const waiting = look('pair/0', [reason('resync-waiting', 'pair/0', { word: 'peer,dependency' })])
    const byPeer = look('other/0', [reason('resync-waiting', 'other/0', { word: 'peer' })])
    const wordless = look('third/0', ['resync-waiting'])
    const codes = (h: ReturnType<typeof host>, at: number) =>
      h.sr.status(h.mirrors, at).reasons.map(each => [each.mirror, each.clearedBy, each.waitsFor])

    const h = host()
    h.sr.setDoubt(null, 0)
    h.see(0, look('mesh0/0', ['resync-running']))
    h.see(1, waiting)
    h.see(1, byPeer)
    h.see(1, wordless)
    t.strictSame(codes(h, 90_000)[1], ['pair/0', 'time', undefined], 'its turn will come')
    h.see(100_000, look('mesh0/0', [reason('pause-left-set', 'mesh0/0', { peer: 'charlie' })]))
    t.strictSame(codes(h, 129_999)[0], ['pair/0', 'time', undefined], 'a gap between two resyncs is no alarm')
    t.strictSame(codes(h, 130_000), [
      ['pair/0', 'operator', 'mesh0/0 peer charlie'],
      ['other/0', 'time', undefined],
      ['third/0', 'time', undefined],
      ['mesh0/0', 'operator', undefined],
    ])
    h.see(140_000, look('mesh0/0', []))
    t.strictSame(codes(h, 140_000)[0], ['pair/0', 'operator', undefined])
    h.see(150_000, look('mesh0/0', ['resync-paused']))
    t.strictSame(codes(h, 150_000)[0]?.[2], 'mesh0/0')
  },
)

t.test('property: the sums are what a walk over all mirrors gives, whatever happened', async t => {
  const codes: ReasonCode[] = ['resync-running', 'resync-paused', 'stand-alone', 'unknown-word', 'drift']
  const step = fc.record({
    mirror: fc.constantFrom('a/0', 'b/0', 'c/0', 'd/0'),
    code: fc.option(fc.constantFrom(...codes)),
    out: fc.option(fc.nat(100)),
    gone: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const mirrors = new HostMirrors()
      const sr = new SrFold(0)
      sr.setDoubt(null, 0)
      let shown = 0
      steps.forEach(({ mirror, code, out, gone }, index) => {
        const at = index * 40_000
        const judgement = look(mirror, code === null ? [] : [code], { outOfSyncBytes: out })
        const change = gone
          ? mirrors.remove(mirror, at)
          : mirrors.observe({ judgement, at, silenceMeansStall: index % 2 === 0 })
        if (change !== null) sr.apply([change], at)
        for (const each of mirrors.tick(at)) sr.apply([each], at)
        const status = sr.status(mirrors, at)
        const walked = { unknown: 0, degraded: 0, resyncing: 0, synced: 0 }
        let sum: number | null = 0
        for (const name of mirrors.names()) {
          const seen = mirrors.get(name)
          if (seen === null) throw new Error('named but not there')
          walked[seen.judgement.state] += 1
          if (seen.judgement.state !== 'resyncing') continue
          sum = sum === null || seen.judgement.outOfSyncBytes === null ? null : sum + seen.judgement.outOfSyncBytes
        }
        t.strictSame(status.mirrors, walked)
        t.equal(status.state, worstState(walked))
        t.equal(status.outOfSyncBytes, sum)
        if (status.progress !== null) {
          if (status.progress >= 1) throw new Error('complete before the end')
          if (status.progress < shown) throw new Error('progress fell')
        }
        shown = status.progress ?? 0
      })
    }),
    { numRuns: 60 },
  )
})
