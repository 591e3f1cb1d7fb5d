import t from 'tap'
import { isPoolAnswer } from '../../src/agent-api/plugin-functions.ts'
import { decide } from '../../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY, type GatePolicy } from '../../src/allowed-operations/pool/gate-policy.ts'
import type { PoolSnapshot } from '../../src/allowed-operations/pool/pool-snapshot.ts'
import { observeSrs } from '../../src/allowed-operations/rules/sr-members.ts'
import { canRebootAnswer, gateAnswer, resolveHosts } from '../../src/coordinator/gate-answer.ts'
import { answerPlugin } from '../../src/coordinator/pool-plugins.ts'
import type { GateVerdicts } from '../../src/updater/pool-port.ts'
import {
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

const NAMED_A = { uuid: 'uuid-a', name: 'host-a' }
const NAMED_B = { uuid: 'uuid-b', name: 'host-b' }
const NAMED_SR = { uuid: 'uuid-sr', name: 'mirrored' }

function verdictsFor(snapshot: PoolSnapshot, policy: GatePolicy = DEFAULT_POLICY): GateVerdicts {
  const pool = { ...snapshot, srs: snapshot.srs.map(sr => ({ nameLabel: 'mirrored', ...sr })) }
  const srs = observeSrs(pool, policy, NOW)
  return { atMs: NOW, coordinator: 'a', policy, pool, srs, hosts: decide(pool, policy, NOW, srs) }
}

const gateOf = (verdicts: GateVerdicts, only?: string) => JSON.parse(gateAnswer(verdicts, only))

function canReboot(snapshot: PoolSnapshot, refs: readonly string[], policy?: GatePolicy) {
  return JSON.parse(canRebootAnswer(verdictsFor(snapshot, policy), new Set(refs)))
}

const codes = (answer: { reasons: readonly { code: string; host: { name: string } }[] }) =>
  answer.reasons.map(({ code, host: { name } }) => `${code}@${name}`).join(' ')

t.test('everything is in sync', t => {
  const answer = gateOf(verdictsFor(withHost(pool(), 'b', { enabled: true })))
  t.ok(isPoolAnswer('gate', answer))
  t.match(answer, { at: '2026-11-22T16:00:00.000Z', coordinator: NAMED_A })
  t.equal(answer.hosts.length, 4)
  t.match(answer.hosts[0], { ...NAMED_A, live: true, enabled: false, reasons: [], override: null })
  t.match(answer.hosts[0].operations, { reboot: null, power_on: ['HOST_IS_LIVE', 'a'] })
  t.match(answer.hosts[1], { enabled: true, operations: { reboot: ['HOST_NOT_DISABLED'] } })
  t.notOk('reasonsOmitted' in answer.hosts[0])
  t.end()
})

t.test(
  'one host is not in sync: the answer for every host of the SR has the reason, its since and what clears it',
  t => {
    const reasons = [{ code: 'resync-running', mirror: 'vol-7/0', clearedBy: 'time', progress: 0.4 }] as const
    const answer = gateOf(verdictsFor(withReports(pool(), received('b', { ...RESYNCING, reasons }))))
    for (const index of [0, 1, 2]) {
      t.match(answer.hosts[index], {
        operations: { reboot: ['CLUSTERED_SR_DEGRADED', 'sr'], shutdown: ['CLUSTERED_SR_DEGRADED', 'sr'] },
        reasons: [
          {
            code: 'not-synced',
            host: NAMED_B,
            sr: NAMED_SR,
            clearedBy: 'time',
            text: /^SR uuid-sr: host-b is resynchronising: vol-7\/0 is copying data/,
            since: new Date(NOW - 5 * MINUTE_MS).toISOString(),
            state: 'resyncing',
            progress: 0.4,
            mirrorReasons: reasons,
          },
        ],
      })
    }
    t.match(answer.hosts[3], { name: 'host-d', reasons: [], operations: { reboot: null } })
    t.equal(gateOf(verdictsFor(pool()), 'uuid-c').hosts.length, 1)
    t.strictSame(gateOf(verdictsFor(pool()), 'unknown').hosts, [])
    t.end()
  },
)

t.test('an object without a name is named by its UUID, one without a record by its ref', t => {
  const unnamed = pool({ srs: [{ ...SR, nameLabel: '' }] })
  const { hosts } = gateOf({ ...verdictsFor(withoutReportOf(unnamed, 'b')), coordinator: 'gone' })
  t.match(hosts[0].reasons, [{ code: 'no-report', sr: { uuid: 'uuid-sr', name: 'uuid-sr' } }])
  const { srs: _, ...rest } = pool()
  const lost = gateOf({ ...verdictsFor({ ...rest, srs: [] }), coordinator: '' })
  t.match(lost, { coordinator: null })
  t.match(lost.hosts[0].reasons[0], { code: 'sr-missing', sr: { uuid: 'sr', name: 'sr' } })
  t.end()
})

t.test('`since` is from the report, or the last confirmation, or since when the host is live', t => {
  const minutesAgo = (minutes: number) => new Date(NOW - minutes * MINUTE_MS).toISOString()
  const silentFor3 = withReports(pool(), received('b', {}, NOW - 3 * MINUTE_MS))
  const table: readonly (readonly [PoolSnapshot, string, string | null])[] = [
    [withReports(pool(), received('b', RESYNCING)), 'not-synced', minutesAgo(5)],
    [silentFor3, 'lease-expired', minutesAgo(3)],
    [withHost(silentFor3, 'b', { live: false }), 'host-not-live', minutesAgo(3)],
    [withHost(withoutReportOf(pool(), 'b'), 'b', { live: false }), 'host-not-live', null],
    [withoutReportOf(pool(), 'b'), 'no-report', minutesAgo(10)],
    [withHost(pool(), 'b', { leaving: true }), 'host-leaving', null],
  ]
  for (const [snapshot, code, since] of table) {
    t.match(gateOf(verdictsFor(snapshot)).hosts[0].reasons[0], { code, host: NAMED_B, since }, code)
  }
  const complaint = { code: 'peer-disk-not-up-to-date', mirror: 'v/0', clearedBy: 'operator', peer: 'host-b' } as const
  const contradicted = gateOf(
    verdictsFor(withReports(pool(), received('a', { state: 'degraded', reasons: [complaint], since: minutesAgo(2) }))),
  )
  t.match(contradicted.hosts[0].reasons[1], { code: 'contradicted-by-peer', host: NAMED_B, since: minutesAgo(2) })
  const unreadable = { host: 'b', sr: 'sr', confirmedAtMs: NOW, problem: { device: null, code: 'bad-json', text: 'x' } }
  t.match(gateOf(verdictsFor(withReports(pool(), unreadable))).hosts[0].reasons[0], {
    code: 'report-unreadable',
    since: null,
  })
  t.end()
})

t.test('an answer contains an override that is in force and one that has expired', t => {
  const snapshot = withReports(pool(), received('b', RESYNCING))
  const override = { host: 'a', reason: 'disk swap', by: 'ada', createdMs: NOW - MINUTE_MS, expiresMs: NOW + MINUTE_MS }
  const inForce = gateOf(verdictsFor({ ...snapshot, overrides: [override] }))
  const expected = { reason: 'disk swap', by: 'ada', expiresAt: new Date(NOW + MINUTE_MS).toISOString(), inForce: true }
  t.match(inForce.hosts[0], { operations: { reboot: null }, override: expected, reasons: [{ code: 'not-synced' }] })
  t.match(inForce.hosts[1], { override: null, operations: { reboot: ['CLUSTERED_SR_DEGRADED', 'sr'] } })
  const over = gateOf(verdictsFor({ ...snapshot, overrides: [{ ...override, expiresMs: NOW }] }))
  t.match(over.hosts[0], { override: { inForce: false }, reasons: [{}, { code: 'override-expired' }] })

  t.match(canReboot({ ...snapshot, overrides: [override] }, ['a']), {
    canReboot: true,
    error: null,
    reasons: [{ code: 'not-synced', text: /allowed by override of ada/ }],
  })
  t.match(canReboot({ ...snapshot, overrides: [override] }, ['a', 'b']), { canReboot: false }, 'for its host alone')
  t.end()
})

t.test('whether hosts may be down together', t => {
  const well = canReboot(withHost(pool(), 'a', { enabled: true }), ['a'])
  t.ok(isPoolAnswer('can-reboot', well))
  t.strictSame(
    well,
    { canReboot: true, hosts: [{ ...NAMED_A, enabled: true }], error: null, reasons: [] },
    'an enabled host does not prevent it',
  )
  const two = canReboot(pool(), ['a', 'b'])
  t.match(two, { canReboot: false, hosts: [NAMED_A, NAMED_B], error: ['CLUSTERED_SR_DEGRADED', 'uuid-sr'] })
  t.equal(codes(two), 'one-at-a-time@host-a one-at-a-time@host-b')
  t.match(canReboot(pool(), ['a', 'd']), { canReboot: true }, 'd shares no storage with it')
  t.match(canReboot(withReports(pool(), received('b', RESYNCING)), ['a']), {
    canReboot: false,
    error: ['CLUSTERED_SR_DEGRADED', 'uuid-sr'],
    reasons: [{ code: 'not-synced', host: NAMED_B }],
  })
  const busy = withHost(pool(), 'd', { currentOperations: [{ task: 'task', operation: 'apply_updates' }] })
  t.match(canReboot(busy, ['d']), {
    canReboot: false,
    error: ['OTHER_OPERATION_IN_PROGRESS', 'host', 'uuid-d', 'apply_updates', 'task'],
    reasons: [],
  })
  t.equal(
    codes(canReboot(pool(), ['a', 'b'], PLACEMENT)),
    'mirror-list-missing@host-a mirror-list-missing@host-b mirror-list-missing@host-c',
  )
  t.end()
})

t.test('hosts are found by their names', t => {
  const snapshot = { hosts: [host('a'), host('b', { nameLabel: 'twin' }), host('c', { nameLabel: 'twin' })] }
  const found = (...called: string[]) => {
    const answer = resolveHosts(snapshot, called)
    return 'refs' in answer ? [...answer.refs].join(' ') : answer.problem
  }
  t.equal(found('uuid-a', 'host-b', 'c', 'host-a'), 'a b c')
  t.match(found('host-a', 'unknown'), 'no host of the pool is called unknown')
  t.match(found('twin'), 'several hosts are called twin')
  t.match(found(), 'name at least one')
  t.end()
})

t.test('the answer for a large pool that is completely out of sync can be read', t => {
  const refs = Array.from({ length: 64 }, (_, index) => `h${index}`)
  const srs = Array.from({ length: 8 }, (_, index) => ({ ref: `sr${index}`, uuid: `uuid-sr${index}`, clustered: true }))
  const reasons = Array.from({ length: 30 }, (_, index) => ({
    code: 'peer-not-connected',
    mirror: `xcp-volume-0a0a0a0a-0000-4000-8000-0000000000${index}/0`,
    peer: 'another-host.example.org',
    clearedBy: 'time' as const,
  }))
  const snapshot = pool({
    hosts: refs.map(ref => host(ref)),
    srs,
    pbds: srs.flatMap(({ ref: sr }) =>
      refs.map(ref => ({ ref: `${sr}-${ref}`, host: ref, sr, currentlyAttached: true })),
    ),
    reports: srs.flatMap(({ ref: sr, uuid }) =>
      refs.map(ref => ({ ...received(ref, { ...RESYNCING, sr: uuid, reasons }), sr })),
    ),
  })
  const verdicts = verdictsFor(snapshot)
  const text = gateAnswer(verdicts, undefined)
  t.ok(Buffer.byteLength(text) < 1_000_000, `${Buffer.byteLength(text)} bytes`)
  const answer = JSON.parse(text)
  t.ok(isPoolAnswer('gate', answer))
  const [first] = answer.hosts
  t.equal(first.reasons.length + first.reasonsOmitted, 512)
  t.equal(first.reasons[0].mirrorReasons.length + first.reasons[0].mirrorReasonsOmitted, 30)
  t.ok(
    gateOf(verdicts, 'uuid-h1').hosts[0].reasons.length > first.reasons.length,
    'an answer about one host contains more',
  )
  t.end()
})

t.test('during a rolling upgrade a host offers fewer operations, with the reason', t => {
  const { hosts } = gateOf(verdictsFor(pool({ rollingUpgrade: true })))
  t.match(hosts[0].operations, { reboot: ['NOT_SUPPORTED_DURING_UPGRADE'], evacuate: null })
  t.end()
})

t.test('the plugin of an embedded pool answers for the gate and forwards the rest to agents', async t => {
  const gate = { verdicts: () => verdictsFor(pool()), snapshot: () => pool() }
  const agentOf = (uuid: string) => (uuid === 'uuid-a' ? '/nowhere/agent.sock' : undefined)
  const call = (fn: string, args: Record<string, string> = {}, ref = 'a', plugin = 'resync-monitor') =>
    answerPlugin({ host: ref, plugin, fn, args, signal: new AbortController().signal }, gate, agentOf)
  const resultOf = (answer: object) => JSON.parse('result' in answer ? String(answer.result) : '{}')
  t.equal(resultOf(await call('gate', {}, 'd')).hosts.length, 4, 'the same on every host')
  t.equal(resultOf(await call('gate', { host: 'uuid-b' })).hosts.length, 1)
  t.match(resultOf(await call('can-reboot', { hosts: 'host-a, uuid-b' })), { canReboot: false })
  t.match(resultOf(await call('can-reboot', { hosts: '["host-a"]' })), { canReboot: true })
  const failed = async (answer: Promise<object>, exception: string) =>
    t.match(await answer, { error: ['XENAPI_PLUGIN_FAILURE', String, exception, String] })
  await failed(call('can-reboot'), 'InvalidArgument')
  await failed(call('can-reboot', { hosts: 'unknown' }), 'InvalidArgument')
  await failed(call('status', {}, 'b'), 'NoAgent')
  await failed(call('report', {}), 'AgentUnreachable')
  await failed(call('reboot'), 'UnknownFunction')
  t.match(await call('gate', {}, 'a', 'other'), { error: ['XENAPI_MISSING_PLUGIN', 'other'] })
})

t.test('a host is also found by a unique beginning of its UUID', t => {
  const uuids = ['0a0a0a0a-0000-4000-8000-000000000001', '0a0a0b0b-0000-4000-8000-000000000002']
  const hosts = uuids.map((uuid, index) => host(`${index}`, { uuid, hostname: index === 0 ? '0a0a0b' : 'other' }))
  t.match(resolveHosts({ hosts }, ['0A0A0a']), { refs: new Set(['0']) })
  t.match(resolveHosts({ hosts }, ['0a0a0b0']), { refs: new Set(['1']) })
  t.match(resolveHosts({ hosts }, ['0a0a0b']), { refs: new Set(['0']) }, 'a complete name comes first')
  t.match(resolveHosts({ hosts }, ['0a0a']), { problem: /several hosts are called 0a0a/ })
  t.match(resolveHosts({ hosts }, ['0a0']), { problem: /no host of the pool is called 0a0/ })
  t.end()
})
