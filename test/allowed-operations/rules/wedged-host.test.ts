import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { gateRemedy } from '../../../src/allowed-operations/reason/gate-reason.ts'
import { whatIf } from '../../../src/allowed-operations/what-if.ts'
import type { MirrorListEntry, ReportReason } from '../../../src/sync-query/report/report.ts'
import {
  codes,
  DEGRADED,
  MINUTE_MS,
  mayGoTogether,
  mayReboot,
  NOW,
  PLACEMENT,
  pool,
  reasonsOf,
  received,
  withHost,
  withoutReportOf,
  withReports,
} from '../pool-of-three.ts'

const LINES = readFileSync(join(import.meta.dirname, '../../fixtures/wedged/detaching.pools.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
const AT = Date.parse('2026-12-01T01:00:10Z')

t.test('a host with a stuck disk and without connections may go down under placement (LINBIT/drbd#137)', async t => {
  const [withQuorum, without] = LINES.map(line => whatIf(line, { rules: 'project', policy: 'placement', now: AT }))
  const may = (answer: typeof withQuorum, host: string) =>
    answer !== undefined && 'allowed_operations' in answer && answer.allowed_operations[host]?.includes('reboot')
  t.equal(may(withQuorum, 'b'), true, 'it takes no current replica from anybody')
  for (const host of ['a', 'b', 'c']) t.equal(may(without, host), true, `${host}: the view of b blocks no other host`)
  for (const host of ['a', 'c']) {
    t.equal(may(withQuorum, host), false, 'the majority of a and c is theirs alone')
    const reasons = withQuorum !== undefined && 'reasons' in withQuorum ? withQuorum.reasons[host]?.reboot : []
    t.strictSame(
      reasons?.map(({ code, host: by, clearedBy }) => [code, by, clearedBy]),
      [
        ['quorum-loss', 'a', 'operator'],
        ['quorum-loss', 'c', 'operator'],
      ],
    )
  }
  const conservative = whatIf(LINES[0] ?? '', { rules: 'project', policy: 'conservative', now: AT })
  const blocked = 'reasons' in conservative ? (conservative.reasons.b?.reboot ?? []) : []
  t.strictSame(
    blocked.map(({ code, clearedBy }) => `${code}/${clearedBy}`),
    ['not-synced/operator', 'not-synced/operator', 'not-synced/operator'],
  )
})

const replicas = (self: boolean, others: Readonly<Record<string, 'current' | 'stale' | 'away'>>) => [
  { peer: 'self', current: self },
  ...Object.entries(others).map(([peer, is]) =>
    is === 'away' ? { peer, current: false } : { peer, current: is === 'current', connected: true as const },
  ),
]

function seen(host: string, entry: Partial<MirrorListEntry>, reasons: readonly ReportReason[] = []) {
  const mirrorList = [{ state: 'degraded' as const, count: 1, mirrors: ['v/0'], quorum: false, replicas: [], ...entry }]
  const mirrors = { synced: 0, resyncing: 0, degraded: 0, unknown: 0, [entry.state ?? 'degraded']: 1 }
  return received(host, { ...DEGRADED, state: entry.state ?? 'degraded', mirrors, mirrorList, reasons })
}

const CURRENT = (host: string, others: Parameters<typeof replicas>[1]) =>
  seen(host, { replicas: replicas(true, others) })

t.test('a host that sees no current replica may go down only if others that stay see one', async t => {
  const cutOff = seen('b', { replicas: replicas(false, { 'host-a': 'away', 'host-c': 'away' }) })
  const well = withReports(
    pool(),
    CURRENT('a', { 'host-b': 'away', 'host-c': 'current' }),
    cutOff,
    CURRENT('c', { 'host-a': 'current', 'host-b': 'away' }),
  )
  t.equal(mayReboot(well, PLACEMENT), 'a b c d')
  t.equal(mayGoTogether(well, ['a', 'b']), 'yes')
  t.equal(mayGoTogether(well, ['a', 'c']), 'last-replica@a last-replica@c')
  t.equal(mayGoTogether(well, ['b', 'a', 'c']), 'last-replica@a last-replica@b last-replica@c')

  const alone = withReports(pool({ pbds: pool().pbds.filter(({ host }) => host !== 'c') }), cutOff)
  const crashed = withoutReportOf(withHost(alone, 'a', { live: false }), 'a')
  t.equal(codes(reasonsOf(crashed, 'b', PLACEMENT)), 'last-replica@b', 'it is not known what the host that is down has')

  const unnamed = withReports(well, seen('b', { replicas: replicas(false, { 'host-a': 'away' }), count: 2 }))
  t.equal(
    codes(reasonsOf(unnamed, 'b', PLACEMENT)),
    'last-replica@b',
    'a mirror without a name cannot be found in other lists',
  )
  const other = withReports(well, seen('b', { replicas: replicas(false, { 'host-a': 'away' }), mirrors: ['w/0'] }))
  t.equal(codes(reasonsOf(other, 'b', PLACEMENT)), 'last-replica@b', 'nor for another mirror')
  const unknown = withReports(well, seen('b', { state: 'unknown', replicas: replicas(false, { 'host-a': 'away' }) }))
  t.not(reasonsOf(unknown, 'a', PLACEMENT).length, 0, 'what is not known pins everybody')
})

t.test('a loss clears by time if something is in progress or a reason states it', async t => {
  const by = (reasons: readonly ReportReason[], state: MirrorListEntry['state'] = 'degraded') => {
    const of = withReports(
      pool(),
      seen('a', { state, replicas: replicas(true, { 'host-b': 'stale' }) }, reasons),
      seen('b', { state, replicas: replicas(false, { 'host-a': 'current' }) }, reasons),
      received('c', { mirrorList: [], mirrors: { synced: 0, resyncing: 0, degraded: 0, unknown: 0 } }),
    )
    return reasonsOf(of, 'a', PLACEMENT).map(({ code, clearedBy }) => `${code}/${clearedBy}`)
  }
  const cleared = (clearedBy: 'time' | 'operator', mirror = 'v/0') => ({
    code: 'peer-not-connected',
    mirror,
    clearedBy,
  })
  t.strictSame(by([]), ['last-replica/operator', 'last-replica/operator'])
  t.strictSame(by([], 'resyncing'), ['last-replica/time', 'last-replica/time'])
  t.strictSame(by([cleared('time')]), ['last-replica/time', 'last-replica/time'])
  t.strictSame(by([cleared('time'), cleared('operator')]), ['last-replica/operator', 'last-replica/operator'])
  t.strictSame(
    by([cleared('time'), cleared('operator', 'w/0')]),
    ['last-replica/time', 'last-replica/time'],
    'of this mirror',
  )
  const down = withReports(
    withoutReportOf(withHost(pool(), 'b', { live: false, leaving: true }), 'b'),
    seen('a', { replicas: replicas(true, { 'host-b': 'away' }) }, [cleared('operator')]),
    received('c', { mirrorList: [], mirrors: { synced: 0, resyncing: 0, degraded: 0, unknown: 0 } }),
  )
  t.match(
    reasonsOf(down, 'a', PLACEMENT).filter(({ code }) => code === 'last-replica'),
    [{ clearedBy: 'time' }],
    'a host with an order to reboot comes back',
  )
})

t.test('an override of the host resolves a stuck disk', async t => {
  const about = { host: { uuid: 'u', name: 'hostB' }, sr: 'sr', clearedBy: 'operator' } as const
  const { text, steps } = gateRemedy('not-synced', { ...about, mirrorReasons: [{ code: 'disk-stuck' }] })
  t.match(text, /Only a reboot of hostB clears/)
  t.match(JSON.stringify(steps), /resync-monitor override hostB --reason/)
  t.notMatch(JSON.stringify(gateRemedy('not-synced', { ...about, mirrorReasons: [] }).steps), /override/)
})

t.test('a host that is live for five minutes without a valid report needs an operator', async t => {
  for (const [minutes, clearedBy] of [
    [4, 'time'],
    [6, 'operator'],
  ] as const) {
    const of = withoutReportOf(withHost(pool(), 'b', { liveSinceMs: NOW - minutes * MINUTE_MS }), 'b')
    t.match(reasonsOf(of, 'a'), [{ code: 'no-report', clearedBy }])
  }
})
