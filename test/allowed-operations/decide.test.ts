import t from 'tap'
import { claim } from '../../src/allowed-operations/claim.ts'
import { allowedOperations, decide } from '../../src/allowed-operations/decide.ts'
import { AGGREGATED_KEY, DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import { HOST_OPERATIONS, isHostOperation } from '../../src/allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../../src/allowed-operations/pool/pool-snapshot.ts'
import type { ReportReason } from '../../src/sync-query/report/report.ts'
import {
  codes,
  DEGRADED,
  host,
  mayReboot,
  NOW,
  pool,
  RESYNCING,
  reasonsOf,
  received,
  report,
  SR,
  withHost,
  withOperation,
  withoutReportOf,
  withReports,
} from './pool-of-three.ts'

function reason(code: string, mirror: string, details: Partial<ReportReason> = {}): ReportReason {
  return { code, mirror, clearedBy: 'time', ...details }
}

t.test('everything is in sync: every host may reboot, in or out of the SR', async t => {
  t.equal(mayReboot(pool()), 'a b c d')
  t.strictSame(reasonsOf(pool(), 'a'), [])
})

t.test('while one member blocks, no member may reboot, with its reason; hosts outside the SR may', async t => {
  const table: readonly [title: string, pool: PoolSnapshot, reasons: string][] = [
    ['it is down', withHost(pool(), 'b', { live: false }), 'host-not-live@b'],
    ['it has no metrics row', withHost(pool(), 'b', { live: null }), 'host-not-live@b'],
    [
      'it is in its reboot call',
      withHost(pool(), 'b', { currentOperations: [{ task: 't', operation: 'reboot' }] }),
      'host-going-down@b',
    ],
    [
      'it is in its shutdown call',
      withHost(pool(), 'b', { currentOperations: [{ task: 't', operation: 'shutdown' }] }),
      'host-going-down@b',
    ],
    ['its call is over and it is still live', withHost(pool(), 'b', { leaving: true }), 'host-leaving@b'],
    ['it has an order to shut down', withHost(pool(), 'b', { leaving: true, toldTo: 'shutdown' }), 'host-shut-down@b'],
    [
      'it is off as ordered',
      withHost(pool(), 'b', { leaving: true, toldTo: 'shutdown', live: false }),
      'host-shut-down@b',
    ],
    [
      'it has its order and stays',
      withHost(pool(), 'b', { leaving: true, toldTo: 'reboot', stillHere: true }),
      'told-to-go-and-still-here@b',
    ],
    [
      'it has its order and is silent',
      withHost(pool(), 'b', { leaving: true, toldTo: 'reboot', stillHere: true, live: false }),
      'host-not-live@b',
    ],
    ['it has sent no report', withoutReportOf(pool(), 'b'), 'no-report@b'],
    ['it resynchronises', withReports(pool(), received('b', RESYNCING)), 'not-synced@b'],
    ['it is degraded', withReports(pool(), received('b', DEGRADED)), 'not-synced@b'],
    [
      'it does not know',
      withReports(
        pool(),
        received('b', { state: 'unknown', mirrors: { synced: 0, resyncing: 0, degraded: 0, unknown: 0 } }),
      ),
      'not-synced@b',
    ],
    [
      'its PBD is detached and it is down',
      withHost({ ...pool(), pbds: pool().pbds.map(pbd => ({ ...pbd, currentlyAttached: pbd.host !== 'b' })) }, 'b', {
        live: false,
      }),
      'host-not-live@b',
    ],
    [
      'two at once, each with its own reason',
      withReports(withHost(pool(), 'c', { live: false }), received('b', RESYNCING)),
      'not-synced@b host-not-live@c',
    ],
  ]
  for (const [title, of, expected] of table) {
    t.equal(mayReboot(of), 'd', title)
    for (const ref of ['a', 'b', 'c']) t.equal(codes(reasonsOf(of, ref)), expected, `${title}: reasons of ${ref}`)
  }
})

t.test('which SRs are guarded', async t => {
  const unclustered = { ref: 'sr', uuid: 'uuid-sr', clustered: false }
  const down = withHost(pool(), 'b', { live: false })
  t.equal(mayReboot({ ...down, srs: [unclustered] }), 'a b c d', 'not an SR made of mirrored host disks')
  t.equal(mayReboot({ ...down, srs: [{ ...unclustered, type: 'nfs', otherConfig: {} }] }), 'a b c d')
  t.equal(mayReboot({ ...down, srs: [{ ...unclustered, type: 'linstor' }] }), 'd', 'by its type')
  t.equal(mayReboot({ ...down, srs: [{ ...unclustered, otherConfig: { [AGGREGATED_KEY]: 'true' } }] }), 'd', 'by hand')
  t.equal(mayReboot({ ...down, srs: [{ ...unclustered, otherConfig: { [AGGREGATED_KEY]: 'false' } }] }), 'a b c d')
  t.equal(mayReboot({ ...pool(), pbds: [] }), 'a b c d', 'an SR without PBDs')
  t.equal(mayReboot(withHost(pool(), 'd', { live: false })), 'a b c d', 'a host that is down and not in the SR')
})

t.test('a pool that changes during a block', async t => {
  const resyncing = withReports(pool(), received('b', RESYNCING))
  const pbdOfD = { ref: 'pbd-d', host: 'd', sr: 'sr', currentlyAttached: false }
  t.equal(
    mayReboot({ ...resyncing, pbds: [...resyncing.pbds, pbdOfD] }),
    '',
    'a host that joins is blocked with the others',
  )
  t.equal(mayReboot({ ...pool(), pbds: [...pool().pbds, pbdOfD] }), '', 'and blocks them until it has reported')
  const forgotten = { ...resyncing, hosts: resyncing.hosts.filter(({ ref }) => ref !== 'b') }
  t.equal(mayReboot(forgotten), 'a c d', 'a forgotten host does not block for ever')
  const twice = { ...pool(), pbds: [...pool().pbds, { ...pbdOfD, ref: 'pbd-a2', host: 'a' }] }
  t.equal(codes(reasonsOf(withHost(twice, 'a', { live: false }), 'a')), 'host-not-live@a', 'two PBDs, one reason')
  const gone = { ...pool(), srs: [] }
  t.equal(mayReboot(gone), 'd', 'an SR without a record may be anything')
  t.equal(codes(reasonsOf(gone, 'b')), 'sr-missing@a sr-missing@b sr-missing@c')
})

t.test('the first SR that blocks is in the error, all are in the reasons', async t => {
  const second = { ref: 'sr2', uuid: 'uuid-sr2', clustered: true }
  const of = {
    ...withReports(pool(), received('a', RESYNCING)),
    srs: [second, SR],
    pbds: [...pool().pbds, { ref: 'pbd-2', host: 'c', sr: 'sr2', currentlyAttached: true }],
  }
  const verdicts = decide(of, DEFAULT_POLICY, NOW)
  t.match(verdicts.get('c')?.reboot, { allowed: false, error: ['CLUSTERED_SR_DEGRADED', 'sr2'] })
  t.match(verdicts.get('b')?.reboot, { allowed: false, error: ['CLUSTERED_SR_DEGRADED', 'sr'] })
  t.equal(codes(reasonsOf(of, 'c')), 'no-report@c not-synced@a')
})

t.test('only operations that take replicas away are blocked, and ordinary errors come first', async t => {
  const of = withHost(withReports(pool(), received('b', RESYNCING)), 'a', { enabled: true })
  const operationsOf = (ref: string, rollingUpgrade = false) => {
    const table = decide(of, DEFAULT_POLICY, NOW).get(ref)
    return allowedOperations(operation => table?.[operation].allowed === true, { rollingUpgrade })
  }
  const others = ['provision', 'evacuate', 'vm_start', 'vm_resume', 'vm_migrate', 'enable']
  t.strictSame(operationsOf('b'), others)
  t.strictSame(operationsOf('d'), [
    'provision',
    'evacuate',
    'shutdown',
    'reboot',
    ...others.slice(2, 5),
    'apply_updates',
    'enable',
  ])
  t.strictSame(operationsOf('b', true), ['provision', 'evacuate'])
  t.equal(HOST_OPERATIONS.every(isHostOperation), true)
  t.equal(isHostOperation('nap'), false)
  const enabled = decide(of, DEFAULT_POLICY, NOW).get('a')
  t.match(enabled?.shutdown, { error: ['HOST_NOT_DISABLED'], reasons: [{ code: 'not-synced', host: 'b' }] })
  t.strictSame(enabled?.evacuate, { allowed: true, reasons: [] })
})

t.test('an override allows one host to reboot, is named in the reasons, and ends', async t => {
  const override = { host: 'a', reason: 'burnt disk', expiresMs: NOW + 1, by: 'root' }
  const of = { ...withReports(pool(), received('b', RESYNCING)), overrides: [override] }
  t.equal(mayReboot(of), 'a d')
  t.match(reasonsOf(of, 'a'), [{ code: 'not-synced', host: 'b', override }])
  t.strictSame(
    reasonsOf(of, 'b').map(each => each.override),
    [undefined],
  )
  t.equal(mayReboot(of, DEFAULT_POLICY, NOW + 1), 'd', 'at its end it lifts nothing')
  t.equal(codes(reasonsOf(of, 'a', DEFAULT_POLICY, NOW + 1)), 'not-synced@b override-expired@a')
  t.equal(mayReboot({ ...of, overrides: [{ ...override, expiresMs: Number.NaN }] }), 'd', 'an end that is no time')
  t.equal(mayReboot({ ...of, overrides: [{ ...override, expiresMs: 0 }, override] }), 'a d', 'renewed')
  const older = { ...override, expiresMs: 0 }
  t.match(
    reasonsOf({ ...of, overrides: [older, override] }, 'a', DEFAULT_POLICY, NOW + 1)[1],
    { override },
    'the last to end',
  )
  t.equal(mayReboot({ ...of, overrides: [{ ...override, host: 'gone' }] }), 'd', 'of a host that has left')
  t.strictSame(reasonsOf({ ...pool(), overrides: [override] }, 'a'), [], 'nothing blocks: nothing to tell')
  const { clockSkewMs } = DEFAULT_POLICY
  const future = { ...override, createdMs: NOW + clockSkewMs + 1, expiresMs: NOW + 2 * clockSkewMs }
  t.equal(mayReboot({ ...of, overrides: [future] }), 'd', 'made further in the future than clocks differ')
  t.equal(codes(reasonsOf({ ...of, overrides: [future] }, 'a')), 'not-synced@b', 'nor is it over')
  t.equal(mayReboot({ ...of, overrides: [future] }, DEFAULT_POLICY, NOW + 1), 'a d', 'when its time has come')
  t.equal(mayReboot({ ...of, overrides: [{ ...future, createdMs: Number.NaN }] }), 'd', 'made at no time')
  const enabled = withHost(of, 'a', { enabled: true })
  t.match(
    decide(enabled, DEFAULT_POLICY, NOW).get('a')?.reboot,
    { error: ['HOST_NOT_DISABLED'] },
    'never an ordinary rule',
  )
})

t.test('two reboots in one instant: exactly one wins', async t => {
  const first = claim(pool(), DEFAULT_POLICY, NOW, { host: 'a', operation: 'reboot', task: 't1' })
  t.equal(first.ok, true)
  const after = withOperation(pool(), 'a', { task: 't1', operation: 'reboot' })
  const second = claim(after, DEFAULT_POLICY, NOW, { host: 'b', operation: 'shutdown', task: 't2' })
  t.match(second, {
    ok: false,
    error: ['CLUSTERED_SR_DEGRADED', 'sr'],
    reasons: [{ code: 'host-going-down', host: 'a' }],
  })
  const again = claim(after, DEFAULT_POLICY, NOW, { host: 'a', operation: 'reboot', task: 't3' })
  t.match(again, { ok: false, error: ['CLUSTERED_SR_DEGRADED', 'sr'] }, 'nor the same host twice')
  t.equal(claim(after, DEFAULT_POLICY, NOW, { host: 'd', operation: 'reboot', task: 't4' }).ok, true, 'not in the SR')
  t.strictSame(claim(pool(), DEFAULT_POLICY, NOW, { host: 'gone', operation: 'reboot', task: 't5' }), {
    ok: false,
    error: ['HANDLE_INVALID', 'host', 'gone'],
    reasons: [],
  })
})

t.test('a reboot is allowed while an evacuate runs and refused while VMs arrive', async t => {
  const running = (operation: 'evacuate' | 'vm_migrate') =>
    claim(withHost(pool(), 'a', { currentOperations: [{ task: 't1', operation }] }), DEFAULT_POLICY, NOW, {
      host: 'a',
      operation: 'reboot',
      task: 't2',
    })
  t.match(running('evacuate'), { ok: true })
  t.match(running('vm_migrate'), { error: ['OTHER_OPERATION_IN_PROGRESS', 'host', 'a', 'VM.migrate', 't1'] })
})

t.test('the incident: while A resyncs from B, B may not go down; B may once A is in sync', async t => {
  // piraeusdatastore/piraeus-operator#953: both were left Outdated.
  const running = reason('resync-running', 'vol/0', { peer: 'host-b', side: 'target', progress: 0.4 })
  const source = reason('resync-running', 'vol/0', { peer: 'host-a', side: 'source', progress: 0.4 })
  const during = withReports(
    pool(),
    received('a', { ...RESYNCING, bootId: 'boot-3', reasons: [running] }),
    received('b', { ...RESYNCING, reasons: [source] }),
  )
  t.equal(mayReboot(during), 'd')
  const after = withReports(during, received('a', { bootId: 'boot-3', seq: 11 }, NOW), received('b', { seq: 11 }, NOW))
  t.equal(mayReboot(after), 'a b c d', 'nothing is latched')
})

t.test('a host without any mirror of the SR is in sync', async t => {
  const none = { synced: 0, resyncing: 0, degraded: 0, unknown: 0 }
  t.equal(mayReboot(withReports(pool(), received('b', { mirrors: none }))), 'a b c d')
})

t.test('64 hosts with 8 SRs, every report bad: decided in a few milliseconds', async t => {
  const refs = Array.from({ length: 64 }, (_, index) => `h${index}`)
  const srs = Array.from({ length: 8 }, (_, index) => ({ ref: `sr${index}`, uuid: `uuid-sr${index}`, clustered: true }))
  const large = pool({
    hosts: refs.map(ref => host(ref)),
    srs,
    pbds: refs.flatMap(ref =>
      srs.map(sr => ({ ref: `${ref} ${sr.ref}`, host: ref, sr: sr.ref, currentlyAttached: true })),
    ),
    reports: refs.flatMap(ref =>
      srs.map(sr => ({
        host: ref,
        sr: sr.ref,
        confirmedAtMs: NOW,
        report: report(ref, { ...RESYNCING, sr: sr.uuid }),
      })),
    ),
  })
  const samples = Array.from({ length: 50 }, () => {
    const start = performance.now()
    decide(large, DEFAULT_POLICY, NOW)
    return performance.now() - start
  })
  const best = Math.min(...samples)
  t.comment(`best of 50: ${best.toFixed(2)} ms`)
  t.ok(best < 10, 'far below, but this machine may be busy')
})
