import t from 'tap'
import { decide } from '../../../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY } from '../../../src/allowed-operations/pool/gate-policy.ts'
import type { HostSnapshot, Override, PoolSnapshot } from '../../../src/allowed-operations/pool/pool-snapshot.ts'
import { observeSrs } from '../../../src/allowed-operations/rules/sr-members.ts'
import { type BlockCause, blockCause } from '../../../src/stock-pool/levers/block-cause.ts'
import type { Reservation } from '../../../src/stock-pool/levers/reservation.ts'
import type { Report } from '../../../src/sync-query/report/report.ts'

const NOW = Date.UTC(2026, 11, 1)
const SR = 'OpaqueRef:sr'
const NAMES = ['a', 'b', 'c'] as const
type Name = (typeof NAMES)[number]

interface Situation {
  /** Default: every host is enabled. */
  readonly disabled?: readonly Name[]
  readonly resyncing?: readonly Name[]
  readonly down?: readonly Name[]
  readonly going?: readonly Name[]
  readonly overrides?: readonly Override[]
  readonly reserved?: Name
  /** Hosts with a PBD. Default: all. */
  readonly members?: readonly Name[]
}

function hostOf(name: Name, { disabled = [], down = [], going = [] }: Situation): HostSnapshot {
  return {
    ref: name,
    uuid: name,
    enabled: !disabled.includes(name),
    live: !down.includes(name),
    liveSinceMs: null,
    bootTimeMs: null,
    powerOnMode: '',
    currentOperations: going.includes(name) ? [{ task: 'OpaqueRef:task', operation: 'shutdown' }] : [],
    allowedOperations: [],
    leaving: going.includes(name),
  }
}

function reportOf(name: Name, { resyncing = [] }: Situation): Report {
  const isBad = resyncing.includes(name)
  const at = new Date(NOW).toISOString()
  return {
    schema: 1,
    host: name,
    sr: SR,
    bootId: 'b0b0b0b0-0000-4000-8000-000000000001',
    seq: 1,
    at,
    state: isBad ? 'resyncing' : 'synced',
    since: at,
    mirrors: { synced: isBad ? 0 : 1, resyncing: isBad ? 1 : 0, degraded: 0, unknown: 0 },
    outOfSyncBytes: isBad ? 4_096 : 0,
    progress: null,
    etaSeconds: null,
    reasons: [],
  }
}

function causeIn(situation: Situation): BlockCause['kind'] | null {
  const { members = NAMES, overrides = [], reserved } = situation
  const pool: PoolSnapshot = {
    hosts: NAMES.map(name => hostOf(name, situation)),
    srs: [{ ref: SR, clustered: true, type: 'resync-monitor' }],
    pbds: members.map(host => ({ ref: `pbd-${host}`, host, sr: SR, currentlyAttached: true })),
    tasks: [],
    reports: members.map(host => ({ host, sr: SR, confirmedAtMs: NOW, report: reportOf(host, situation) })),
    overrides,
    powerOnPlugin: true,
    rollingUpgrade: false,
  }
  const srs = observeSrs(pool, DEFAULT_POLICY, NOW)
  const verdicts = decide(pool, DEFAULT_POLICY, NOW, srs)
  const reservations: readonly Reservation[] =
    reserved === undefined ? [] : [{ host: reserved, by: 'root', expiresMs: NOW + 1 }]
  return blockCause({ pool, srs, verdicts, reservations })?.kind ?? null
}

const overrideOf = (host: Name): Override => ({ host, reason: 'tested', createdMs: NOW, expiresMs: NOW + 60_000 })

t.test('one disabled host may go while all is in sync', async t => {
  t.equal(causeIn({}), null)
  t.equal(causeIn({ disabled: ['a'] }), null)
})

t.test('a host that resynchronises, is down or goes down blocks the pool', async t => {
  t.equal(causeIn({ disabled: ['a'], resyncing: ['b'] }), 'storage')
  t.equal(causeIn({ disabled: ['a'], resyncing: ['a'] }), 'storage')
  t.equal(causeIn({ disabled: ['a'], down: ['b'] }), 'storage')
  t.equal(causeIn({ disabled: ['a'], going: ['a'] }), 'storage')
  t.equal(causeIn({ resyncing: ['b'] }), 'storage', 'no host is disabled yet')
})

t.test('a host without a PBD of the SR does not block', async t => {
  t.equal(causeIn({ disabled: ['a'], down: ['c'], members: ['a', 'b'] }), null)
  t.equal(causeIn({ disabled: ['a', 'c'], members: ['a', 'b'] }), null)
})

t.test('two disabled hosts claim the same reboot', async t => {
  t.equal(causeIn({ disabled: ['a', 'b'] }), 'claims')
  t.equal(causeIn({ disabled: ['a', 'b', 'c'] }), 'claims')
})

t.test('a reservation says which of two disabled hosts goes, and lifts nothing else', async t => {
  t.equal(causeIn({ disabled: ['a', 'b'], reserved: 'a' }), null)
  t.equal(causeIn({ disabled: ['a', 'b'], reserved: 'c' }), 'claims', 'the reserved host is not disabled')
  t.equal(causeIn({ disabled: ['a', 'b'], reserved: 'a', resyncing: ['c'] }), 'storage')
})

t.test('an override lifts the block while every other host is enabled', async t => {
  const overrides = [overrideOf('a')]
  t.equal(causeIn({ disabled: ['a'], resyncing: ['b'], overrides }), null)
  t.equal(causeIn({ disabled: ['a', 'c'], resyncing: ['b'], overrides }), 'storage', 'c could go as well')
  t.equal(causeIn({ disabled: ['a'], resyncing: ['b'], going: ['a'], overrides }), 'storage', 'it has gone')
  t.equal(causeIn({ disabled: ['c'], resyncing: ['b'], overrides }), 'storage', 'another host is disabled')
  t.equal(
    causeIn({ disabled: ['a'], resyncing: ['b'], overrides: [overrideOf('a'), overrideOf('c')] }),
    'storage',
    'two overrides at once would let both go',
  )
})
