import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { devicesOfSnapshot } from '../../src/cli/inspect/findings.ts'
import { parseStatusJson } from '../../src/drbd-adapter/status/parse-status-json.ts'
import { parseStatusText } from '../../src/drbd-adapter/status/parse-status-text.ts'
import { HostMirrors } from '../../src/sync-query/history/host-mirrors.ts'
import type { DrbdVolume } from '../../src/sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../src/sync-query/judge/judge-drbd.ts'
import { describe, reason, remedy } from '../../src/sync-query/reason/reason.ts'
import { encodeReport } from '../../src/sync-query/report/report-encode.ts'
import { parseReport } from '../../src/sync-query/report/report-parse.ts'
import { peer, volume } from './drbd-volume.ts'

const FIXTURES = resolve(import.meta.dirname, '../fixtures/drbd9')
const MINUTE = 60_000
const GIB = 1024 ** 3

const textOf = (name: string) => readFileSync(resolve(FIXTURES, name), 'utf8')
const status = (name: string) =>
  devicesOfSnapshot(parseStatusText(textOf(`${name}.status.txt`)).volumes.map(volume => judgeDrbdVolume(volume)))

function observedMirror() {
  const mirrors = new HostMirrors()
  const observe = (drbd: DrbdVolume, at: number) =>
    mirrors.observe({ judgement: judgeDrbdVolume(drbd), at, silenceMeansStall: true, drbd })
  const reasons = (at: number) => {
    mirrors.tick(at)
    const mirror = mirrors.get('r0/0')
    return mirror === null ? [] : mirrors.reasons(mirror, at)
  }
  return { mirrors, observe, reasons }
}

t.test('a resync that never begins: only one side has marks (home-operations/miroir#390)', async t => {
  const [holder] = status('stranded-bitmap.hostB')
  t.match(holder, {
    state: 'degraded',
    reasons: [{ code: 'resync-never-began', peer: 'hostA', clearedBy: 'operator', outOfSyncBytes: 5 * GIB }],
  })
  t.match(status('stranded-bitmap.hostA'), [{ state: 'synced', reasons: [] }], 'the other side shows no marks')
  const { text, warning, steps } = remedy(reason('resync-never-began', 'vol-a/0', { peer: 'hostA' }), 'SR', 'hostB')
  t.strictSame(steps, [{ on: 'here', commands: ['drbdadm disconnect vol-a:hostA', 'drbdadm connect vol-a:hostA'] }])
  t.notMatch(`${text} ${warning}`, /old|adjust/)
})

t.test('a peer whose disk is Consistent has one minute to start its resync', async t => {
  const { mirrors, observe, reasons } = observedMirror()
  const consistent = volume('r0/0', [peer('hostA', { peerDisk: 'Consistent', outOfSyncBytes: GIB })])
  observe(consistent, 0)
  t.match(reasons(MINUTE - 1), [{ code: 'peer-disk-not-up-to-date', clearedBy: 'time' }])
  const changes = mirrors.tick(MINUTE)
  t.match(changes, [{ mirror: 'r0/0' }], 'the SR gets the change when the minute is over')
  t.match(reasons(MINUTE), [{ code: 'resync-never-began', peer: 'hostA', word: 'Consistent', clearedBy: 'operator' }])
  t.strictSame(mirrors.tick(MINUTE + 1), [], 'the change is returned once')
  observe(volume('r0/0', [peer('hostA', { replication: 'SyncSource', peerDisk: 'Inconsistent' })]), 2 * MINUTE)
  t.match(reasons(2 * MINUTE), [{ code: 'resync-running' }])
  observe(consistent, 3 * MINUTE)
  t.match(reasons(3 * MINUTE + 1), [{ code: 'peer-disk-not-up-to-date', clearedBy: 'time' }], 'a new minute starts')
  for (const word of ['Outdated', 'Inconsistent']) {
    const other = observedMirror()
    other.observe(volume('r0/0', [peer('hostA', { peerDisk: word, outOfSyncBytes: 4096 })]), 0)
    t.match(other.reasons(MINUTE), [{ code: 'resync-never-began', word }])
  }
  const unmarked = observedMirror()
  unmarked.observe(volume('r0/0', [peer('hostA', { peerDisk: 'Consistent' })]), 0)
  t.match(
    unmarked.reasons(MINUTE),
    [{ code: 'peer-disk-not-up-to-date' }],
    'nothing is marked, so no resync has to start',
  )
})

t.test(
  'a deadlock without a source: no replica is current, and no text mentions a pause (blockstor PR #168)',
  async t => {
    for (const host of ['hostA', 'hostB']) {
      const [device] = status(`no-source-deadlock.${host}`)
      t.match(device, { state: 'resyncing', reasons: [{ code: 'no-current-replica', missing: 3 }] }, host)
      const texts = (device?.reasons ?? []).map(each => {
        const { text, warning } = remedy(each, 'SR', host)
        return `${describe(each)} ${text} ${warning}`
      })
      t.match(texts[0], /0 of 3.*never had data loses nothing/s)
      for (const text of texts) t.notMatch(text, /pause was (left|forgotten)|Never force|pause is set/)
    }
  },
)

t.test('each candidate has its state, the time of that state, and whether it was the source', async t => {
  const { observe, reasons } = observedMirror()
  const bothOutdated = volume('r0/0', [peer('hostB', { peerDisk: 'Outdated', outOfSyncBytes: 1024 })], {
    disk: 'Outdated',
  })
  observe(volume('r0/0', [peer('hostB', { replication: 'SyncSource', peerDisk: 'Inconsistent' })]), 1000)
  observe(volume('r0/0', [peer('hostB')]), 2000)
  observe(bothOutdated, 3000)
  const [found] = reasons(4000)
  t.match(found?.candidates, [
    { peer: 'self', word: 'Outdated', since: new Date(3000).toISOString(), wasSource: true },
    { peer: 'hostB', word: 'Outdated', since: new Date(3000).toISOString(), outOfSyncBytes: 1024 },
  ])
  t.match(
    describe(found ?? reason('drift', 'r0/0')),
    /this host Outdated since 1970-.*, source of the last resync; hostB /,
  )
  const late = observedMirror()
  late.observe(bothOutdated, 1000)
  t.strictSame(late.reasons(1000)[0]?.candidates?.[0], { peer: 'self', word: 'Outdated' }, 'no change was observed')
})

t.test('the encoder and the parser of reports keep the candidates', async t => {
  const candidates = [{ peer: 'hostB', word: 'Outdated', outOfSyncBytes: 1, since: '1970', wasSource: true as const }]
  const report = {
    schema: 1 as const,
    host: 'h',
    sr: 's',
    bootId: 'b',
    seq: 1,
    at: new Date(0).toISOString(),
    state: 'degraded' as const,
    since: new Date(0).toISOString(),
    mirrors: { unknown: 0, degraded: 1, resyncing: 0, synced: 0 },
    outOfSyncBytes: null,
    progress: null,
    etaSeconds: null,
    reasons: [reason('no-current-replica', 'r0/0', { candidates })],
  }
  t.strictSame(parseReport(encodeReport(report)), { report })
})

t.test('marks that the initial sync of three replicas left are no drift (9.2.19)', async t => {
  const json = textOf('after-initial-sync-oos-at-rest.bravo.status.json')
  const devices = devicesOfSnapshot(parseStatusJson(json).volumes.map(volume => judgeDrbdVolume(volume)))
  const mesh0 = devices.find(({ mirror }) => mirror === 'mesh0/0')
  t.match(mesh0, { state: 'synced', reasons: [{ code: 'marks-left', peer: 'charlie', outOfSyncBytes: 4056 * 1024 }] })
  t.equal(mesh0?.reasons[0]?.clearedBy, 'time')
})

t.test('with three replicas, marks that a verify has found are drift', async t => {
  const { observe, reasons } = observedMirror()
  const pair = (changes: Parameters<typeof peer>[1]) => volume('r0/0', [peer('hostB', changes), peer('hostC')])
  observe(pair({ replication: 'VerifyS', outOfSyncBytes: 12_288 }), 1)
  const passed = {
    resync: false,
    repair: 'none',
    repairedBytes: null,
    verifiedBytes: 12_288,
    outOfSyncBytes: 0,
  } as const
  observe(pair({ outOfSyncBytes: 12_288, passed }), 2)
  t.match(reasons(3), [{ code: 'drift', peer: 'hostB', clearedBy: 'operator' }])
  observe(pair({}), 4)
  t.match(reasons(5), [{ code: 'verify-unrepaired', peer: 'hostB' }])
})

t.test('the first step of every remedy for marks is a verify of the pair, never invalidate', async t => {
  for (const code of [
    'drift',
    'marks-left',
    'verify-unrepaired',
    'rejoined-unwatched',
    'rejoined-unrepaired',
  ] as const) {
    const { steps } = remedy(reason(code, 'r0/0', { peer: 'hostB' }), 'SR', 'hostA')
    t.strictSame(steps[0], { on: 'here', commands: ['drbdadm verify r0:hostB/0'] }, code)
  }
})
