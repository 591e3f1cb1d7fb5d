import t from 'tap'
import { drbdBackend } from '../../src/drbd-adapter/drbd-backend.ts'
import { expectedVolumes } from '../../src/drbd-adapter/expected-volumes.ts'
import type { SrTransition } from '../../src/host-state/host-changes.ts'
import { HostState, type HostStateOptions } from '../../src/host-state/host-state.ts'
import type { SrSelection } from '../../src/host-state/sr-selection.ts'
import { parseMdConfig } from '../../src/mdraid-adapter/config/parse-md-config.ts'
import { expectedArrays } from '../../src/mdraid-adapter/expected-arrays.ts'
import { MarksMemory } from '../../src/sync-query/history/marks/marks-memory.ts'
import type { DrbdVolume } from '../../src/sync-query/judge/drbd.ts'
import { parseReport } from '../../src/sync-query/report/report-parse.ts'
import { peer } from '../sync-query/drbd-volume.ts'
import { array, BOOT, drbdSr, expected, HOST, hostOf, maybeEmpty, SR, volume } from './host-under-test.ts'

const KIB = 1024

const OPTIONS: HostStateOptions = {
  host: HOST,
  hostname: 'hostA',
  boot: BOOT,
  marks: new MarksMemory([]),
  memoryDoubts: {},
  silentAfterMs: null,
}

const update = (at: number, changed: readonly DrbdVolume[]) => ({ at, changed, removed: [], doubt: null, wholeAt: at })

/** The DRBD patterns of SRs. */
const namesIn = (srs: readonly SrSelection[]) => srs.flatMap(({ drbd }) => drbd)

const resyncing = (mirror: string, outOfSyncBytes: number) =>
  volume(mirror, [peer('hostB', { replication: 'SyncSource', peerDisk: 'Inconsistent', outOfSyncBytes })])

t.test('an SR is unknown until its source has reported every volume', async t => {
  const { host, kinds, observe, state } = hostOf()
  t.equal(state(), 'unknown')
  observe(1, [volume('mesh0/0')], 'not everything has been read yet')
  t.equal(state(), 'unknown')
  t.match(host.report(SR)?.reasons, [{ code: 'source-silent', word: 'not everything has been read yet' }])
  observe(2, [volume('mesh1/0')])
  t.equal(state(), 'synced')
  observe(3, [], 'drbdsetup events2 exited 20')
  t.equal(state(), 'unknown', 'the stream has ended, even if without an error')
  t.strictSame(kinds, ['recovered', 'unknown'])
  await host.close()
})

t.test(
  'a state that its source does not confirm within 15 s is unknown until it is confirmed; events alone confirm nothing',
  async t => {
    const { host, state, kinds, time } = hostOf({ silentAfterMs: 14_000 }, ['mesh0/0'])
    const confirm = (wholeAt: number) => host.observeDrbd(time.steady, [volume('mesh0/0')], null, [], wholeAt)
    const pass = (ms: number) => {
      for (let second = 0; second < ms / 1000; second += 1) {
        time.steady += 1000
        host.tick()
      }
    }
    confirm(1)
    pass(13_000)
    t.equal(state(), 'synced')
    confirm(2)
    pass(13_000)
    t.equal(state(), 'synced', 'the source has confirmed its state again')
    confirm(2)
    pass(1_000)
    t.equal(state(), 'unknown', 'an event alone confirms nothing')
    t.match(host.report(SR)?.reasons, [{ code: 'source-silent', word: 'nothing has confirmed it for 14 s' }])
    confirm(2)
    t.equal(state(), 'unknown')
    confirm(3)
    t.equal(state(), 'synced')
    t.strictSame(kinds, ['recovered', 'unknown', 'recovered'])
  },
)

t.test('`present` lists the mirrors of the kernel, and the doubts about the list', async t => {
  const { host, observe, observeMd } = hostOf()
  const unread = 'not everything has been read yet'
  t.strictSame(host.present(), { drbd: [], md: [], doubts: [`drbd: ${unread}`, `md: ${unread}`] })
  observe(1, [volume('mesh0/0'), volume('mesh0/1')])
  t.strictSame(host.present(), { drbd: ['mesh0'], md: [], doubts: [`md: ${unread}`] })
  observeMd(2, [array('md0')])
  t.strictSame(host.present(), { drbd: ['mesh0'], md: [{ name: 'md0', uuid: 'md0-uuid' }], doubts: [] })
  await host.close()
})

t.test('reports of a resync are complete, can be parsed, and have rising numbers', async t => {
  const { host, kinds, observe } = hostOf()
  observe(1000, [volume('mesh0/0'), volume('mesh1/0')])
  observe(2000, [resyncing('mesh0/0', 100 * KIB)])
  observe(3000, [resyncing('mesh0/0', 40 * KIB)])
  const report = host.report(SR)
  t.match(report, {
    schema: 1,
    host: HOST,
    sr: SR,
    bootId: BOOT.id,
    state: 'resyncing',
    since: '1970-01-01T00:00:02.000Z',
    at: '1970-01-01T00:00:03.000Z',
    mirrors: { synced: 1, resyncing: 1, degraded: 0, unknown: 0 },
    outOfSyncBytes: 40 * KIB,
    progress: 0.6,
    reasons: [{ code: 'resync-running', mirror: 'mesh0/0', peer: 'hostB', side: 'source' }],
  })
  t.match(parseReport(JSON.stringify(report)), { report: { state: 'resyncing' } }, 'the gate can parse the report')
  const later = host.report(SR)
  t.ok(Number(later?.seq) > Number(report?.seq) && Number(report?.seq) > BOOT.firstSeq)
  observe(4000, [volume('mesh0/0')])
  t.strictSame(kinds, ['recovered', 'resync-started', 'resync-finished'])
  t.equal(host.report('no-such-sr'), null)
  await host.close()
})

t.test('a configured mirror that is not up is degraded, after a boot and after drbdadm down', async t => {
  const { host, observe, state } = hostOf({}, ['mesh0/0', 'other/0'])
  observe(1, [])
  t.equal(state(), 'degraded')
  t.match(host.report(SR)?.reasons, [{ code: 'not-up', mirror: 'mesh0/0' }])
  observe(2, [volume('mesh0/0')])
  t.equal(state(), 'synced')
  observe(3, [], null, ['mesh0/0'])
  t.equal(state(), 'degraded')
  observe(4, [], null, ['never-observed/0'])
  t.equal(host.report(SR)?.mirrors.degraded, 1)
  await host.close()
})

t.test('an SR is judged once per update: it is never in sync during a drbdadm down', async t => {
  const { host, kinds, pushed, observe } = hostOf({}, ['mesh0/0', 'mesh1/0'])
  const detached = (mirror: string) => ({ ...volume(mirror, []), disk: 'Diskless' })
  observe(1, [volume('mesh0/0'), volume('mesh1/0')])
  observe(2, [detached('mesh0/0'), detached('mesh1/0')])
  kinds.length = 0
  pushed.length = 0
  observe(3, [], null, ['mesh0/0', 'mesh1/0'])
  t.strictSame(kinds, [], 'degraded before and after')
  t.strictSame(
    pushed.filter(({ state }) => state === 'synced'),
    [],
  )
  t.match(host.report(SR)?.reasons, [{ code: 'not-up' }, { code: 'not-up' }])
  await host.close()
})

t.test('several mirrors that are paused in one update are one pause of the SR', async t => {
  const { host, kinds, observe } = hostOf()
  const paused = (mirror: string) =>
    volume(mirror, [peer('hostB', { replication: 'PausedSyncS', peerDisk: 'Inconsistent', resyncSuspended: ['user'] })])
  observe(1, [paused('mesh0/0'), paused('mesh1/0')])
  t.strictSame(kinds, ['resync-started', 'paused'])
  await host.close()
})

t.test('`listSeq` in a report is the number of the report with the present list of mirrors', async t => {
  const { host, observe } = hostOf({ srs: [drbdSr(['mesh*']), drbdSr(['other*'], [], 'other')] })
  const listSeq = () => {
    const { seq, listSeq } = host.report(SR) ?? {}
    return listSeq === undefined ? 'none' : listSeq === seq ? 'new' : listSeq
  }
  t.equal(listSeq(), 'none', 'nothing has been observed yet')
  observe(1, [volume('mesh0/0'), volume('mesh1/0'), volume('other0/0')])
  t.equal(listSeq(), 'new')
  const known = listSeq()
  observe(2, [volume('mesh0/0')])
  t.equal(listSeq(), known, 'nothing has changed')
  observe(3, [resyncing('other0/0', KIB)])
  t.equal(listSeq(), known, 'a change in another SR does not change the list')
  observe(4, [resyncing('mesh0/0', 100 * KIB)])
  t.equal(listSeq(), 'new', 'the state of a mirror has changed')
  const duringResync = listSeq()
  for (const at of [5, 6, 7]) observe(at, [resyncing('mesh0/0', (100 - at) * KIB)])
  host.tick()
  t.equal(listSeq(), duringResync, 'progress does not change the list')
  observe(8, [volume('mesh1/0', [peer('hostB'), peer('hostC')])])
  t.equal(listSeq(), 'new', 'a mirror has another replica and is in sync before and after')
  const beforeDoubt = listSeq()
  observe(9, [], 'drbdsetup events2 exited 20')
  t.equal(listSeq(), 'none', 'the list may have changed while the source was down')
  observe(10, [])
  t.equal(listSeq(), beforeDoubt, 'the list has not changed')
  observe(11, [], null, ['mesh1/0'])
  t.equal(listSeq(), 'new', 'a mirror is gone')
  observe(12, [volume('mesh1/0')])
  host.select([drbdSr(['mesh0'])])
  t.equal(listSeq(), 'new', 'a mirror was deselected')
  host.select([drbdSr(['mesh*'])])
  t.equal(listSeq(), 'new', 'a mirror was selected again')
  await host.close()
})

t.test('only the mirrors of an SR count for it, and ignored peers do not', async t => {
  const { host, observe, state } = hostOf({ srs: [maybeEmpty(drbdSr(['mesh*'], ['recovery-site']))] })
  observe(1, [volume('scratch/0', [peer('hostB', { connection: 'StandAlone', replication: 'Off' })])])
  t.equal(state(), 'synced')
  observe(2, [
    volume('mesh0/0', [peer('hostB'), peer('recovery-site', { connection: 'Connecting', replication: 'Off' })]),
  ])
  t.equal(state(), 'synced')
  observe(3, [{ ...volume('mesh0/0'), removedPeers: ['recovery-site'] }])
  t.equal(state(), 'synced')
  observe(4, [volume('mesh0/0', [peer('hostB', { connection: 'Connecting', replication: 'Off' })])])
  t.equal(state(), 'degraded')
  await host.close()
})

t.test('the answer to a poll lists the known places of replicas', async t => {
  const { host, observe } = hostOf()
  observe(1, [volume('mesh0/0'), volume('mesh1/0'), volume('other/0'), resyncing('mesh2/0', KIB)])
  const list = host.report(SR)?.mirrorList ?? []
  t.equal(
    list.reduce((sum, { count }) => sum + count, 0),
    3,
  )
  t.match(
    list.find(({ state }) => state === 'synced'),
    {
      count: 2,
      replicas: [
        { peer: 'self', current: true },
        { peer: 'hostB', current: true },
      ],
    },
  )
  host.loseSource('drbd', 'it ended')
  t.match(
    host.report(SR),
    { state: 'unknown', mirrorList: undefined },
    'the last known list is not reported as the present one',
  )
  await host.close()
})

t.test('a stall is reported as time passes', async t => {
  const { host, kinds, observe, time } = hostOf()
  observe(0, [resyncing('mesh0/0', 100 * KIB)])
  time.now = 5 * 60_000
  host.tick()
  t.strictSame(kinds, ['resync-started', 'stalled'])
  t.match(host.report(SR)?.reasons, [{ code: 'resync-stalled' }])
  await host.close()
})

t.test(
  'md arrays are selected by kernel name, device or UUID; a doubt of one backend does not concern the other',
  async t => {
    const sr = (uuid: string, md: readonly string[], drbd: readonly string[] = []) => ({
      uuid,
      md,
      drbd,
      ignorePeers: [],
    })
    const { host, observe, observeMd, state } = hostOf({
      srs: [sr('name', ['md0']), sr('device', ['/dev/md0']), sr('uuid', ['md0-uuid']), sr('both', ['md*'], ['mesh*'])],
    })
    observeMd(1, [array('md0'), array('md1', { slots: { expected: 2, current: 1 } })])
    t.strictSame(['name', 'device', 'uuid'].map(state), ['synced', 'synced', 'synced'])
    t.equal(state('both'), 'unknown', 'DRBD has reported nothing')
    observe(2, [])
    t.equal(state('both'), 'degraded')
    t.match(host.report('both')?.mirrors, { synced: 1, degraded: 1 })
    observeMd(3, [], 'reading /proc/mdstat took too long')
    t.strictSame(['name', 'both'].map(state), ['unknown', 'unknown'])
    t.match(host.report('name')?.reasons, [{ code: 'source-silent', word: 'reading /proc/mdstat took too long' }])
    await host.close()
  },
)

t.test('an array that is created again under the same name has no history, and may belong to another SR', async t => {
  const { host, observeMd, state } = hostOf({
    srs: [
      { uuid: 'old', md: ['u1'], drbd: [], ignorePeers: [], allowEmpty: true },
      { uuid: 'new', md: ['u2'], drbd: [], ignorePeers: [], allowEmpty: true },
    ],
  })
  observeMd(1, [array('md0', { uuid: 'u1', slots: { expected: 2, current: 1 } })])
  t.strictSame([state('old'), state('new')], ['degraded', 'synced'])
  observeMd(2, [array('md0', { uuid: 'u2', slots: { expected: 2, current: 1 } })], null, ['md0'])
  t.strictSame([state('old'), state('new')], ['synced', 'degraded'])
  await host.close()
})

t.test('an expected array is missing until it is up under any of its names', async t => {
  const { host, observeMd, state } = hostOf({ srs: [{ uuid: SR, md: ['u1', 'md7'], drbd: [], ignorePeers: [] }] })
  host.expect('md', [
    { mirror: '/dev/md/data', shownAs: ['u1'], names: ['/dev/md/data', 'u1'] },
    { mirror: 'md7', shownAs: ['md7'], names: ['md7'] },
  ])
  t.equal(state(), 'unknown', 'the source has not reported everything, so nothing can be missing')
  observeMd(1, [])
  t.match(host.report(SR)?.reasons, [
    { code: 'not-up', mirror: '/dev/md/data' },
    { code: 'not-up', mirror: 'md7' },
  ])
  observeMd(2, [array('md127', { uuid: 'u1' }), array('md7')])
  t.equal(state(), 'synced')
  t.match(host.report(SR)?.mirrors, { synced: 2, degraded: 0 })
  observeMd(3, [], null, ['md127'])
  t.match(host.report(SR)?.reasons, [{ code: 'not-up', mirror: '/dev/md/data' }])
  host.expect('md', [])
  t.equal(state(), 'synced', 'it is no longer expected')
  await host.close()
})

t.test('a DRBD resource that an SR names is missing until the kernel shows one of its volumes', async t => {
  const srs = [drbdSr(['database', 'mesh*'])]
  const { host, kinds, observe, state } = hostOf({ srs })
  host.select(srs, { drbd: { mirrors: expectedVolumes([], namesIn(srs)), doubt: null } })
  observe(1, [])
  t.match(host.report(SR)?.reasons, [{ code: 'not-up', mirror: 'database/*' }])
  observe(2, [volume('database/3')])
  t.equal(state(), 'synced')
  t.match(host.report(SR)?.mirrors, { synced: 1, degraded: 0 })
  kinds.length = 0
  const others = [drbdSr(['other']), drbdSr(['third'], [], 'new')]
  host.select(others, { drbd: { mirrors: expectedVolumes([], namesIn(others)), doubt: null } })
  t.strictSame([state(), state('new')], ['degraded', 'degraded'])
  t.strictSame(
    kinds,
    ['degraded', 'degraded'],
    'no SR is in sync between its selection and the check for missing mirrors',
  )
  await host.close()
})

t.test('before the configuration was read no mirror can be missing, so no SR is in sync', async t => {
  const state = new HostState(OPTIONS)
  state.select({ srs: [drbdSr(['mesh*'])] }, 0)
  state.apply(drbdBackend, update(1, [volume('mesh0/0')]), 0)
  t.match(state.report(SR, 1), {
    state: 'unknown',
    reasons: [{ code: 'source-silent', word: 'its configuration has not been read yet' }],
  })
  const drbd = { mirrors: expected('mesh0/0', 'mesh1/0'), doubt: null }
  const { rejudge } = state.select({ srs: [drbdSr(['mesh*'])], expected: { drbd } }, 2)
  t.strictSame(rejudge, [{ backend: 'drbd', mirrors: ['mesh0/0'] }])
  t.equal(state.report(SR, 2)?.state, 'unknown', 'an SR is judged after its mirrors')
  const { transitions } = state.rejudge(drbdBackend, [volume('mesh0/0')], 2)
  t.match(transitions, [{ sr: SR, transition: { kind: 'degraded' }, status: { state: 'degraded' } }])
  t.equal(state.report(SR, 2)?.state, 'degraded')
})

t.test('the state returns what an input has changed as data', async t => {
  const state = new HostState(OPTIONS)
  const first = state.select({ srs: [drbdSr(['mesh*'])], expected: { drbd: { mirrors: [], doubt: null } } }, 0)
  t.strictSame(first, {
    transitions: [],
    staleReports: [{ sr: SR, isUrgent: true }],
    memoryChanges: [],
    rejudge: [],
  })
  const applied = state.apply(drbdBackend, update(1, [volume('mesh0/0')]), 0)
  t.match(applied.transitions, [{ sr: SR, transition: { at: 1, kind: 'recovered', to: 'synced' } }])
  t.strictSame(applied.staleReports, [{ sr: SR, isUrgent: true }])
  t.strictSame(state.apply(drbdBackend, update(2, []), 0).staleReports, [], 'nothing has changed')
  const held = { drbd: { count: 1, names: ['mesh0/0'] }, md: { count: 0, names: [] } }
  t.strictSame(state.tick(3, 0).memoryChanges, [{ sr: SR, held }])
  t.strictSame(state.tick(4, 0).memoryChanges, [], 'the change is returned once')
  t.match(state.loseSource('drbd', 'it ended', 5).transitions, [{ transition: { kind: 'unknown' } }])
})

t.test('an input that follows an unanswered `rejudge` request includes the earlier changes', async t => {
  const state = new HostState(OPTIONS)
  const configured = (doubt: string | null) => ({ drbd: { mirrors: expected('mesh0/0', 'mesh1/0'), doubt } })
  state.select({ srs: [drbdSr(['mesh*'])], expected: { drbd: { mirrors: [], doubt: null } } }, 0)
  state.apply(drbdBackend, update(1, [volume('mesh0/0')]), 0)
  const requested = state.select({ srs: [drbdSr(['mesh*'])], expected: configured(null) }, 10_000)
  t.equal(requested.rejudge.length, 1)
  const { transitions } = state.apply(drbdBackend, update(20_000, []), 0)
  t.match(transitions, [{ sr: SR, transition: { kind: 'degraded' } }], 'mesh1/0 is missing')
})

t.test('a configuration that was read only in part leaves the SRs of its backend unknown', async t => {
  const { host, observe, observeMd, state } = hostOf({
    srs: [drbdSr(['mesh*']), { uuid: 'md', md: ['md*'], drbd: [], ignorePeers: [] }],
  })
  observe(1, [volume('mesh0/0')])
  observeMd(1, [array('md0')])
  host.expect('drbd', expected('mesh0/0'), '/etc/drbd.d cannot be listed: EACCES')
  t.match(host.report(SR), {
    state: 'unknown',
    mirrors: { unknown: 1 },
    reasons: [{ code: 'source-silent', word: '/etc/drbd.d cannot be listed: EACCES' }],
  })
  t.equal(state('md'), 'synced')
  host.expect('drbd', expected('mesh0/0'))
  t.equal(state(), 'synced')
  await host.close()
})

t.test(
  "an array that cannot be compared with the kernel's arrays makes the SRs that may select it unknown, and no others",
  async t => {
    const lines = [
      'ARRAY /dev/md/home metadata=1.2 name=h:home',
      `ARRAY /dev/md/vol container=${'0'.repeat(32)} member=0`,
    ]
    const configured = parseMdConfig(lines.join('\n'), 'mdadm.conf')
    for (const [pattern, uncertain] of [
      ['md*', ['/dev/md/home', '/dev/md/vol']],
      ['/dev/md/home', ['/dev/md/home']],
      ['md12*', []],
      ['md127', []],
    ] as const) {
      const srs = [{ uuid: SR, md: [pattern], drbd: [], ignorePeers: [] }]
      const { host, observeMd } = hostOf({ srs })
      host.select(srs, { md: { mirrors: expectedArrays(configured, [pattern]), doubt: null } })
      observeMd(1, [array('md127')])
      const { state, reasons = [] } = host.report(SR) ?? {}
      t.equal(state, uncertain.length > 0 ? 'unknown' : 'synced', pattern)
      t.strictSame(
        reasons.map(({ code, mirror, clearedBy }) => `${code} ${mirror} ${clearedBy}`),
        uncertain.map(mirror => `not-comparable ${mirror} operator`),
      )
      await host.close()
    }
  },
)

t.test(
  'after a restart of its source an SR is unknown, and mirrors that are not reported again are removed',
  async t => {
    const { host, observe, state } = hostOf()
    observe(1, [
      volume('mesh0/0'),
      volume('mesh1/0', [peer('hostB', { connection: 'StandAlone', replication: 'Off' })]),
    ])
    t.equal(state(), 'degraded')
    host.loseSource('drbd', 'it ended')
    t.equal(state(), 'unknown')
    t.match(host.report(SR)?.reasons.at(-1), { code: 'source-silent', word: 'it ended' })
    observe(2, [volume('mesh0/0')], 'not everything has been read yet')
    t.match(host.report(SR)?.mirrors, { synced: 0, degraded: 0, unknown: 2 }, 'their present states are not known')
    observe(3, [])
    t.match(host.report(SR), { state: 'synced', mirrors: { synced: 1, degraded: 0 } })
    await host.close()
  },
)

t.test('a new selection of SRs keeps the history of the mirrors and of the other SRs', async t => {
  const { host, kinds, time, observe, state } = hostOf({ srs: [drbdSr(['mesh*']), drbdSr(['other'], [], 'b')] })
  observe(1000, [volume('mesh0/0'), resyncing('mesh1/0', 100 * KIB), volume('other/0')])
  observe(2000, [resyncing('mesh1/0', 40 * KIB)])
  kinds.length = 0
  time.now = 3000
  host.select([drbdSr(['mesh0']), drbdSr(['mesh1', 'other'], [], 'c')])
  t.strictSame(host.monitor.srs(), [SR, 'c'])
  t.equal(state(), 'synced')
  t.equal(host.report('b'), null)
  t.match(host.report('c'), { state: 'resyncing', mirrors: { synced: 1, resyncing: 1 }, outOfSyncBytes: 40 * KIB })
  t.equal(host.report('c')?.progress, 0.6, 'the progress counts from the start of the resync')
  observe(4000, [volume('mesh1/0')])
  t.equal(state('c'), 'synced')
  await host.close()
})

t.test('a resync that began and ended between two updates is also a resync of the SR', async t => {
  const edges: [string, string, number][] = []
  const onTransition = ({ transition: { kind }, status: { state, mirrors } }: SrTransition) =>
    edges.push([kind, state, mirrors.resyncing])
  const { host, observe } = hostOf({ onTransition })
  const passed = {
    resync: true,
    repair: 'none',
    repairedBytes: 12_288,
    verifiedBytes: null,
    outOfSyncBytes: 0,
  } as const
  const others = ['mesh1/0', 'mesh2/0'].map(mirror => volume(mirror))
  observe(1, [volume('mesh0/0'), ...others])
  edges.length = 0
  observe(2, [volume('mesh0/0', [peer('hostB', { passed })])])
  t.strictSame(edges, [
    ['resync-started', 'resyncing', 1],
    ['resync-finished', 'synced', 0],
  ])
  t.match(host.report(SR), { state: 'synced', since: new Date(2).toISOString() })
  observe(3, [volume('mesh1/0', [peer('hostB', { replication: 'SyncSource', peerDisk: 'Inconsistent' })])])
  edges.length = 0
  observe(4, [volume('mesh0/0', [peer('hostB', { passed })])])
  t.strictSame(edges, [], 'a short resync during another one is not reported separately')
  observe(5, [volume('mesh1/0')])
  t.strictSame(
    edges.map(([kind]) => kind),
    ['resync-finished'],
  )
})

t.test('heartbeats name the reports that describe the present state of each SR', async t => {
  const pushPace = { progressEveryMs: 3_600_000, firstRetryMs: 1, lastRetryMs: 1 }
  const { host, observe, time, pushed } = hostOf({ pushPace })
  t.teardown(() => host.close())
  const isCurrent = (report: { readonly seq: number } | undefined) =>
    report !== undefined && report.seq >= (host.state.changedSeqs().get(SR) ?? Number.POSITIVE_INFINITY)
  observe(1_000, [volume('mesh0/0'), volume('mesh1/0')])
  const synced = host.report(SR) ?? undefined
  t.equal(isCurrent(synced), true)
  time.now = 2_000
  host.tick()
  t.equal(isCurrent(synced), true, 'time alone changes nothing')
  const away = [{ ...peer('hostB'), connection: 'Connecting', replication: null, peerDisk: 'DUnknown' }]
  observe(3_000, [volume('mesh0/0', away)])
  t.equal(isCurrent(synced), false, 'the SR is degraded now')
  const degraded = host.report(SR) ?? undefined
  t.equal(isCurrent(degraded), true)
  const waitUntil = async (isEnough: () => boolean) => {
    for (let round = 0; round < 1_000 && !isEnough(); round += 1) await new Promise(resolve => setTimeout(resolve, 1))
  }
  await waitUntil(() => pushed.some(({ state }) => state === 'degraded'))
  const before = pushed.length
  observe(5_000, [volume('mesh1/0', away)])
  t.equal(isCurrent(degraded), false, 'another mirror is worse, and the SR keeps its state')
  await waitUntil(() => pushed.length > before)
  t.equal(pushed.length, before + 1, 'the change is pushed at once')
  const worse = host.report(SR) ?? undefined
  observe(6_500, [volume('mesh1/0')])
  t.equal(isCurrent(worse), true, 'an improvement is pushed at the ordinary pace')
})
