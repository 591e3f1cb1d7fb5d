import t from 'tap'
import { DEFAULT_POLICY } from '../../../src/allowed-operations/pool/gate-policy.ts'
import { encodeHeartbeat, GUARD_KEY } from '../../../src/allowed-operations/pool/guard-heartbeat.ts'
import type { HostSnapshot, PoolSnapshot, SrSnapshot } from '../../../src/allowed-operations/pool/pool-snapshot.ts'
import { encodeReservation, RESERVATION_KEY } from '../../../src/stock-pool/levers/reservation.ts'
import { diagnose } from '../../../src/stock-pool/operate/diagnose.ts'
import type { DoctorSnapshot } from '../../../src/stock-pool/operate/doctor-snapshot.ts'
import type { SyncState } from '../../../src/sync-query/state.ts'

const NOW = Date.UTC(2026, 11, 1, 12)
const UUIDS = { a: '0a', b: '0b', c: '0c' } as const
const uuidOf = (host: keyof typeof UUIDS) => `0a0a0a0a-0000-4000-8000-0000000000${UUIDS[host]}`
const SENTINEL: SrSnapshot = {
  ref: 'sentinel',
  uuid: '5c5c5c5c-0000-4000-8000-000000000001',
  nameLabel: 'Mirrors in sync',
  clustered: true,
  type: 'resync-monitor',
}
const HEARTBEAT = encodeHeartbeat({ machine: 'a', version: '0.1.0', atMs: NOW - 12_000 })

function hostOf(ref: keyof typeof UUIDS, changes: Partial<HostSnapshot> = {}): HostSnapshot {
  return {
    ref,
    uuid: uuidOf(ref),
    hostname: ref,
    nameLabel: `host ${ref}`,
    enabled: true,
    live: true,
    liveSinceMs: null,
    bootTimeMs: null,
    powerOnMode: '',
    currentOperations: [],
    allowedOperations: [],
    leaving: false,
    ...changes,
  }
}

function reportOf(host: keyof typeof UUIDS, state: SyncState): PoolSnapshot['reports'][number] {
  const at = new Date(NOW - 60_000).toISOString()
  const report = {
    schema: 1 as const,
    host: uuidOf(host),
    sr: SENTINEL.uuid ?? '',
    bootId: 'b0b0b0b0-0000-4000-8000-000000000001',
    seq: 1,
    at,
    state,
    since: at,
    mirrors: { synced: 0, resyncing: 0, degraded: 0, unknown: 0, [state]: 1 },
    outOfSyncBytes: 0,
    progress: null,
    etaSeconds: null,
    reasons: [],
  }
  return { host, sr: 'sentinel', confirmedAtMs: NOW, report }
}

/** A protected pool of three hosts, with changes. */
function snapshotOf(pool: Partial<PoolSnapshot> = {}, rest: Partial<DoctorSnapshot> = {}): DoctorSnapshot {
  const hosts = (['a', 'b', 'c'] as const).map(host => hostOf(host))
  return {
    nowMs: NOW,
    pool: {
      hosts,
      srs: [SENTINEL],
      pbds: hosts.map(({ ref }) => ({ ref: `pbd-${ref}`, host: ref, sr: 'sentinel', currentlyAttached: true })),
      tasks: [],
      reports: (['a', 'b', 'c'] as const).map(host => reportOf(host, 'synced')),
      overrides: [],
      powerOnPlugin: true,
      rollingUpgrade: false,
      ...pool,
    },
    coordinator: 'a',
    defaultSr: 'OpaqueRef:NULL',
    poolConfig: { [GUARD_KEY]: HEARTBEAT },
    contentTypes: new Map([['sentinel', 'resync-monitor']]),
    xapiVersions: new Map([
      ['a', '25.31.0'],
      ['b', '25.31.0'],
      ['c', '26.1'],
    ]),
    clocksAheadMs: new Map([
      ['a', 0],
      ['b', 400],
      ['c', -9_000],
    ]),
    ...rest,
  }
}

const TASK = { nameLabel: 'SR Recovering', nameDescription: 'sentinel' }
const SNAPSHOT = snapshotOf()
const UNPLUGGED = SNAPSHOT.pool.pbds.map(pbd => ({ ...pbd, currentlyAttached: false }))
const silent = { [GUARD_KEY]: encodeHeartbeat({ machine: 'a', version: '0.1.0', atMs: NOW - 181_000 }) }

t.test('a protected pool has no findings', async t => {
  const diagnosis = diagnose(SNAPSHOT, DEFAULT_POLICY)
  t.match(diagnosis, {
    verdict: 'protected',
    isBlocking: false,
    guard: { state: 'acts', heartbeat: { machine: 'a' } },
    sentinels: [{ name: 'Mirrors in sync', clustered: true, pluggedOn: [{ name: 'host a' }, {}, {}] }],
    hosts: [{ isCoordinator: true, sentinel: 'plugged', reports: [{ state: 'synced', ageMs: 60_000 }] }, {}, {}],
  })
  t.strictSame(diagnosis.findings, [])
})

t.test('each finding, with its severity and the verdict', async t => {
  const override = { host: 'b', reason: 'swap', by: 'ada', createdMs: NOW - 1, expiresMs: NOW + 60_000 }
  const reservation = encodeReservation({ host: uuidOf('b'), by: 'ada', expiresMs: NOW + 60_000 })
  const disabled = [hostOf('a'), hostOf('b', { enabled: false }), hostOf('c', { enabled: false })]
  const two = SNAPSHOT.pool.pbds.filter(({ host }) => host !== 'c')
  const cases: readonly [codes: readonly string[], verdict: string, snapshot: DoctorSnapshot, text?: RegExp][] = [
    [['no-sentinel'], 'not-protected', snapshotOf({ srs: [], pbds: [] })],
    [['sentinel-not-clustered'], 'not-protected', snapshotOf({ srs: [{ ...SENTINEL, clustered: false }] })],
    [['sentinel-unplugged'], 'not-protected', snapshotOf({ pbds: UNPLUGGED })],
    [['no-guard'], 'not-protected', snapshotOf({}, { poolConfig: {} })],
    [['guard-silent'], 'not-protected', snapshotOf({}, { poolConfig: silent })],
    [
      ['guard-silent'],
      'not-protected',
      snapshotOf({ tasks: [TASK] }, { poolConfig: silent }),
      /still blocks every reboot/,
    ],
    [['guard-unclear'], 'unknown', snapshotOf({}, { poolConfig: { [GUARD_KEY]: '{}' } })],
    [
      ['sentinel-unplugged', 'guard-unclear'],
      'not-protected',
      snapshotOf({ pbds: UNPLUGGED }, { poolConfig: { [GUARD_KEY]: '{}' } }),
    ],
    [
      ['task-missing'],
      'protected',
      snapshotOf({ reports: [reportOf('a', 'resyncing'), ...SNAPSHOT.pool.reports.slice(1)] }),
    ],
    [
      [],
      'protected',
      snapshotOf({ tasks: [TASK], reports: [reportOf('a', 'resyncing'), ...SNAPSHOT.pool.reports.slice(1)] }),
    ],
    [
      ['task-missing', 'no-report'],
      'protected',
      snapshotOf({ reports: SNAPSHOT.pool.reports.slice(1) }),
      /host a has not reported|host a is not/,
    ],
    [['no-report'], 'protected', snapshotOf({ tasks: [TASK], reports: SNAPSHOT.pool.reports.slice(1) })],
    [['sentinel-is-default'], 'protected', snapshotOf({}, { defaultSr: 'sentinel' })],
    [['sentinel-content-type'], 'protected', snapshotOf({}, { contentTypes: new Map([['sentinel', 'user']]) })],
    [['host-unplugged'], 'protected', snapshotOf({ pbds: [...two, ...UNPLUGGED.slice(2)] }), /not plugged on host c/],
    [['host-without-pbd'], 'protected', snapshotOf({ pbds: two }), /host c has no PBD/],
    [
      ['clock-differs'],
      'protected',
      snapshotOf(
        {},
        {
          clocksAheadMs: new Map([
            ['a', 5_000],
            ['b', 15_000],
          ]),
        },
      ),
      /host b is 10 s ahead of/,
    ],
    [
      ['clock-differs'],
      'protected',
      snapshotOf(
        {},
        {
          clocksAheadMs: new Map([
            ['a', 0],
            ['b', -70_000],
          ]),
        },
      ),
      /host b is 70 s behind/,
    ],
    [['hosts-disabled'], 'protected', snapshotOf({ hosts: disabled }), /^host b and host c are disabled/],
    [
      ['reservation'],
      'protected',
      snapshotOf({ hosts: disabled }, { poolConfig: { [GUARD_KEY]: HEARTBEAT, [RESERVATION_KEY]: reservation } }),
      /reserved for host b until 2026-12-01 12:01:00 UTC, by ada/,
    ],
    [['override'], 'protected', snapshotOf({ overrides: [override] }), /host b has an override until .*, by ada: swap/],
    [
      ['guard-elsewhere'],
      'protected',
      snapshotOf({}, { coordinator: 'b' }),
      /runs on a, not on the coordinator host b/,
    ],
    [
      ['no-auto-enable'],
      'protected',
      snapshotOf(
        {},
        {
          xapiVersions: new Map([
            ['a', '25.30.9'],
            ['b', '25.31'],
            ['c', '25.31'],
          ]),
        },
      ),
      /xapi 25\.30\.9 on host a/,
    ],
  ]
  for (const [codes, verdict, snapshot, text] of cases) {
    const diagnosis = diagnose(snapshot, DEFAULT_POLICY)
    t.strictSame([...new Set(diagnosis.findings.map(({ code }) => code))], codes)
    t.equal(diagnosis.verdict, verdict, codes.join())
    if (text !== undefined) t.match(diagnosis.findings[0]?.text, text)
  }
})

t.test('what is not known is not stated as a fault', async t => {
  const down = [hostOf('a'), hostOf('b'), hostOf('c', { live: null })]
  const diagnosis = diagnose(
    snapshotOf({ hosts: down, pbds: SNAPSHOT.pool.pbds.slice(0, 2) }, { clocksAheadMs: new Map() }),
    DEFAULT_POLICY,
  )
  t.strictSame(diagnosis.findings, [])
  t.match(diagnosis.hosts[2], { live: null, sentinel: 'no-pbd', reports: [], clockAheadMs: null })
})
