import t from 'tap'
import { DEFAULT_POLICY, type GatePolicy } from '../../src/allowed-operations/pool/gate-policy.ts'
import type { PoolSnapshot } from '../../src/allowed-operations/pool/pool-snapshot.ts'
import { observeSrs } from '../../src/allowed-operations/rules/sr-members.ts'
import { type ChangeCause, describeCause } from '../../src/updater/change-cause.ts'
import { findCauses } from '../../src/updater/find-causes.ts'
import type { PoolObservation } from '../../src/updater/pool-observer.ts'
import {
  DEGRADED,
  host,
  MINUTE_MS,
  NOW,
  PLACEMENT,
  pool,
  RESYNCING,
  received,
  SR,
  withHost,
  withoutReportOf,
  withReports,
} from '../allowed-operations/pool-of-three.ts'

function observe(of: PoolSnapshot, atMs = NOW, coordinator = 'a'): PoolObservation {
  return { pool: of, atMs, coordinator, srs: observeSrs(of, DEFAULT_POLICY, atMs) }
}

/** `code object…` of each cause, the short form that tables of cases compare. */
function short(causes: readonly ChangeCause[]): string {
  return causes
    .map(cause =>
      Object.values(cause)
        .filter(value => typeof value === 'string')
        .join(' '),
    )
    .join(', ')
}

const OVERRIDE = { host: 'b', reason: 'burnt disk', by: 'root', createdMs: NOW - MINUTE_MS, expiresMs: NOW + MINUTE_MS }

t.test('every changed input of the gate is a cause, and nothing else', async t => {
  const sr2 = { ref: 'sr2', uuid: 'uuid-sr2', clustered: true }
  const pbdOfD = { ref: 'pbd-d', host: 'd', sr: 'sr', currentlyAttached: false }
  const unreadable = { host: 'a', sr: 'sr', confirmedAtMs: NOW, problem: { device: null, code: 'not-json', text: '' } }
  const rebooting = { currentOperations: [{ task: 't', operation: 'reboot' }] } as const
  const entry = { state: 'synced', count: 3, quorum: false, replicas: [{ peer: 'self', current: true }] } as const
  const newCode = { code: 'code-of-2030', mirror: 'v/0', clearedBy: 'time', peer: 'host-b' } as const
  const table: readonly [
    title: string,
    before: PoolSnapshot,
    after: PoolSnapshot,
    causes: string,
    policy?: GatePolicy,
  ][] = [
    ['nothing', pool(), pool(), ''],
    ['confirmed again', pool(), withReports(pool(), received('a', { seq: 11 }, NOW)), ''],
    [
      'other figures',
      withReports(pool(), received('a', DEGRADED)),
      withReports(pool(), received('a', { ...DEGRADED, seq: 11 })),
      '',
    ],
    ['a report', pool(), withReports(pool(), received('a', RESYNCING)), 'report-changed a sr synced resyncing'],
    ['its first one', withoutReportOf(pool(), 'a'), pool(), 'report-changed a sr no-report synced'],
    [
      'one that cannot be read',
      pool(),
      withReports(pool(), unreadable),
      'report-changed a sr synced report-unreadable',
    ],
    [
      'in sync, and yet against its peer',
      pool(),
      withReports(pool(), received('a', { reasons: [newCode] })),
      'report-changed a sr synced synced',
    ],
    [
      'where replicas are, under the conservative policy',
      pool(),
      withReports(pool(), received('a', { mirrorList: [entry] })),
      '',
    ],
    [
      'where replicas are',
      withReports(pool(), received('a', { ...RESYNCING, mirrorList: [] })),
      withReports(pool(), received('a', { ...RESYNCING, mirrorList: [entry] })),
      'report-changed a sr resyncing resyncing',
      PLACEMENT,
    ],
    ['a lease', pool(), withReports(pool(), received('a', {}, NOW - 91_000)), 'lease-expired a sr'],
    ['down', pool(), withHost(pool(), 'b', { live: false }), 'host-not-live b'],
    ['without a metrics row', pool(), withHost(pool(), 'b', { live: null }), 'host-not-live b'],
    ['up', withHost(pool(), 'b', { live: false }), pool(), 'host-live b'],
    ['leaving', pool(), withHost(pool(), 'b', { leaving: true }), 'host-leaving b'],
    ['not leaving', withHost(pool(), 'b', { leaving: true }), pool(), 'host-not-leaving b'],
    ['enabled', pool(), withHost(pool(), 'b', { enabled: true }), 'host-enabled b'],
    ['disabled', withHost(pool(), 'b', { enabled: true }), pool(), 'host-disabled b'],
    ['renamed', pool(), withHost(pool(), 'b', { hostname: 'other' }), 'host-renamed b'],
    ['switched on otherwise', pool(), withHost(pool(), 'b', { powerOnMode: 'DRAC' }), 'power-on-mode-changed b'],
    ['an operation', pool(), withHost(pool(), 'b', rebooting), 'operation-began b t reboot'],
    ['its end', withHost(pool(), 'b', rebooting), pool(), 'operation-ended b t reboot'],
    ['a host more', pool(), { ...pool(), hosts: [...pool().hosts, host('e')] }, 'host-added e'],
    ['a host less', pool(), { ...pool(), hosts: pool().hosts.filter(({ ref }) => ref !== 'b') }, 'host-removed b'],
    ['a PBD more', pool(), { ...pool(), pbds: [...pool().pbds, pbdOfD] }, 'pbd-added d sr'],
    ['a PBD less', { ...pool(), pbds: [...pool().pbds, pbdOfD] }, pool(), 'pbd-removed d sr'],
    ['an SR more', pool(), { ...pool(), srs: [SR, sr2] }, 'sr-guarded sr2'],
    ['guarded no more', pool(), { ...pool(), srs: [{ ...SR, clustered: false }] }, 'sr-not-guarded sr'],
    ['an SR without record', pool(), { ...pool(), srs: [] }, 'sr-missing sr'],
    ['its record is back', { ...pool(), srs: [] }, pool(), 'sr-guarded sr'],
    ['an override', pool(), pool({ overrides: [OVERRIDE] }), 'override-set b'],
    [
      'another in its place',
      pool({ overrides: [OVERRIDE] }),
      pool({ overrides: [{ ...OVERRIDE, reason: 'burnt host' }] }),
      'override-set b',
    ],
    ['the same', pool({ overrides: [OVERRIDE] }), pool({ overrides: [{ ...OVERRIDE }] }), ''],
    ['taken back', pool({ overrides: [OVERRIDE] }), pool(), 'override-removed b'],
    ['a rolling upgrade', pool(), pool({ rollingUpgrade: true }), 'rolling-upgrade-began'],
    ['its end', pool({ rollingUpgrade: true }), pool(), 'rolling-upgrade-ended'],
    ['no power-on plugin', pool(), pool({ powerOnPlugin: false }), 'power-on-plugin-missing'],
    ['a power-on plugin', pool({ powerOnPlugin: false }), pool(), 'power-on-plugin-found'],
    ['a task of stock', pool(), pool({ tasks: [{ nameLabel: 'SR Recovering', nameDescription: 'sr' }] }), ''],
  ]
  for (const [title, before, after, expected, policy = DEFAULT_POLICY] of table) {
    t.equal(short(findCauses(observe(before), observe(after), policy).all), expected, title)
  }
})

t.test('the passing of time is a cause', async t => {
  const of = pool({ overrides: [OVERRIDE] })
  const later = observe(of, NOW + MINUTE_MS)
  t.equal(short(findCauses(observe(of), later, DEFAULT_POLICY).all), 'override-expired b')
  const leases = findCauses(observe(of, NOW + MINUTE_MS), observe(of, NOW + 2 * MINUTE_MS), DEFAULT_POLICY)
  t.equal(short(leases.all), 'lease-expired a sr, lease-expired b sr, lease-expired c sr')
  const soon = { ...OVERRIDE, createdMs: NOW + 90_000, expiresMs: NOW + 120_000 }
  const future = pool({ overrides: [soon] })
  t.equal(short(findCauses(observe(future), observe(future, NOW + 30_000), DEFAULT_POLICY).all), 'override-set b')
})

t.test('at the start and with another coordinator, changes of reports are no causes', async t => {
  t.equal(short(findCauses(null, observe(pool()), DEFAULT_POLICY).all), 'updater-started')
  t.equal(short(findCauses(null, observe(pool()), DEFAULT_POLICY).of('a')), 'updater-started')
  const after = observe(withHost(pool({ reports: [] }), 'a', { live: false }), NOW, 'b')
  t.equal(short(findCauses(observe(pool()), after, DEFAULT_POLICY).all), 'coordinator-changed b, host-not-live a')
})

t.test('the causes of a host are its own changes and those of the SRs that it shares', async t => {
  const sr2 = { ref: 'sr2', uuid: 'uuid-sr2', clustered: true }
  const before = pool({
    srs: [SR, sr2],
    pbds: [...pool().pbds, { ref: 'pbd-d', host: 'd', sr: 'sr2', currentlyAttached: true }],
  })
  const changed = withHost(withReports(before, received('a', RESYNCING)), 'b', { live: false, enabled: true })
  const causes = findCauses(observe(before), observe(withHost(changed, 'd', { leaving: true })), DEFAULT_POLICY)
  const shared = 'host-not-live b'
  t.equal(short(causes.of('a')), `${shared}, report-changed a sr synced resyncing`)
  t.equal(short(causes.of('b')), `${shared}, host-enabled b, report-changed a sr synced resyncing`)
  t.equal(short(causes.of('d')), 'host-leaving d')
  t.equal(short(causes.of('gone')), '')
  const placement = findCauses(observe(before), observe(changed), PLACEMENT)
  t.match(short(placement.of('d')), /report-changed a sr/, 'lists of mirrors may name hosts without a PBD')
  const joined = { ...changed, hosts: [...changed.hosts, host('e')] }
  t.equal(
    short(findCauses(observe(changed), observe(joined), DEFAULT_POLICY).of('d')),
    'host-added e',
    'names concern the whole pool',
  )
})

t.test('the sentence of each cause', async t => {
  const about = { host: 'b', sr: 'sr' } as const
  const sentences: readonly [cause: ChangeCause, sentence: string][] = [
    [{ code: 'updater-started' }, 'the updater has started and has no reports yet'],
    [
      { code: 'coordinator-changed', host: 'b' },
      'host-b is the coordinator now; reports to the earlier coordinator are not valid',
    ],
    [{ code: 'rolling-upgrade-began' }, 'a rolling upgrade of the pool has begun'],
    [{ code: 'rolling-upgrade-ended' }, 'the rolling upgrade of the pool has ended'],
    [{ code: 'power-on-plugin-found' }, 'hosts can be powered on'],
    [{ code: 'power-on-plugin-missing' }, 'hosts can no longer be powered on'],
    [{ code: 'host-added', host: 'gone' }, 'gone has joined the pool'],
    [{ code: 'host-removed', host: 'b' }, 'host-b has left the pool'],
    [{ code: 'host-renamed', host: 'b' }, 'host-b has another name'],
    [{ code: 'host-live', host: 'b' }, 'host-b is up'],
    [{ code: 'host-not-live', host: 'b' }, 'host-b is down'],
    [{ code: 'host-leaving', host: 'b' }, 'host-b has an order to go down'],
    [{ code: 'host-not-leaving', host: 'b' }, 'host-b no longer has an order to go down'],
    [{ code: 'host-enabled', host: 'b' }, 'host-b is enabled'],
    [{ code: 'host-disabled', host: 'b' }, 'host-b is disabled'],
    [{ code: 'power-on-mode-changed', host: 'b' }, 'host-b has another power-on mode'],
    [{ code: 'operation-began', host: 'b', operation: 'reboot', task: 't' }, 'reboot of host-b has begun'],
    [{ code: 'operation-ended', host: 'b', operation: 'reboot', task: 't' }, 'reboot of host-b has ended'],
    [
      { code: 'override-set', host: 'b', override: OVERRIDE },
      'host-b may go down because of the override of root until 2026-11-22T16:01:00.000Z: burnt disk',
    ],
    [
      { code: 'override-removed', host: 'b', override: OVERRIDE },
      'the override for host-b was removed (override of root until 2026-11-22T16:01:00.000Z: burnt disk)',
    ],
    [
      { code: 'override-expired', host: 'b', override: OVERRIDE },
      'the override for host-b has expired (override of root until 2026-11-22T16:01:00.000Z: burnt disk)',
    ],
    [{ code: 'sr-guarded', sr: 'sr' }, 'SR uuid-sr is guarded'],
    [{ code: 'sr-not-guarded', sr: 'sr' }, 'SR uuid-sr is no longer guarded'],
    [{ code: 'sr-missing', sr: 'sr9' }, 'SR sr9 has PBDs and no record'],
    [{ code: 'pbd-added', ...about }, 'host-b is connected to SR uuid-sr'],
    [{ code: 'pbd-removed', ...about }, 'host-b is no longer connected to SR uuid-sr'],
    [{ code: 'lease-expired', ...about }, 'host-b has not confirmed its report of SR uuid-sr in time'],
    [
      { code: 'report-changed', ...about, before: 'resyncing', after: 'synced' },
      'the report of host-b for SR uuid-sr changed from resyncing to synced',
    ],
    [
      { code: 'report-changed', ...about, before: 'synced', after: 'synced' },
      'the report of host-b for SR uuid-sr has other reasons: synced',
    ],
  ]
  for (const [cause, sentence] of sentences) t.equal(describeCause(cause, pool()), sentence, cause.code)
  t.equal(describeCause({ code: 'host-live', host: 'b' }), 'b is up', 'without a pool: refs')
})
