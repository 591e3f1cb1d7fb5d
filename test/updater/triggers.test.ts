import t from 'tap'
import { AGGREGATED_KEY } from '../../src/allowed-operations/pool/gate-policy.ts'
import type { ChangeCause } from '../../src/updater/change-cause.ts'
import { settle } from '../platform/time/virtual-clock.ts'
import { LEASE_MS, watchedPool } from './watched-pool.ts'

const MINUTE_MS = 60_000

t.test('every trigger: the field of every host is right within the step, with its causes', async t => {
  const pool = await watchedPool(t)
  const { embedded, client, sr, hosts, time } = pool
  const [a = '', b = '', c = ''] = hosts
  let added = ''
  let marked = ''
  const steps: readonly [
    title: string,
    act: () => unknown,
    mayReboot: string,
    causesOfB: readonly Partial<ChangeCause>[],
  ][] = [
    ['the updater starts', () => pool.updater().start(), '', [{ code: 'updater-started' }]],
    ['two hosts have reported', () => pool.push(0, 'synced').then(() => pool.push(1, 'synced')), '', []],
    [
      'the last host has reported',
      () => pool.push(2, 'synced'),
      'ABC',
      [{ code: 'report-changed', host: c, sr, before: 'no-report', after: 'synced' }],
    ],
    [
      'a report of a resync',
      () => pool.push(0, 'resyncing'),
      '',
      [{ code: 'report-changed', host: a, sr, before: 'synced', after: 'resyncing' }],
    ],
    ['an override', () => pool.setOverride(1, MINUTE_MS), 'B', [{ code: 'override-set', host: b }]],
    ['its end', () => time.advanceAsync(MINUTE_MS), '', [{ code: 'override-expired', host: b }]],
    ['the expired override is removed', () => pool.removeOverride(1), '', []],
    ['an override again', () => pool.setOverride(1, MINUTE_MS), 'B', [{ code: 'override-set', host: b }]],
    ['removed before its end', () => pool.removeOverride(1), '', [{ code: 'override-removed', host: b }]],
    [
      'a report of the end of the resync; the others confirm theirs',
      () => pushAll(),
      'ABC',
      [{ code: 'report-changed' }],
    ],
    ['a host is enabled', () => client.call('host.enable', [b]), 'AC', [{ code: 'host-enabled', host: b }]],
    ['a host is disabled', () => client.call('host.disable', [b]), 'ABC', [{ code: 'host-disabled', host: b }]],
    [
      'a task by which stock would block is ignored',
      () => client.call('task.create', ['SR Recovering', sr]),
      'ABC',
      [],
    ],
    ['a host is down', () => embedded.hostLeft(a), '', [{ code: 'host-not-live', host: a }]],
    [
      'it is back and has not reported',
      async () => {
        await time.advanceAsync(1_000)
        embedded.hostReturned(a, { bootTimeMs: time.now() })
      },
      '',
      [],
    ],
    [
      'it has reported',
      () => pool.push(0, 'synced', { bootId: 'boot-2' }),
      'ABC',
      [{ code: 'report-changed', host: a, sr, before: 'report-before-boot', after: 'synced' }],
    ],
    [
      'a reboot is called',
      () => pool.reboot(2),
      '',
      [
        { code: 'host-leaving', host: c },
        { code: 'operation-began', host: c },
      ],
    ],
    [
      'it is down, and the call has ended',
      () => {
        embedded.hostLeft(c)
        embedded.hostReturned(c, { bootTimeMs: time.now() })
      },
      '',
      [],
    ],
    [
      'it has reported too',
      () => pool.push(2, 'synced', { bootId: 'boot-2' }),
      'ABC',
      [{ code: 'report-changed', host: c }],
    ],
    [
      'a host joins the pool',
      () => {
        added = embedded.addHost({ hostname: 'hostD', enabled: false })
      },
      'ABC',
      [],
    ],
    [
      'it is connected to the SR',
      () => embedded.addPbd({ host: added, sr, attached: false }),
      '',
      [{ code: 'pbd-added', sr }],
    ],
    [
      'its PBD is removed',
      () => embedded.removePbd(embedded.get('host', added)?.PBDs[0] ?? ''),
      'ABC',
      [{ code: 'pbd-removed', sr }],
    ],
    [
      'an SR is added, and connected',
      () => embedded.addPbd({ host: b, sr: embedded.addSr({ clustered: true }), attached: true }),
      'AC',
      [{ code: 'sr-guarded' }],
    ],
    [
      'its PBD is removed',
      () => embedded.removePbd(embedded.get('host', b)?.PBDs[1] ?? ''),
      'ABC',
      [{ code: 'pbd-removed', host: b }],
    ],
    [
      'an SR that is not clustered is connected',
      () => {
        marked = embedded.addSr({ clustered: false })
        embedded.addPbd({ host: b, sr: marked, attached: true })
      },
      'ABC',
      [],
    ],
    [
      'it is marked as aggregated',
      () => client.call('SR.add_to_other_config', [marked, AGGREGATED_KEY, 'true']),
      'AC',
      [{ code: 'sr-guarded' }],
    ],
    [
      'it is not marked any more',
      () => client.call('SR.remove_from_other_config', [marked, AGGREGATED_KEY]),
      'ABC',
      [{ code: 'sr-not-guarded' }],
    ],
    ['leases run out', () => time.advanceAsync(LEASE_MS + 1), '', [{ code: 'lease-expired', host: b, sr }]],
    [
      'all confirm',
      () => pushAll(),
      'ABC',
      [{ code: 'report-changed', host: b, before: 'lease-expired', after: 'synced' }],
    ],
    ['another coordinator', () => pool.setCoordinator(b), '', [{ code: 'coordinator-changed', host: b }]],
    [
      'all have reported to it',
      () => pushAll(),
      'ABC',
      [{ code: 'report-changed', before: 'no-report', after: 'synced' }],
    ],
    ['a host resyncs', () => pool.push(0, 'resyncing'), '', [{ code: 'report-changed', host: a }]],
    ['and is forgotten', () => embedded.removeHost(a), 'BC', [{ code: 'host-removed', host: a }]],
  ]
  const pushAll = async () => {
    for (const index of [0, 2, 1, 2]) await pool.push(index, 'synced', { bootId: index === 1 ? 'boot-1' : 'boot-2' })
  }
  for (const [title, act, mayReboot, causes] of steps) {
    pool.changes.length = 0
    await act()
    await settle()
    t.equal(pool.mayReboot(), mayReboot, title)
    const last = pool.changes.findLast(({ host }) => host === b)
    t.match(last?.causes ?? [], causes, `${title}: what caused it`)
    t.ok(
      pool.changes.every(change => change.causes.length > 0),
      `${title}: no change is without a cause`,
    )
  }
})
