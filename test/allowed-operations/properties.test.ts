import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { claim } from '../../src/allowed-operations/claim.ts'
import { decide } from '../../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY, type GatePolicy } from '../../src/allowed-operations/pool/gate-policy.ts'
import { HOST_OPERATIONS } from '../../src/allowed-operations/pool/host-operation.ts'
import type { HostSnapshot, PoolSnapshot, ReceivedReport } from '../../src/allowed-operations/pool/pool-snapshot.ts'
import { ordinaryErrors } from '../../src/allowed-operations/rules/ordinary-rules.ts'
import { canReboot } from '../../src/allowed-operations/rules/storage-rule.ts'
import type { MirrorListEntry, ReportReason } from '../../src/sync-query/report/report.ts'
import { SYNC_STATES, type SyncState } from '../../src/sync-query/state.ts'
import {
  DEGRADED,
  host,
  iso,
  NOW,
  PLACEMENT,
  pool,
  received,
  report,
  withOperation,
  withReports,
} from './pool-of-three.ts'

const REFS = ['a', 'b', 'c', 'd'] as const
const SRS = ['sr', 'sr2'] as const
const POLICIES = [DEFAULT_POLICY, PLACEMENT]

/** Moments around now, and an invalid one. */
const moments = fc.oneof(fc.integer({ min: NOW - 200_000, max: NOW + 100_000 }), fc.constant(Number.NaN))
const momentsOrNull = fc.option(fc.integer({ min: NOW - 100_000, max: NOW }))

const hostChanges: fc.Arbitrary<Partial<HostSnapshot>> = fc.record({
  enabled: fc.boolean(),
  live: fc.constantFrom(true, true, true, false, null),
  liveSinceMs: momentsOrNull,
  bootTimeMs: momentsOrNull,
  hostname: fc.constantFrom('', 'peer', 'host-a', 'host-b', 'host-c.example'),
  powerOnMode: fc.constantFrom('', 'DRAC'),
  currentOperations: fc.array(fc.record({ task: fc.constant('t'), operation: fc.constantFrom(...HOST_OPERATIONS) }), {
    maxLength: 3,
  }),
  leaving: fc.boolean(),
})

const peers = fc.constantFrom('self', 'peer', 'host-a', 'host-b', 'uuid-c', 'storage')

const reasons: fc.Arbitrary<ReportReason> = fc.record({
  code: fc.constantFrom('resync-running', 'peer-not-connected', 'stand-alone', 'drift', 'code-of-2030'),
  mirror: fc.constantFrom('v/0', 'v/1'),
  clearedBy: fc.constantFrom('time', 'operator'),
  peer: peers,
})

const entries: fc.Arbitrary<MirrorListEntry> = fc.record({
  state: fc.constantFrom(...SYNC_STATES),
  count: fc.nat(3),
  quorum: fc.boolean(),
  replicas: fc.array(fc.record({ peer: peers, current: fc.boolean() }), { maxLength: 4 }),
})

const reports: fc.Arbitrary<ReceivedReport> = fc
  .record({
    host: fc.constantFrom(...REFS),
    sr: fc.constantFrom(...SRS),
    confirmedAtMs: moments,
    at: fc.integer({ min: NOW - 200_000, max: NOW + 100_000 }),
    bootId: fc.constantFrom('boot-1', 'boot-2'),
    seq: fc.nat(3),
    state: fc.constantFrom<SyncState>('synced', 'synced', ...SYNC_STATES),
    reasons: fc.array(reasons, { maxLength: 3 }),
    mirrorList: fc.array(entries, { maxLength: 3 }),
    problem: fc.constantFrom(null, null, null, 'not-json', 'unknown-schema'),
  })
  .map(({ host, sr, confirmedAtMs, at, problem, mirrorList, ...fields }) => {
    if (problem !== null) return { host, sr, confirmedAtMs, problem: { device: null, code: problem, text: '' } }
    const full = report(host, { ...fields, sr, at: iso(at) })
    return { host, sr, confirmedAtMs, report: mirrorList.length === 3 ? full : { ...full, mirrorList } }
  })

const pools: fc.Arbitrary<PoolSnapshot> = fc.record({
  hosts: fc
    .tuple(...REFS.map(ref => hostChanges.map(changes => host(ref, changes))))
    .chain(hosts => fc.subarray(hosts, { minLength: 1 })),
  srs: fc.subarray([
    { ref: 'sr', clustered: true },
    { ref: 'sr2', clustered: false, type: 'linstor' },
  ]),
  pbds: fc.array(
    fc.record({
      ref: fc.string(),
      host: fc.constantFrom(...REFS, 'gone'),
      sr: fc.constantFrom(...SRS),
      currentlyAttached: fc.boolean(),
    }),
    { maxLength: 8 },
  ),
  tasks: fc.constant([]),
  reports: fc.array(reports, { maxLength: 10 }),
  overrides: fc.array(fc.record({ host: fc.constantFrom(...REFS), reason: fc.string(), expiresMs: moments }), {
    maxLength: 2,
  }),
  powerOnPlugin: fc.boolean(),
  rollingUpgrade: fc.boolean(),
})

/** `host operation` of each allowed operation. */
function allowed(of: PoolSnapshot, policy: GatePolicy): Set<string> {
  return new Set(
    [...decide(of, policy, NOW)].flatMap(([ref, table]) =>
      HOST_OPERATIONS.flatMap(operation => (table[operation].allowed ? `${ref} ${operation}` : [])),
    ),
  )
}

function isWithin(part: Set<string>, whole: Set<string>): boolean {
  return [...part].every(each => whole.has(each))
}

function allowsNoMore(before: PoolSnapshot, after: PoolSnapshot, policy: GatePolicy): boolean {
  return isWithin(allowed(after, policy), allowed(before, policy))
}

t.test('total: every host and operation has a verdict, and a refusal by storage has a reason', async t => {
  fc.assert(
    fc.property(pools, fc.constantFrom(...POLICIES), (of, policy) => {
      const verdicts = decide(of, policy, NOW)
      return of.hosts.every(({ ref }) =>
        HOST_OPERATIONS.every(operation => {
          const verdict = verdicts.get(ref)?.[operation]
          if (verdict === undefined) return false
          if (verdict.allowed) return verdict.reasons.every(each => each.override !== undefined)
          return verdict.error[0] !== 'CLUSTERED_SR_DEGRADED' || verdict.reasons.length > 0
        }),
      )
    }),
  )
  t.pass()
})

t.test('the first error stays: a refusal by the ordinary rules has their error', async t => {
  fc.assert(
    fc.property(pools, fc.constantFrom(...POLICIES), (of, policy) => {
      const verdicts = decide(of, policy, NOW)
      return of.hosts.every(each => {
        const errors = ordinaryErrors(each, of)
        return HOST_OPERATIONS.every(operation => {
          const verdict = verdicts.get(each.ref)?.[operation]
          const found = verdict === undefined || verdict.allowed ? null : verdict.error
          return errors[operation] === null || JSON.stringify(found) === JSON.stringify(errors[operation])
        })
      })
    }),
  )
  t.pass()
})

t.test('monotone: worse reports never allow more', async t => {
  const refs = fc.constantFrom(...REFS)
  fc.assert(
    fc.property(pools, refs, (of, ref) => {
      const reportIsNewest = { seq: 100, bootId: 'boot-9', at: iso(NOW) }
      const bad = received(ref, { ...DEGRADED, ...reportIsNewest, sr: 'sr' }, NOW)
      return allowsNoMore(of, withReports(of, bad), DEFAULT_POLICY)
    }),
  )
  fc.assert(
    fc.property(pools, refs, (of, ref) => {
      const dead = of.hosts.map(each => (each.ref === ref ? { ...each, live: false } : each))
      // A dead host may be powered on.
      const before = new Set([...allowed(of, DEFAULT_POLICY), `${ref} power_on`])
      return isWithin(allowed({ ...of, hosts: dead }, DEFAULT_POLICY), before)
    }),
  )
  fc.assert(
    fc.property(pools, refs, fc.constantFrom(...POLICIES), (of, ref, policy) =>
      allowsNoMore(of, { ...of, reports: of.reports.filter(each => each.host !== ref) }, policy),
    ),
  )
  t.pass()
})

t.test('the placement policy allows a set exactly if each mirror keeps a current replica', async t => {
  const sets = fc.subarray([...REFS], { minLength: 1 })
  const mirrors = fc.array(fc.subarray(['a', 'b', 'c'], { minLength: 1 }), { minLength: 1, maxLength: 4 })
  fc.assert(
    fc.property(mirrors, sets, (placements, leaving) => {
      const of = withReports(
        pool(),
        ...['a', 'b', 'c'].map(speaker =>
          received(speaker, {
            mirrorList: placements.map(hosts => ({
              state: 'synced' as const,
              count: 1,
              quorum: false,
              replicas: hosts.map(each => ({ peer: each === speaker ? 'self' : `host-${each}`, current: true })),
            })),
          }),
        ),
      )
      const safe = placements.every(hosts => hosts.some(each => !leaving.some(ref => ref === each)))
      return canReboot(of, PLACEMENT, NOW, new Set(leaving)).ok === safe
    }),
  )
  t.pass()
})

t.test('a claim is answered as `decide` answers for its host and operation', async t => {
  fc.assert(
    fc.property(pools, fc.constantFrom(...POLICIES), (of, policy) => {
      const verdicts = decide(of, policy, NOW)
      return of.hosts.every(({ ref }) =>
        HOST_OPERATIONS.every(operation => {
          const verdict = verdicts.get(ref)?.[operation]
          const answer = claim(of, policy, NOW, { host: ref, operation, task: 't' })
          const asVerdict = answer.ok
            ? { allowed: true, reasons: answer.reasons }
            : { allowed: false, error: answer.error, reasons: answer.reasons }
          return isDeepStrictEqual(asVerdict, verdict)
        }),
      )
    }),
  )
  t.pass()
})

t.test('claims: of several reboots in one instant exactly one is accepted, in any order', async t => {
  const orders = fc.shuffledSubarray(['a', 'b', 'c'], { minLength: 2 })
  fc.assert(
    fc.property(orders, fc.constantFrom('reboot', 'shutdown'), (order, operation) => {
      let of = pool()
      const winners = order.filter(ref => {
        const task = `t-${ref}`
        const answer = claim(of, DEFAULT_POLICY, NOW, { host: ref, operation, task })
        if (answer.ok) of = withOperation(of, ref, { task, operation })
        return answer.ok
      })
      return winners.length === 1 && winners[0] === order[0]
    }),
  )
  t.pass()
})
