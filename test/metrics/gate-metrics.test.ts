import t from 'tap'
import { decide } from '../../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import type { PoolSnapshot } from '../../src/allowed-operations/pool/pool-snapshot.ts'
import { GateMetrics } from '../../src/metrics/gate-metrics.ts'
import {
  host,
  MINUTE_MS,
  NOW,
  pool as poolOfThree,
  RESYNCING,
  received,
  SR,
  withReports,
} from '../allowed-operations/pool-of-three.ts'
import { figures } from './parse-exposition.ts'

/** The metrics of a pool that the test replaces. */
function watched(pool: PoolSnapshot) {
  const shown = { pool, atMs: NOW }
  const metrics = new GateMetrics({
    snapshot: () => ({ ...shown, verdicts: decide(shown.pool, DEFAULT_POLICY, shown.atMs), policy: DEFAULT_POLICY }),
  })
  const figure = async (name: string) => figures(await metrics.render(), `resync_monitor_gate_${name}`)
  return { shown, metrics, figure }
}

const OPERATIONS = ['shutdown', 'reboot', 'apply_updates']

function blocked(hosts: Readonly<Record<string, 0 | 1>>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.entries(hosts).flatMap(([host, figure]) => OPERATIONS.map(each => [`uuid-${host} ${each}`, figure])),
  )
}

/** Expected counts of `not-synced` for each operation of each of these hosts. */
function reasonsOf(hosts: string, figure: number): Readonly<Record<string, number>> {
  const keys = Array.from(hosts, host => OPERATIONS.map(each => `uuid-${host} ${each} not-synced`))
  return Object.fromEntries(keys.flat().map(key => [key, figure]))
}

t.test('the names of hosts and SRs have series beside their UUIDs, which disappear with them', async t => {
  const hosts = [host('a', { nameLabel: 'Alpha' }), host('b')]
  const shown = { pool: poolOfThree({ hosts, srs: [{ ...SR, nameLabel: 'mirrored' }] }) }
  const metrics = new GateMetrics({
    snapshot: () => ({
      atMs: NOW,
      pool: shown.pool,
      verdicts: new Map(),
      policy: DEFAULT_POLICY,
    }),
  })
  const info = async (of: string) => figures(await metrics.render(), `resync_monitor_${of}_info`)
  t.strictSame(await info('host'), { 'uuid-a Alpha': 1, 'uuid-b host-b': 1 })
  t.strictSame(await info('sr'), { 'uuid-sr mirrored': 1 })
  shown.pool = poolOfThree({ hosts: [host('a', { nameLabel: 'Omega' })] })
  t.strictSame(await info('host'), { 'uuid-a Omega': 1 })
  t.strictSame(await info('sr'), {})
})

t.test('the blocked operations of each host, and their reasons', async t => {
  const { shown, figure } = watched(poolOfThree())
  t.strictSame(await figure('blocked'), blocked({ a: 0, b: 0, c: 0, d: 0 }))
  t.strictSame(await figure('reasons'), {})
  shown.pool = withReports(poolOfThree(), received('b', RESYNCING))
  t.strictSame(await figure('blocked'), blocked({ a: 1, b: 1, c: 1, d: 0 }), 'the other hosts of its SR, too')
  t.strictSame(await figure('reasons'), reasonsOf('abc', 1))
  shown.pool = poolOfThree()
  t.strictSame(await figure('blocked'), blocked({ a: 0, b: 0, c: 0, d: 0 }))
  t.strictSame(await figure('reasons'), reasonsOf('abc', 0), 'the series of a code stays')
  shown.pool = poolOfThree({ hosts: poolOfThree().hosts.filter(({ ref }) => ref === 'd') })
  t.strictSame(await figure('blocked'), blocked({ d: 0 }), 'the series of a host that left the pool do not')
  t.strictSame(await figure('reasons'), {})
  shown.pool = poolOfThree()
  t.strictSame(await figure('reasons'), {}, 'a host that returns starts without series of codes')
})

t.test('the hosts that reasons name, and the reasons', async t => {
  const { shown, figure } = watched(withReports(poolOfThree(), received('b', RESYNCING)))
  t.strictSame(await figure('reasons_about'), { 'uuid-b not-synced': 1 }, 'once, however many hosts it blocks')
  shown.pool = poolOfThree({ reports: poolOfThree().reports.filter(({ host }) => host !== 'c') })
  t.strictSame(await figure('reasons_about'), { 'uuid-b not-synced': 0, 'uuid-c no-report': 1 })
  shown.pool = poolOfThree({ hosts: poolOfThree().hosts.filter(({ ref }) => ref !== 'b') })
  t.strictSame(await figure('reasons_about'), { 'uuid-c no-report': 0 })
})

t.test('a host without a verdict is blocked', async t => {
  const pool = poolOfThree()
  const metrics = new GateMetrics({
    snapshot: () => ({ pool, atMs: NOW, verdicts: new Map(), policy: DEFAULT_POLICY }),
  })
  t.strictSame(figures(await metrics.render(), 'resync_monitor_gate_blocked'), blocked({ a: 1, b: 1, c: 1, d: 1 }))
})

t.test('an override unblocks its host, has a series, and ends', async t => {
  const override = { host: 'a', reason: 'r', by: 'me', createdMs: NOW - MINUTE_MS, expiresMs: NOW + MINUTE_MS }
  const pool = withReports(poolOfThree({ overrides: [override, override] }), received('b', RESYNCING))
  const { shown, figure } = watched(pool)
  t.strictSame(await figure('blocked'), blocked({ a: 0, b: 1, c: 1, d: 0 }))
  t.strictSame(await figure('overrides_active'), { '': 1 }, 'two overrides of one host count once')
  t.match(await figure('override_active'), { 'uuid-a': 1, 'uuid-b': 0, 'uuid-c': 0, 'uuid-d': 0 })
  t.match(await figure('reasons'), { 'uuid-a reboot not-synced': 1 }, 'the reason is still counted')
  shown.atMs = NOW + MINUTE_MS
  t.strictSame(await figure('blocked'), blocked({ a: 1, b: 1, c: 1, d: 0 }))
  t.strictSame(await figure('overrides_active'), { '': 0 })
})

t.test('the age of the newest report of each host and SR', async t => {
  const reports = [
    received('a', {}, NOW - 20_000),
    received('a', {}, NOW - 5_000),
    received('a', {}, NOW - 30_000),
    received('b', {}, NOW + 2_000),
    received('c', {}, Number.NaN),
    received('gone'),
  ]
  const { shown, figure } = watched(poolOfThree({ reports }))
  t.strictSame(await figure('report_age_seconds'), { 'uuid-a uuid-sr': 5, 'uuid-b uuid-sr': 0 })
  shown.pool = poolOfThree({ reports: [] })
  t.strictSame(await figure('report_age_seconds'), {})
})

t.test('computations and polls are counted', async t => {
  const { metrics, figure } = watched(poolOfThree())
  t.strictSame(await figure('polls_total'), { answered: 0, failed: 0 })
  metrics.recomputed(3)
  metrics.polled('failed')
  metrics.polled('failed')
  metrics.polled('answered')
  t.strictSame(await figure('polls_total'), { answered: 1, failed: 2 })
  t.strictSame(await figure('recompute_duration_seconds_sum'), { '': 0.003 })
  t.match(await figure('recompute_duration_seconds_bucket'), { 0.0025: 0, 0.005: 1, '+Inf': 1 })
})
