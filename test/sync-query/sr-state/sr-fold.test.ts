import fc from 'fast-check'
import t from 'tap'
import { HostMirrors, type ShareChange } from '../../../src/sync-query/history/host-mirrors.ts'
import type { Judgement } from '../../../src/sync-query/judge/judgement.ts'
import { type ReasonCode, reason } from '../../../src/sync-query/reason/reason.ts'
import { SrFold } from '../../../src/sync-query/sr-state/sr-fold.ts'
import { worstState } from '../../../src/sync-query/state.ts'
import { judgementWith } from '../judgement-with.ts'
import { statusOf } from './status-of.ts'

/** One SR that holds every mirror of the host. */
function host() {
  const mirrors = new HostMirrors()
  const sr = new SrFold(0)
  const kinds: string[] = []
  const observe = (at: number, judgement: Judgement) => {
    const change = mirrors.observe({ judgement, at, silenceMeansStall: true })
    kinds.push(...sr.apply([change], at).map(each => each.kind))
  }
  const tick = (at: number) => {
    for (const change of mirrors.tick(at)) kinds.push(...sr.apply([change], at).map(each => each.kind))
  }
  return { mirrors, sr, kinds, observe, tick }
}

t.test('the worst mirror decides the state; an SR without mirrors is synced', async t => {
  const none = { unknown: 0, degraded: 0, resyncing: 0, synced: 0 }
  t.equal(worstState(none), 'synced')
  t.equal(worstState({ ...none, synced: 9 }), 'synced')
  t.equal(worstState({ ...none, synced: 9, resyncing: 1 }), 'resyncing')
  t.equal(worstState({ ...none, resyncing: 1, degraded: 1 }), 'degraded')
  t.equal(worstState({ unknown: 1, degraded: 1, resyncing: 1, synced: 1 }), 'unknown')
})

t.test('an SR is unknown until all mirrors were read, and again when the source falls silent', async t => {
  const { mirrors, sr, kinds, observe } = host()
  observe(1, judgementWith('a/0', []))
  t.match(statusOf(sr, mirrors, 1), { state: 'unknown', reasons: [{ code: 'source-silent', mirror: '*' }] })
  sr.apply([], 2, null)
  t.match(statusOf(sr, mirrors, 2), { state: 'synced', since: 2, reasons: [], mirrors: { synced: 1 } })
  const edges = sr.apply([], 3, reason('events-lost', '*', { word: 'exit 20' }))
  t.same(edges, [{ at: 3, kind: 'unknown', from: 'synced', to: 'unknown' }])
  t.match(statusOf(sr, mirrors, 3), { state: 'unknown', since: 3, reasons: [{ code: 'events-lost', word: 'exit 20' }] })
  t.strictSame(kinds, [], 'the first unknown state is no transition')
})

t.test(
  'two resyncs of one SR have one start, one finish, and progress that does not fall when the first one ends',
  async t => {
    const { mirrors, sr, kinds, observe } = host()
    observe(0, judgementWith('a/0', []))
    observe(0, judgementWith('b/0', []))
    kinds.push(...sr.apply([], 0, null).map(each => each.kind))
    const running = (name: string, out: number, total: number, etaSeconds: number | null) =>
      judgementWith(name, ['resync-running'], {
        outOfSyncBytes: out,
        totalBytes: total,
        doneBytes: total - out,
        etaSeconds,
      })
    observe(1, running('a/0', 100, 100, 10))
    observe(2, running('b/0', 300, 300, null))
    t.match(statusOf(sr, mirrors, 2), {
      state: 'resyncing',
      since: 1,
      progress: 0,
      outOfSyncBytes: 400,
      etaSeconds: null,
    })
    observe(3, running('b/0', 200, 300, 30))
    observe(3, running('a/0', 50, 100, 5))
    t.match(statusOf(sr, mirrors, 3), { progress: 150 / 400, outOfSyncBytes: 250, etaSeconds: 30 })
    observe(4, judgementWith('a/0', []))
    t.match(statusOf(sr, mirrors, 4), {
      progress: 200 / 400,
      outOfSyncBytes: 200,
      mirrors: { synced: 1, resyncing: 1 },
    })
    observe(4, judgementWith('c/0', ['resync-running']))
    t.match(
      statusOf(sr, mirrors, 4),
      { progress: 200 / 400, outOfSyncBytes: null, etaSeconds: null },
      'the last progress is shown until a new one is known',
    )
    observe(5, judgementWith('c/0', []))
    observe(5, judgementWith('b/0', []))
    t.match(statusOf(sr, mirrors, 5), { state: 'synced', progress: null, outOfSyncBytes: 0, etaSeconds: null })
    t.strictSame(kinds, ['recovered', 'resync-started', 'resync-finished'])
  },
)

t.test('repeated readings of synced mirrors change nothing', async t => {
  const { mirrors, sr, kinds, observe } = host()
  sr.apply([], 0, null)
  const well = judgementWith('a/0', [], { outOfSyncBytes: 0 })
  for (const at of [1, 2, 3]) observe(at, well)
  observe(4, { ...well, mirror: 'b/0' })
  t.match(statusOf(sr, mirrors, 5), { state: 'synced', since: 0, mirrors: { synced: 2 }, reasons: [] })
  t.strictSame(kinds, [])
})

t.test('a removed mirror is subtracted from the sums', async t => {
  const { mirrors, sr, observe } = host()
  sr.apply([], 0, null)
  observe(1, judgementWith('a/0', ['resync-running'], { outOfSyncBytes: 7, totalBytes: 9, doneBytes: 2 }))
  const change = mirrors.remove('a/0', 2)
  if (change === null) throw new Error('the mirror exists')
  t.same(
    sr.apply([change], 2).map(each => each.kind),
    ['resync-finished'],
  )
  t.equal(mirrors.remove('a/0', 3), null)
  t.equal(mirrors.get('a/0'), null)
  t.match(statusOf(sr, mirrors, 3), {
    state: 'synced',
    outOfSyncBytes: 0,
    mirrors: { unknown: 0, degraded: 0, resyncing: 0, synced: 0 },
  })
})

t.test('an SR has one stalled and one paused transition for any number of mirrors', async t => {
  const { mirrors, sr, kinds, observe, tick } = host()
  sr.apply([], 0, null)
  observe(0, judgementWith('a/0', ['resync-running'], { outOfSyncBytes: 5 }))
  observe(0, judgementWith('b/0', ['resync-running'], { outOfSyncBytes: 5 }))
  tick(1000)
  tick(300_000)
  tick(301_000)
  observe(302_000, judgementWith('c/0', ['resync-paused']))
  observe(303_000, judgementWith('d/0', ['resync-paused']))
  t.strictSame(kinds, ['resync-started', 'stalled', 'paused'])
  t.equal(mirrors.size, 4)
  t.strictSame([...mirrors.names()], ['a/0', 'b/0', 'c/0', 'd/0'])
})

t.test('an SR that stalls before and after its clock is set back has two stalled transitions', async t => {
  const { sr, kinds, observe, tick } = host()
  sr.apply([], 0, null)
  const running = (outOfSyncBytes: number) => judgementWith('a/0', ['resync-running'], { outOfSyncBytes })
  observe(1_000_000, running(5))
  tick(1_300_000)
  tick(2_000)
  observe(3_000, running(4))
  tick(303_000)
  t.strictSame(kinds, ['resync-started', 'stalled', 'stalled'])
})

t.test('reasons are sorted: operator first, warnings last; removed mirrors have none', async t => {
  const { mirrors, sr, observe } = host()
  sr.apply([], 0, null)
  observe(1, judgementWith('a/0', ['drift']))
  observe(1, judgementWith('b/0', ['resync-running']))
  observe(1, judgementWith('c/0', ['stand-alone']))
  t.strictSame(
    statusOf(sr, mirrors, 1).reasons.map(each => each.code),
    ['stand-alone', 'resync-running', 'drift'],
  )
  observe(1, judgementWith('d/0', ['no-current-replica']))
  t.strictSame(
    statusOf(sr, mirrors, 1).reasons.map(each => each.code),
    ['no-current-replica', 'stand-alone', 'resync-running', 'drift'],
    'a mirror without any current replica comes first',
  )
  mirrors.remove('d/0', 2)
  mirrors.remove('c/0', 2)
  t.strictSame(
    statusOf(sr, mirrors, 2).reasons.map(each => each.code),
    ['resync-running', 'drift'],
  )
})

t.test(
  'a resync that waits for a dependency while none runs needs an operator; the reason names the place (observed on 9.2.18)',
  async t => {
    const waiting = judgementWith('pair/0', [reason('resync-waiting', 'pair/0', { word: 'peer,dependency' })])
    const byPeer = judgementWith('other/0', [reason('resync-waiting', 'other/0', { word: 'peer' })])
    const byNamedPeer = judgementWith('fourth/0', [
      reason('resync-waiting', 'fourth/0', { word: 'peer', peer: 'bravo' }),
    ])
    const wordless = judgementWith('third/0', ['resync-waiting'])
    const codes = (h: ReturnType<typeof host>, at: number) =>
      statusOf(h.sr, h.mirrors, at).reasons.map(each => [each.mirror, each.clearedBy, each.waitsFor])

    const h = host()
    h.sr.apply([], 0, null)
    h.observe(0, judgementWith('mesh0/0', ['resync-running']))
    h.observe(1, waiting)
    h.observe(1, byPeer)
    h.observe(1, wordless)
    h.observe(1, byNamedPeer)
    t.strictSame(codes(h, 90_000)[1], ['pair/0', 'time', undefined], 'another resync runs, so the wait ends by itself')
    h.observe(100_000, judgementWith('mesh0/0', [reason('pause-left-set', 'mesh0/0', { peer: 'charlie' })]))
    t.strictSame(
      codes(h, 129_999)[0],
      ['pair/0', 'time', undefined],
      'a short gap between two resyncs does not need an operator',
    )
    t.strictSame(codes(h, 130_000), [
      ['pair/0', 'operator', 'mesh0/0 peer charlie'],
      ['fourth/0', 'operator', 'bravo'],
      ['other/0', 'time', undefined],
      ['third/0', 'time', undefined],
      ['mesh0/0', 'operator', undefined],
    ])
    h.observe(140_000, judgementWith('mesh0/0', []))
    t.strictSame(codes(h, 140_000)[0], ['pair/0', 'operator', undefined])
    h.observe(150_000, judgementWith('mesh0/0', ['resync-paused']))
    t.strictSame(codes(h, 150_000)[0]?.[2], 'mesh0/0')
  },
)

t.test('removing a mirror from an SR by configuration does not end its resync', async t => {
  const { mirrors, sr, kinds, observe } = host()
  const other = new SrFold(0)
  other.apply([], 0, null)
  sr.apply([], 0, null)
  const running = (name: string, done: number) =>
    judgementWith(name, ['resync-running'], { outOfSyncBytes: 100 - done, totalBytes: 100, doneBytes: done })
  observe(1, running('a/0', 0))
  observe(1, running('b/0', 50))
  t.equal(statusOf(sr, mirrors, 1).progress, 0.25)
  const changes = (...found: readonly (ShareChange | null)[]) => found.filter(change => change !== null)
  const kindsAfter = (fold: SrFold, at: number, ...found: readonly (ShareChange | null)[]) =>
    fold.apply(changes(...found), at).map(({ kind }) => kind)

  t.strictSame(kindsAfter(other, 2, mirrors.joining('a/0')), ['resync-started'])
  t.strictSame(kindsAfter(sr, 2, mirrors.leaving('a/0')), [])
  t.match(
    statusOf(sr, mirrors, 2, name => name === 'b/0'),
    { mirrors: { resyncing: 1 }, progress: 0.5, outOfSyncBytes: 50 },
    'the removed mirror does not count as done',
  )
  t.strictSame(kindsAfter(sr, 3, mirrors.leaving('b/0')), ['recovered'])
  t.match(
    statusOf(sr, mirrors, 3, () => false),
    { state: 'synced', progress: null, reasons: [] },
  )

  t.strictSame(kindsAfter(sr, 4, mirrors.joining('b/0')), ['resync-started'])
  t.match(
    statusOf(sr, mirrors, 4, name => name === 'b/0'),
    { state: 'resyncing', progress: 0.5, reasons: [{ mirror: 'b/0' }] },
  )
  observe(5, judgementWith('b/0', []))
  t.strictSame(kinds.slice(-1), ['resync-finished'], 'a resync that ends in the SR has its transition')
  observe(6, judgementWith('b/0', ['resync-paused']))
  t.strictSame(kindsAfter(other, 6, mirrors.joining('b/0')), ['paused'])
  t.strictSame([mirrors.joining('z/0'), mirrors.leaving('z/0')], [null, null], 'the mirror does not exist')
})

t.test('the amount out of sync includes degraded mirrors; an unknown amount is not 0', async t => {
  const { mirrors, sr, observe } = host()
  sr.apply([], 0, null)
  observe(1, judgementWith('a/0', ['peer-not-connected'], { outOfSyncBytes: 300 }))
  observe(1, judgementWith('b/0', ['resync-running'], { outOfSyncBytes: 40 }))
  t.equal(statusOf(sr, mirrors, 1).outOfSyncBytes, 340)
  observe(2, judgementWith('c/0', ['not-up'], { outOfSyncBytes: null }))
  t.equal(statusOf(sr, mirrors, 2).outOfSyncBytes, null)
})

t.test('while the source is silent no mirror counts as in sync', async t => {
  const { mirrors, sr, observe } = host()
  sr.apply([], 0, null)
  observe(1, judgementWith('a/0', []))
  observe(1, judgementWith('b/0', ['stand-alone'], { outOfSyncBytes: 0 }))
  sr.apply([], 2, reason('source-silent', '*'))
  const mirrorsThen = { unknown: 2, degraded: 0, resyncing: 0, synced: 0 }
  t.match(statusOf(sr, mirrors, 2), { state: 'unknown', mirrors: mirrorsThen, outOfSyncBytes: null })
  sr.apply([], 3, null)
  t.match(statusOf(sr, mirrors, 3), { mirrors: { unknown: 0, degraded: 1, synced: 1 }, outOfSyncBytes: 0 })
})

/** The expected status of an SR with these mirrors, computed from all of them. */
function statusFrom(mirrors: HostMirrors, members: readonly string[]) {
  const counts = { unknown: 0, degraded: 0, resyncing: 0, synced: 0 }
  let outOfSyncBytes: number | null = 0
  let etaSeconds: number | null = 0
  const codes: string[] = []
  for (const judgement of members.flatMap(name => mirrors.get(name)?.judgement ?? [])) {
    counts[judgement.state] += 1
    codes.push(...judgement.reasons.map(({ code, mirror }) => `${mirror} ${code}`))
    const { outOfSyncBytes: out, etaSeconds: eta } = judgement
    if (judgement.state === 'unknown') outOfSyncBytes = null
    else if (judgement.state !== 'synced') {
      outOfSyncBytes = outOfSyncBytes === null || out === null ? null : outOfSyncBytes + out
    }
    if (judgement.state !== 'resyncing') continue
    etaSeconds = etaSeconds === null || eta === null ? null : Math.max(etaSeconds, eta)
  }
  return {
    state: worstState(counts),
    mirrors: counts,
    outOfSyncBytes,
    etaSeconds: counts.resyncing > 0 ? etaSeconds : null,
    codes: codes.sort(),
  }
}

t.test('property: after any sequence of changes the sums equal those computed from all mirrors', async t => {
  const NAMES = ['a/0', 'b/0', 'c/0', 'd/0'] as const
  const codes: ReasonCode[] = ['resync-running', 'resync-paused', 'stand-alone', 'unknown-word', 'drift']
  const step = fc.record({
    mirror: fc.constantFrom(...NAMES),
    code: fc.option(fc.constantFrom(...codes)),
    out: fc.oneof(fc.constant(0), fc.option(fc.nat(100))),
    total: fc.option(fc.nat(100)),
    eta: fc.option(fc.nat(100)),
    kind: fc.constantFrom('observe', 'observe', 'observe', 'gone', 'reload'),
    /** The SRs of the mirror from now on, for a reload. */
    srs: fc.subarray([0, 1]),
    /** The SRs get this change together with the next ones. */
    held: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), steps => {
      const mirrors = new HostMirrors()
      const srs = [0, 1].map(() => ({ fold: new SrFold(0), members: new Set<string>(), shown: 0 }))
      let held: ShareChange[][] = srs.map(() => [])
      for (const { members } of srs) for (const name of NAMES) members.add(name)
      steps.forEach(({ mirror, code, out, total, eta, kind, srs: wanted, held: isHeld }, index) => {
        const at = index * 40_000
        const hold = (index: number, change: ShareChange | null) => {
          if (change !== null) held[index]?.push(change)
        }
        const holdForMembers = (change: ShareChange | null) => {
          for (const [index, { members }] of srs.entries()) if (members.has(change?.mirror ?? '')) hold(index, change)
        }
        if (kind === 'observe') {
          const figures = { outOfSyncBytes: out, ...(code === null ? {} : { totalBytes: total, etaSeconds: eta }) }
          const judgement = judgementWith(mirror, code === null ? [] : [code], figures)
          holdForMembers(mirrors.observe({ judgement, at, silenceMeansStall: index % 2 === 0 }))
        } else if (kind === 'gone') holdForMembers(mirrors.remove(mirror, at))
        else {
          for (const [index, { members }] of srs.entries()) {
            const isWanted = wanted.includes(index)
            if (isWanted && !members.has(mirror)) hold(index, mirrors.joining(mirror))
            if (!isWanted && members.has(mirror)) hold(index, mirrors.leaving(mirror))
            if (isWanted) members.add(mirror)
            else members.delete(mirror)
          }
        }
        for (const change of mirrors.tick(at)) holdForMembers(change)
        if (isHeld) return
        for (const [index, sr] of srs.entries()) {
          sr.fold.apply(held[index] ?? [], at, null)
          const members = [...sr.members]
          const {
            progress,
            since: _,
            reasons,
            ...status
          } = statusOf(sr.fold, mirrors, at, name => sr.members.has(name))
          const actual = { ...status, codes: reasons.map(each => `${each.mirror} ${each.code}`).sort() }
          t.strictSame(actual, statusFrom(mirrors, members))
          const fresh = new SrFold(at)
          fresh.apply(
            members.flatMap(name => mirrors.joining(name) ?? []),
            at,
            null,
          )
          const {
            progress: freshProgress,
            since: __,
            ...freshStatus
          } = statusOf(fresh, mirrors, at, name => sr.members.has(name))
          t.strictSame({ ...freshStatus, reasons: freshStatus.reasons.length }, { ...status, reasons: reasons.length })
          if (freshProgress !== null && (progress ?? 0) < freshProgress - 1e-9)
            throw new Error('progress is less than that of a fresh SR')
          if (progress !== null && progress >= 1) throw new Error('progress is complete before the end')
          if (progress !== null && progress < sr.shown) throw new Error('progress fell')
          sr.shown = progress ?? 0
        }
        held = srs.map(() => [])
      })
    }),
    { numRuns: 100 },
  )
})
