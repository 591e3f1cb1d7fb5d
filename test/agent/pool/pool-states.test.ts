import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { poolStatesOf } from '../../../src/agent/pool/pool-state-of-gate.ts'
import { PoolStates } from '../../../src/agent/pool/pool-states.ts'
import type { GateAnswer, GateReasonAnswer } from '../../../src/agent-api/answers.ts'
import { PoolRefusal } from '../../../src/agent-api/pool-methods.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'

const DEADLINE_MS = 30_000
const HOST = 'uuid-a'
const SR = 'uuid-sr'

interface Tap {
  teardown(end: () => unknown): void
  fail(why: string): void
}

async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`)
    await sleep(2)
  }
}

function reason(code: string, more: Partial<GateReasonAnswer> = {}): GateReasonAnswer {
  const [host, sr] = [
    { uuid: 'uuid-b', name: 'hostB' },
    { uuid: SR, name: 'mirrored' },
  ]
  return { code, host, sr, clearedBy: 'time', text: `${code}!`, since: null, ...more }
}

function gate(reasons: readonly GateReasonAnswer[] = [], coordinator = HOST, reasonsOmitted?: number): GateAnswer {
  const host = { uuid: HOST, name: 'hostA', live: true, enabled: true, operations: {}, reasons, override: null }
  const omitted = reasonsOmitted === undefined ? {} : { reasonsOmitted }
  return { at: '', coordinator: { uuid: coordinator, name: '' }, hosts: [{ ...host, ...omitted }] }
}

t.test("the state of an SR from the gate's answer", t => {
  const stateOf = (reasons: readonly GateReasonAnswer[], sr = SR) => poolStatesOf(gate(reasons), HOST)(sr)
  t.strictSame(stateOf([]), { state: 'synced', sentences: [] })
  const resyncing = reason('not-synced', { state: 'resyncing' })
  t.strictSame(stateOf([resyncing]), { state: 'resyncing', sentences: ['not-synced!'] })
  t.strictSame(stateOf([resyncing], 'another'), { state: 'synced', sentences: [] })
  t.equal(stateOf([resyncing, reason('host-not-live')]).state, 'degraded')
  t.equal(stateOf([resyncing, reason('lease-expired'), reason('host-not-live')]).state, 'unknown')
  t.equal(stateOf([reason('code-of-2030')]).state, 'unknown')
  t.equal(stateOf([reason('last-replica', { state: 'synced' })]).state, 'degraded', 'what blocks is not synced')
  t.equal(stateOf([reason('override-expired')]).state, 'synced', 'that does not block')
  t.match(poolStatesOf(gate(), 'another host')(SR), { state: 'unknown', sentences: [/does not know this host/] })
  t.match(poolStatesOf(gate([], HOST, 7), HOST)(SR), {
    state: 'unknown',
    sentences: [/7 more/],
  })
  t.end()
})

/** A pool that a test can change, and the pool states of a host. */
function statesOf(t: Tap) {
  const pool = {
    coordinator: HOST,
    reasons: [] as readonly GateReasonAnswer[],
    refusal: null as PoolRefusal | null,
    rolePolls: 0,
    gatePolls: 0,
  }
  const clock = { now: 0 }
  const states = new PoolStates({
    questions: {
      isCoordinator: async () => {
        pool.rolePolls += 1
        if (pool.refusal !== null) throw pool.refusal
        return pool.coordinator === HOST
      },
      gateOfThisHost: async () => {
        pool.gatePolls += 1
        if (pool.refusal !== null) throw pool.refusal
        return gate(pool.reasons, pool.coordinator)
      },
    },
    host: HOST,
    clock: { ...machineClock, steadyNow: () => clock.now },
    onBug: bug => t.fail(String(bug)),
    pace: { gateEveryMs: 5, roleEveryMs: 5, atMostEveryMs: 1, validForMs: 30_000, timeoutMs: 20_000 },
  })
  t.teardown(() => states.close())
  const state = () => states.of(SR)?.state ?? null
  return { pool, clock, states, state, becomes: (what: string | null) => until(`${what}`, () => state() === what) }
}

t.test('the coordinator has the state of the pool; other hosts have none', async t => {
  const { pool, state, states, becomes } = statesOf(t)
  t.match(states.of(SR), { state: 'unknown', sentences: [/has not been asked yet/] }, 'it may be the coordinator')
  await becomes('synced')
  pool.reasons = [reason('not-synced', { state: 'resyncing' })]
  await becomes('resyncing')
  pool.coordinator = 'another'
  await becomes(null)
  const gatePolls = pool.gatePolls
  const rolePolls = pool.rolePolls
  await until('the role is polled', () => pool.rolePolls > rolePolls + 3)
  t.equal(pool.gatePolls, gatePolls, 'and the gate is not polled')
  pool.coordinator = HOST
  await becomes('resyncing')
  t.equal(state(), 'resyncing')
})

t.test('an answer that is too old does not count, and the sentence says why there is no newer one', async t => {
  const { pool, clock, states, becomes } = statesOf(t)
  await becomes('synced')
  pool.refusal = new PoolRefusal('toolstackUnreachable', 'the toolstack cannot be reached: ECONNREFUSED')
  const polled = pool.gatePolls
  await until('the gate is polled again', () => pool.gatePolls > polled + 1)
  t.match(states.of(SR), { state: 'synced' }, 'the last answer is valid for a while')
  clock.now += 30_001
  t.match(states.of(SR), { state: 'unknown', sentences: [/state of the pool is not known: .*ECONNREFUSED/] })
  pool.refusal = null
  await becomes('synced')
})

t.test('without a toolstack or without a gate there is no pool state', async t => {
  for (const kind of ['noToolstack', 'noGate'] as const) {
    const { pool, states, becomes } = statesOf(t)
    pool.refusal = new PoolRefusal(kind, 'none')
    await becomes(null)
    pool.refusal = null
    await becomes('synced')
    states.forget()
    t.equal(states.of(SR)?.state, 'unknown', 'the state of another pool is unknown')
    await becomes('synced')
  }
})

t.test('a gate that disappears leaves the pool unknown, not synced', async t => {
  const { pool, clock, states, becomes } = statesOf(t)
  await becomes('synced')
  pool.refusal = new PoolRefusal('noGate', 'no gate answers for this pool')
  const polled = pool.gatePolls
  await until('the gate is polled again', () => pool.gatePolls > polled + 1)
  clock.now += 30_001
  t.match(states.of(SR), { state: 'unknown', sentences: [/no gate answers/] })
})

t.test('after a transition the gate is polled at once', async t => {
  let polled = 0
  const states = new PoolStates({
    questions: {
      isCoordinator: async () => true,
      gateOfThisHost: async () => {
        polled += 1
        return gate()
      },
    },
    host: HOST,
    clock: { ...machineClock, steadyNow: () => 0 },
    onBug: bug => t.fail(String(bug)),
    pace: { gateEveryMs: 3_600_000, roleEveryMs: 3_600_000, atMostEveryMs: 1, validForMs: 1_000, timeoutMs: 20_000 },
  })
  t.teardown(() => states.close())
  await until('the first', () => polled === 1)
  states.hurry()
  await until('the second', () => polled === 2)
  t.equal(states.of(SR)?.state, 'synced')
})

t.test('an error of this program is reported, and the polls continue', async t => {
  const bugs: unknown[] = []
  const states = new PoolStates({
    questions: {
      isCoordinator: async () => {
        if (bugs.length < 2) throw new TypeError('a bug')
        return false
      },
      gateOfThisHost: async () => gate(),
    },
    host: HOST,
    clock: { ...machineClock, steadyNow: () => 0 },
    onBug: bug => bugs.push(bug),
    pace: { gateEveryMs: 5, roleEveryMs: 5, atMostEveryMs: 1, validForMs: 1_000, timeoutMs: 20_000 },
  })
  t.teardown(() => states.close())
  await until('the error is reported', () => bugs.length === 1)
  t.match(states.of(SR), { state: 'unknown', sentences: [/a bug/] })
  await until('the polls continue', () => states.of(SR) === null)
})
