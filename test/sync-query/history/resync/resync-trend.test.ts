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

/** The mirrors of one host, with a tick each second as in the agent. Times are milliseconds. */
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
  const reasonsOf = (name: string) => {
    const mirror = mirrors.get(name)
    return mirror === null ? [] : mirrors.reasons(mirror, now ?? 0)
  }
  const codes = (name: string) => reasonsOf(name).map(({ code, clearedBy }) => `${code}/${clearedBy}`)
  return { mirrors, kinds, pass, observe, reasonsOf, codes }
}

/** Replays a recorded stream and calls `after` for each second of its clock. */
function play(name: string, mirror: string, after: (clock: string, played: ReturnType<typeof host>) => void) {
  const played = host()
  const state = new Events2State()
  const reader = new Events2Reader(line => state.apply(line))
  let clock = Number.NaN
  for (const line of recorded(name)) {
    const at = Date.parse(line.slice(0, line.indexOf(' ')))
    for (; clock + SECOND < at; clock += SECOND) {
      played.pass(clock)
      after(new Date(clock).toISOString().slice(11, 19), played)
    }
    clock = at
    reader.push(`${line}\n`)
    const current = state.complete ? state.volume(mirror) : null
    if (current !== null) played.observe(at, judgeDrbdVolume(current))
  }
  return played
}

for (const side of ['source', 'target'] as const) {
  t.test(
    `a resync that is slower than the writes is not stalled, observed on its ${side} (piraeus-operator#836)`,
    async t => {
      const spans = new Map<string, string[]>()
      const name = `outrun-by-writes.${side}.events2`
      const { kinds } = play(name, 'vol-g/0', (clock, { codes, mirrors }) => {
        const [code = ''] = codes('vol-g/0')
        spans.set(code, [...(spans.get(code) ?? []), clock])
        const growing = clock > '10:10:30' && clock < '10:18:00'
        const { etaSeconds, progress } = mirrors.get('vol-g/0')?.judgement ?? {}
        if (growing) t.equal(etaSeconds, null, `no estimate at ${clock}`)
        if (growing) t.ok((progress ?? 0) > 0.9, `progress does not fall at ${clock}`)
      })
      t.strictSame([...spans.keys()], ['resync-running/time', 'resync-outrun/time'])
      const outrun = spans.get('resync-outrun/time') ?? []
      t.ok((outrun[0] ?? '') < '10:11:30', 'the reason appears after a minute of growth')
      t.ok((outrun.at(-1) ?? '') < '10:19:00', 'the reason clears some readings after the amount falls again')
      t.strictSame(kinds, ['resync-started', 'resync-finished'])
    },
  )
}

t.test('a link that is congested for twenty minutes clears by itself (LINBIT/drbd#46)', async t => {
  const codes = new Set<string>()
  const { kinds } = play('long-congestion.events2', 'storage/0', (_, played) => {
    for (const code of played.codes('storage/0')) codes.add(code)
  })
  t.strictSame([...codes], ['peer-behind/time', 'resync-running/time'])
  t.strictSame(kinds, ['resync-started', 'resync-finished'])
})

t.test('a link that is congested for half an hour needs an operator; no remedy disconnects it', async t => {
  const behind = reason('peer-behind', 'a/0', { peer: 'hostB', word: 'Ahead', side: 'source' })
  const { observe, pass, codes, reasonsOf, kinds, mirrors } = host()
  observe(0, judgementWith('a/0', [behind], { outOfSyncBytes: 5 }))
  pass(30 * MINUTE)
  t.strictSame(codes('a/0'), ['peer-behind/time'])
  const [change] = mirrors.tick(30 * MINUTE)
  t.equal(change?.mirror, 'a/0', 'the change of the reason is returned')
  t.strictSame(codes('a/0'), ['peer-behind/operator'])
  t.strictSame(kinds, ['resync-started'])
  for (const each of reasonsOf('a/0'))
    t.notMatch(JSON.stringify(remedy(each, SR, 'hostA')), /disconnect|drbdadm connect/)
})

t.test(
  'a mirror that alternates between Ahead and a resync has one transition, and pushes at the pace of progress',
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
      const status = { replication: words[step % 3] ?? null, peerDisk: 'Inconsistent', outOfSyncBytes: 1000 + step }
      const judgement = judgeDrbdVolume(volume('a/0', [peer('hostB', status)]))
      const change = mirrors.observe({ judgement, at, silenceMeansStall: true })
      const transitions = sr.apply([change], at)
      edges.push(...transitions.map(({ kind }) => kind))
      pusher.want(transitions.length > 0 ? 'transition' : 'news')
      if (at === 20 * MINUTE) t.match(codes('a/0')[0], /^(peer-behind|resync-running|resync-waiting)\/time$/)
    }
    await setImmediate()
    await pusher.close()
    t.strictSame(edges, ['resync-started'])
    t.equal(pushes.length, 1)
    observe(at + 1, judgeDrbdVolume(volume('a/0', [peer('hostB', { replication: 'Ahead', peerDisk: 'Inconsistent' })])))
    t.strictSame(codes('a/0'), ['peer-behind/operator'], 'short resyncs do not end the congestion')
    for (let minutes = 51; minutes < 60; minutes += 1) {
      const status = { replication: 'SyncSource', peerDisk: 'Inconsistent', outOfSyncBytes: 1000 - minutes }
      observe(minutes * MINUTE, judgeDrbdVolume(volume('a/0', [peer('hostB', status)])))
    }
    observe(
      60 * MINUTE,
      judgeDrbdVolume(volume('a/0', [peer('hostB', { replication: 'Ahead', peerDisk: 'Inconsistent' })])),
    )
    t.strictSame(codes('a/0'), ['peer-behind/time'], 'a resync of several minutes ends the congestion')
    t.strictSame(kinds, [])
  },
)

t.test(
  'a resync that is paused towards every source without a cause is stalled on all three hosts (DRBD 9.2.19, recorded)',
  async t => {
    for (const [name, word, peers] of [
      ['alpha', 'SyncSource', ['charlie']],
      ['bravo', 'SyncSource', ['charlie']],
      ['charlie', 'PausedSyncT', ['bravo', 'alpha']],
    ] as const) {
      const { observe, pass, reasonsOf, kinds } = host()
      let first = Number.NaN
      for (const [index, dump] of ['1', '2-after-4-min'].entries()) {
        const state = new Events2State()
        const lines = recorded(`paused-without-cause.${name}.${dump}.events2-now`)
        const reader = new Events2Reader(line => state.apply(line))
        reader.push(`${lines.join('\n')}\n`)
        const at = Date.parse(lines[0]?.slice(0, 32) ?? '')
        if (index === 0) first = at
        const current = state.volume('mesh0/0')
        if (current !== null) observe(at, judgeDrbdVolume(current))
      }
      pass(first + 5 * MINUTE - 1)
      t.notOk(kinds.includes('stalled'), `${name}: not before five minutes have passed`)
      pass(first + 5 * MINUTE + 2 * SECOND)
      t.strictSame(
        reasonsOf('mesh0/0').map(each => [each.code, each.clearedBy, each.word, each.peer]),
        peers.map(each => ['resync-stalled', 'operator', word, each]),
        name,
      )
      const onTarget = name === 'charlie' ? 'here' : 'peer'
      for (const each of reasonsOf('mesh0/0')) {
        const [, reconnect] = remedy(each, SR, name).steps
        const connection = name === 'charlie' ? `mesh0:${each.peer}` : `mesh0:${name}`
        const commands = [`drbdadm disconnect ${connection}`, `drbdadm connect ${connection}`]
        t.strictSame(reconnect, { on: onTarget, commands }, 'the waiting target reconnects')
      }
    }
  },
)

t.test(
  'a pause without a cause towards one of several sources is no stall, and neither is a pause with a cause',
  async t => {
    const judged = (...peers: [string, string, string[]][]) =>
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
      judged(['b', 'PausedSyncT', []], ['c', 'PausedSyncT', ['dependency']]),
      judged(['b', 'PausedSyncT', []], ['c', 'PausedSyncT', ['user']]),
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
    t.ok(kinds.includes('stalled'), 'a paused resync receives only writes')
    pass(7 * MINUTE)
    t.strictSame(codes('a/0'), ['resync-stalled/operator'])
  },
)

const running = (outOfSyncBytes: number, movedBytes: number, figures: Partial<Judgement> = {}) =>
  judgementWith('a/0', ['resync-running'], { outOfSyncBytes, movedBytes, ...figures })

t.test('a resync that moves bytes is not stalled; after an hour without gain it needs an operator', async t => {
  const { observe, pass, codes, kinds } = host()
  for (let minutes = 0; minutes < 60; minutes += 1) observe(minutes * MINUTE, running(100, minutes))
  t.strictSame(codes('a/0'), ['resync-running/time'])
  observe(60 * MINUTE, running(100, 60))
  t.strictSame(codes('a/0'), ['resync-outrun/operator'])
  pass(65 * MINUTE + SECOND)
  t.strictSame(codes('a/0'), ['resync-stalled/operator'], 'the resync is stalled after its bytes stop')
  observe(66 * MINUTE, running(99, 60))
  t.strictSame(codes('a/0'), ['resync-running/time'])
  t.strictSame(kinds, ['resync-started', 'stalled'])
})

t.test('the trend of a resync changes only the reasons of that resync', async t => {
  const outrun = host()
  const withoutGain = host()
  for (let step = 0; step < 30; step += 1) {
    const figures = { outOfSyncBytes: 10_000 + step * 10, movedBytes: step }
    outrun.observe(step * 5 * SECOND, judgementWith('a/0', ['resync-running', 'peer-removed'], figures))
  }
  t.strictSame(outrun.codes('a/0'), ['resync-outrun/time', 'peer-removed/time'])
  for (let minutes = 0; minutes <= 60; minutes += 1) {
    const figures = { outOfSyncBytes: 100, movedBytes: minutes }
    withoutGain.observe(minutes * MINUTE, judgementWith('a/0', ['resync-running', 'peer-removed'], figures))
  }
  t.strictSame(withoutGain.codes('a/0'), ['resync-outrun/operator', 'peer-removed/time'])
  const behind = host()
  behind.observe(0, judgementWith('a/0', ['peer-behind', 'peer-removed'], { outOfSyncBytes: 5 }))
  behind.pass(30 * MINUTE)
  behind.mirrors.tick(30 * MINUTE)
  t.strictSame(behind.codes('a/0'), ['peer-behind/operator', 'peer-removed/time'])
})

t.test('a resync that waits for the limit of parallel resyncs while none runs needs an operator', async t => {
  const { observe, pass, reasonsOf } = host()
  const status = { replication: 'PausedSyncT', resyncSuspended: ['max-parallel'], outOfSyncBytes: 5 }
  observe(0, judgeDrbdVolume(volume('a/0', [peer('b', status)], { disk: 'Inconsistent' })))
  const waits = () => reasonsOf('a/0').find(({ code }) => code === 'resync-waiting')
  t.match(waits(), { clearedBy: 'time', word: 'max-parallel' })
  pass(30 * SECOND)
  t.match(waits(), { clearedBy: 'operator', word: 'max-parallel', waitsFor: undefined })
})

t.test('counters that restart with a connection show no movement until they rise', async t => {
  const { observe, kinds } = host()
  observe(0, running(100, 1_000_000))
  for (const minutes of [1, 2, 3, 4, 5]) observe(minutes * MINUTE, running(100, 0))
  t.strictSame(kinds, ['resync-started', 'stalled'])
})

t.test('a growing amount without moved bytes is a stall, not an outrun resync', async t => {
  const { observe, kinds, codes } = host()
  for (const minutes of [0, 1, 2, 3, 4, 5]) observe(minutes * MINUTE, running(100 + minutes, 7))
  t.strictSame(codes('a/0'), ['resync-stalled/operator'])
  t.strictSame(kinds, ['resync-started', 'stalled'])
})

t.test('a trend needs several readings: bursts of writes neither start nor end resync-outrun', async t => {
  const { observe, codes } = host()
  let at = 0
  let moved = 0
  const codeAt = (out: number) => {
    at += 5 * SECOND
    moved += 1
    observe(at, running(out, moved))
    return codes('a/0')[0]
  }
  for (let step = 0; step < 100; step += 1) {
    t.equal(codeAt(10_000 - step * 10 + (step % 2) * 25), 'resync-running/time', 'the resync gains')
  }
  const shown = new Set<string | undefined>()
  for (let step = 0; step < 100; step += 1) {
    const code = codeAt(9_000 + step * 10 + (step % 2) * 25)
    if (step > 20) shown.add(code)
  }
  t.strictSame([...shown], ['resync-outrun/time'], 'the resync loses')
})

t.test('a resync that has waited for a long time is not stalled when it starts', async t => {
  const { observe, kinds } = host()
  observe(0, judgementWith('a/0', ['resync-waiting'], { outOfSyncBytes: 100 }))
  observe(60 * MINUTE, judgementWith('a/0', ['resync-waiting'], { outOfSyncBytes: 100 }))
  observe(60 * MINUTE + SECOND, running(100, 0))
  t.strictSame(kinds, ['resync-started'])
})

t.test(
  'on DRBD 8.4 a second reading with the same figures proves a stall, and one with more bytes disproves it',
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
