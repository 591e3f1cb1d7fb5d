import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import { Events2Reader } from '../../../../src/drbd-adapter/events2/events2-reader.ts'
import { Events2State } from '../../../../src/drbd-adapter/events2/events2-state.ts'
import { machineClock } from '../../../../src/platform/time/clock.ts'
import { HostMirrors } from '../../../../src/sync-query/history/host-mirrors.ts'
import { judgeDrbdVolume } from '../../../../src/sync-query/judge/judge-drbd.ts'
import type { Judgement } from '../../../../src/sync-query/judge/judgement.ts'
import { reason, remedy } from '../../../../src/sync-query/reason/reason.ts'
import { SrFold } from '../../../../src/sync-query/sr-state/sr-fold.ts'
import { ReportPusher } from '../../../../src/xapi-notify/report-pusher.ts'
import { peer, volume } from '../../drbd-volume.ts'
import { judgementWith } from '../../judgement-with.ts'

const MIB = 1024 * 1024
const SECOND = 1000
const MINUTE = 60_000
const FIXTURES = join(import.meta.dirname, '../../../fixtures/stalls')
const SR = '5c5c5c5c-0000-4000-8000-000000000001'

function recorded(name: string): string[] {
  return readFileSync(join(FIXTURES, `${name}.txt`), 'utf8')
    .trimEnd()
    .split('\n')
}

/** What is told of the mirrors of one host: a tick each second, as the agent does. */
function host(silenceMeansStall = true) {
  const mirrors = new HostMirrors()
  const kinds: string[] = []
  let now: number | null = null
  const pass = (at: number) => {
    for (let second = (now ?? at) + SECOND; second < at; second += SECOND) {
      for (const { transitions } of mirrors.tick(second)) kinds.push(...transitions.map(({ kind }) => kind))
    }
    now = at
  }
  const observe = (at: number, judgement: Judgement) => {
    pass(at)
    kinds.push(...mirrors.observe({ judgement, at, silenceMeansStall }).transitions.map(({ kind }) => kind))
  }
  const told = (name: string) => {
    const mirror = mirrors.get(name)
    return mirror === null ? [] : mirrors.reasons(mirror, now ?? 0)
  }
  const codes = (name: string) => told(name).map(({ code, clearedBy }) => `${code}/${clearedBy}`)
  return { mirrors, kinds, pass, observe, told, codes }
}

/** Plays a stream, and asks `after` each second of its clock what is told of `mirror`. */
function play(name: string, mirror: string, after: (clock: string, told: ReturnType<typeof host>) => void) {
  const told = host()
  const state = new Events2State()
  const reader = new Events2Reader(line => state.apply(line))
  let clock = Number.NaN
  for (const line of recorded(name)) {
    const at = Date.parse(line.slice(0, line.indexOf(' ')))
    for (; clock + SECOND < at; clock += SECOND) {
      told.pass(clock)
      after(new Date(clock).toISOString().slice(11, 19), told)
    }
    clock = at
    reader.push(`${line}\n`)
    const seen = state.complete ? state.volume(mirror) : null
    if (seen !== null) told.observe(at, judgeDrbdVolume(seen))
  }
  return told
}

for (const side of ['source', 'target'] as const) {
  t.test(`a resync that writes outrun is not stalled, as its ${side} sees it (piraeus-operator#836)`, async t => {
    const spans = new Map<string, string[]>()
    const name = `outrun-by-writes.${side}.events2`
    const { kinds } = play(name, 'vol-g/0', (clock, { codes, mirrors }) => {
      const [code = ''] = codes('vol-g/0')
      spans.set(code, [...(spans.get(code) ?? []), clock])
      const growing = clock > '10:10:30' && clock < '10:18:00'
      const { etaSeconds, progress } = mirrors.get('vol-g/0')?.judgement ?? {}
      if (growing) t.equal(etaSeconds, null, `no estimate at ${clock}`)
      if (growing) t.ok((progress ?? 0) > 0.9, `what was shown stays at ${clock}`)
    })
    t.strictSame([...spans.keys()], ['resync-running/time', 'resync-outrun/time'])
    const outrun = spans.get('resync-outrun/time') ?? []
    t.ok((outrun[0] ?? '') < '10:11:30', 'said after a minute of growth')
    t.ok((outrun.at(-1) ?? '') < '10:19:00', 'and taken back some looks after it falls again')
    t.strictSame(kinds, ['resync-started', 'resync-finished'])
  })
}

t.test('a link that is full for twenty minutes is waited for (LINBIT/drbd#46)', async t => {
  const codes = new Set<string>()
  const { kinds } = play('long-congestion.events2', 'storage/0', (_, told) => {
    for (const code of told.codes('storage/0')) codes.add(code)
  })
  t.strictSame([...codes], ['peer-behind/time', 'resync-running/time'])
  t.strictSame(kinds, ['resync-started', 'resync-finished'])
})

t.test('a link that is full for half an hour needs an operator, who never breaks the connection for it', async t => {
  const behind = reason('peer-behind', 'a/0', { peer: 'hostB', word: 'Ahead', side: 'source' })
  const { observe, pass, codes, told, kinds, mirrors } = host()
  observe(0, judgementWith('a/0', [behind], { outOfSyncBytes: 5 }))
  pass(30 * MINUTE)
  t.strictSame(codes('a/0'), ['peer-behind/time'])
  const [change] = mirrors.tick(30 * MINUTE)
  t.equal(change?.mirror, 'a/0', 'whoever reports is told that the reason has changed')
  t.strictSame(codes('a/0'), ['peer-behind/operator'])
  t.strictSame(kinds, ['resync-started'])
  for (const each of told('a/0')) t.notMatch(JSON.stringify(remedy(each, SR, 'hostA')), /disconnect|drbdadm connect/)
})

t.test(
  'between Ahead and a resync a mirror goes to and fro: one transition, and pushes at the pace of progress',
  async t => {
    const { observe, codes, kinds, mirrors } = host()
    const sr = new SrFold(0)
    sr.apply([], 0, null)
    const pushes: number[] = []
    let at = 0
    const sink = { push: async () => void pushes.push(at) }
    const pace = { progressEveryMs: 3_600_000, firstRetryMs: 1, lastRetryMs: 1 }
    const pusher = new ReportPusher(() => ({}) as never, sink, machineClock, pace)
    const words = ['Ahead', 'SyncSource', 'PausedSyncS'] as const
    const edges: string[] = []
    for (let step = 0; at < 50 * MINUTE; step += 1) {
      at = step * 2 * SECOND
      const said = { replication: words[step % 3] ?? null, peerDisk: 'Inconsistent', outOfSyncBytes: 1000 + step }
      const judgement = judgeDrbdVolume(volume('a/0', [peer('hostB', said)]))
      const change = mirrors.observe({ judgement, at, silenceMeansStall: true })
      const told = sr.apply([change], at)
      edges.push(...told.map(({ kind }) => kind))
      pusher.want(told.length > 0 ? 'transition' : 'news')
      if (at === 20 * MINUTE) t.match(codes('a/0')[0], /^(peer-behind|resync-running|resync-waiting)\/time$/)
    }
    await setImmediate()
    await pusher.close()
    t.strictSame(edges, ['resync-started'])
    t.equal(pushes.length, 1)
    observe(at + 1, judgeDrbdVolume(volume('a/0', [peer('hostB', { replication: 'Ahead', peerDisk: 'Inconsistent' })])))
    t.strictSame(codes('a/0'), ['peer-behind/operator'], 'the spell is one, whatever was in between')
    for (let minutes = 51; minutes < 60; minutes += 1) {
      const said = { replication: 'SyncSource', peerDisk: 'Inconsistent', outOfSyncBytes: 1000 - minutes }
      observe(minutes * MINUTE, judgeDrbdVolume(volume('a/0', [peer('hostB', said)])))
    }
    observe(
      60 * MINUTE,
      judgeDrbdVolume(volume('a/0', [peer('hostB', { replication: 'Ahead', peerDisk: 'Inconsistent' })])),
    )
    t.strictSame(codes('a/0'), ['peer-behind/time'], 'a resync of several minutes ends the spell')
    t.strictSame(kinds, [])
  },
)

t.test(
  'paused towards every source and nothing says why: stalled on all three hosts (DRBD 9.2.19, recorded)',
  async t => {
    for (const [name, word, peers] of [
      ['alpha', 'SyncSource', ['charlie']],
      ['bravo', 'SyncSource', ['charlie']],
      ['charlie', 'PausedSyncT', ['bravo', 'alpha']],
    ] as const) {
      const { observe, pass, told, kinds } = host()
      let first = Number.NaN
      for (const [index, dump] of ['1', '2-after-4-min'].entries()) {
        const state = new Events2State()
        const lines = recorded(`paused-without-cause.${name}.${dump}.events2-now`)
        const reader = new Events2Reader(line => state.apply(line))
        reader.push(`${lines.join('\n')}\n`)
        const at = Date.parse(lines[0]?.slice(0, 32) ?? '')
        if (index === 0) first = at
        const seen = state.volume('mesh0/0')
        if (seen !== null) observe(at, judgeDrbdVolume(seen))
      }
      pass(first + 5 * MINUTE - 1)
      t.notOk(kinds.includes('stalled'), `${name}: not before five minutes are over`)
      pass(first + 5 * MINUTE + 2 * SECOND)
      t.strictSame(
        told('mesh0/0').map(({ code, clearedBy, word: said, peer: its }) => [code, clearedBy, said, its]),
        peers.map(each => ['resync-stalled', 'operator', word, each]),
        name,
      )
      const onTarget = name === 'charlie' ? 'here' : 'peer'
      for (const each of told('mesh0/0')) {
        const [, reconnect] = remedy(each, SR, name).steps
        const connection = name === 'charlie' ? `mesh0:${each.peer}` : `mesh0:${name}`
        const commands = [`drbdadm disconnect ${connection}`, `drbdadm connect ${connection}`]
        t.strictSame(reconnect, { on: onTarget, commands }, 'the target, which waits, connects anew')
      }
    }
  },
)

t.test('paused without a cause towards one source of several is ordinary, and so is a cause', async t => {
  const said = (...peers: [string, string, string[]][]) =>
    judgeDrbdVolume(
      volume(
        'a/0',
        peers.map(([name, replication, resyncSuspended]) =>
          peer(name, { replication, resyncSuspended, outOfSyncBytes: 5 }),
        ),
        { disk: 'Inconsistent' },
      ),
    )
  for (const judgement of [
    said(['b', 'PausedSyncT', []], ['c', 'PausedSyncT', ['dependency']]),
    said(['b', 'PausedSyncT', []], ['c', 'PausedSyncT', ['user']]),
  ]) {
    const { observe, pass, kinds } = host()
    observe(0, judgement)
    pass(20 * MINUTE)
    t.notOk(kinds.includes('stalled'))
  }
  const { observe, pass, kinds, codes } = host()
  const writes = (movedBytes: number) =>
    judgeDrbdVolume(
      volume('a/0', [peer('b', { replication: 'PausedSyncT', outOfSyncBytes: 5, movedBytes })], {
        disk: 'Inconsistent',
      }),
    )
  for (let minutes = 0; minutes < 7; minutes += 1) observe(minutes * MINUTE, writes(minutes * MIB))
  t.ok(kinds.includes('stalled'), 'what a paused resync receives are writes')
  pass(7 * MINUTE)
  t.strictSame(codes('a/0'), ['resync-stalled/operator'])
})

const running = (outOfSyncBytes: number, movedBytes: number, figures: Partial<Judgement> = {}) =>
  judgementWith('a/0', ['resync-running'], { outOfSyncBytes, movedBytes, ...figures })

t.test(
  'bytes that are sent or received keep a resync from being stalled; an hour without gain does not pass',
  async t => {
    const { observe, pass, codes, kinds } = host()
    for (let minutes = 0; minutes < 60; minutes += 1) observe(minutes * MINUTE, running(100, minutes))
    t.strictSame(codes('a/0'), ['resync-running/time'])
    observe(60 * MINUTE, running(100, 60))
    t.strictSame(codes('a/0'), ['resync-outrun/operator'])
    pass(65 * MINUTE + SECOND)
    t.strictSame(codes('a/0'), ['resync-stalled/operator'], 'nor do bytes that stop')
    observe(66 * MINUTE, running(99, 60))
    t.strictSame(codes('a/0'), ['resync-running/time'])
    t.strictSame(kinds, ['resync-started', 'stalled'])
  },
)

t.test('how a resync gets on changes only the reasons of that resync', async t => {
  const outrun = host()
  const inVain = host()
  for (let step = 0; step < 30; step += 1) {
    const figures = { outOfSyncBytes: 10_000 + step * 10, movedBytes: step }
    outrun.observe(step * 5 * SECOND, judgementWith('a/0', ['resync-running', 'peer-removed'], figures))
  }
  t.strictSame(outrun.codes('a/0'), ['resync-outrun/time', 'peer-removed/time'])
  for (let minutes = 0; minutes <= 60; minutes += 1) {
    const figures = { outOfSyncBytes: 100, movedBytes: minutes }
    inVain.observe(minutes * MINUTE, judgementWith('a/0', ['resync-running', 'peer-removed'], figures))
  }
  t.strictSame(inVain.codes('a/0'), ['resync-outrun/operator', 'peer-removed/time'])
  const behind = host()
  behind.observe(0, judgementWith('a/0', ['peer-behind', 'peer-removed'], { outOfSyncBytes: 5 }))
  behind.pass(30 * MINUTE)
  behind.mirrors.tick(30 * MINUTE)
  t.strictSame(behind.codes('a/0'), ['peer-behind/operator', 'peer-removed/time'])
})

t.test('a resync that waits for a limit of parallel resyncs, while none runs, needs an operator', async t => {
  const { observe, pass, told } = host()
  const said = { replication: 'PausedSyncT', resyncSuspended: ['max-parallel'], outOfSyncBytes: 5 }
  observe(0, judgeDrbdVolume(volume('a/0', [peer('b', said)], { disk: 'Inconsistent' })))
  const waits = () => told('a/0').find(({ code }) => code === 'resync-waiting')
  t.match(waits(), { clearedBy: 'time', word: 'max-parallel' })
  pass(30 * SECOND)
  t.match(waits(), { clearedBy: 'operator', word: 'max-parallel', waitsFor: undefined })
})

t.test('counters that restart with a connection are no movement until they rise', async t => {
  const { observe, kinds } = host()
  observe(0, running(100, 1_000_000))
  for (const minutes of [1, 2, 3, 4, 5]) observe(minutes * MINUTE, running(100, 0))
  t.strictSame(kinds, ['resync-started', 'stalled'])
})

t.test('more out of sync while no bytes move is a stall, not an outrun resync', async t => {
  const { observe, kinds, codes } = host()
  for (const minutes of [0, 1, 2, 3, 4, 5]) observe(minutes * MINUTE, running(100 + minutes, 7))
  t.strictSame(codes('a/0'), ['resync-stalled/operator'])
  t.strictSame(kinds, ['resync-started', 'stalled'])
})

t.test('a trend is not taken from single looks: writes that come in bursts neither start nor end a race', async t => {
  const { observe, codes } = host()
  let at = 0
  let moved = 0
  const seen = (out: number) => {
    at += 5 * SECOND
    moved += 1
    observe(at, running(out, moved))
    return codes('a/0')[0]
  }
  for (let step = 0; step < 100; step += 1) {
    t.equal(seen(10_000 - step * 10 + (step % 2) * 25), 'resync-running/time', 'it gains')
  }
  const said = new Set<string | undefined>()
  for (let step = 0; step < 100; step += 1) {
    const code = seen(9_000 + step * 10 + (step % 2) * 25)
    if (step > 20) said.add(code)
  }
  t.strictSame([...said], ['resync-outrun/time'], 'it loses')
})

t.test('a resync that has waited for long is not stalled when it starts', async t => {
  const { observe, kinds } = host()
  observe(0, judgementWith('a/0', ['resync-waiting'], { outOfSyncBytes: 100 }))
  observe(60 * MINUTE, judgementWith('a/0', ['resync-waiting'], { outOfSyncBytes: 100 }))
  observe(60 * MINUTE + SECOND, running(100, 0))
  t.strictSame(kinds, ['resync-started'])
})

t.test(
  'on DRBD 8.4 a second reading of the same figures proves a stall, and one of more bytes disproves it',
  async t => {
    const quiet = host(false)
    quiet.observe(0, running(100, 5))
    quiet.pass(20 * MINUTE)
    t.strictSame(quiet.kinds, ['resync-started'])
    quiet.observe(20 * MINUTE, running(100, 6))
    t.strictSame(quiet.kinds, ['resync-started'])
    quiet.observe(25 * MINUTE, running(100, 6))
    t.strictSame(quiet.kinds, ['resync-started', 'stalled'])
  },
)
