import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { GateReason } from '../../../src/allowed-operations/reason/gate-reason.ts'
import type { HostOperationGate } from '../../../src/embedded-pool/hosts/host-operation-gate.ts'
import type { OrderEvent } from '../../../src/updater/decision-events.ts'
import { START_MS, VirtualClock } from '../../platform/time/virtual-clock.ts'
import { ask, firstOf, login, servedPool, until } from '../pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'pool-orders-'))
t.teardown(() => rmSync(folder, { recursive: true }))

const BOOT_S = START_MS / 1000 - 3_600
const BOOT = { boot_id: '1f5c0c1e-0000-4000-8000-000000000001', boot_time: `${BOOT_S}.` }
const NEXT_BOOT = { boot_id: '1f5c0c1e-0000-4000-8000-000000000002', boot_time: `${BOOT_S + 3_700}.` }
const DEGRADED = ['CLUSTERED_SR_DEGRADED', 'OpaqueRef:sr'] as const
const REASON: GateReason = { code: 'host-not-live', host: 'b', sr: 'OpaqueRef:sr', clearedBy: 'operator' }

/** Allows no reboot while another host is down or about to go down. */
const othersStay: HostOperationGate = {
  claim: (pool, { host, operation }) => {
    const isAway = pool.hosts.some(one => one.ref !== host && (one.leaving || !one.live))
    if (operation !== 'reboot' || !isAway) return { ok: true }
    return { ok: false, error: DEGRADED, reasons: [REASON] }
  },
}

/** The statements of an agent about orders, heartbeat by heartbeat. */
function agentOf(name: string) {
  let beat = 0
  const words = { last: '', refusal: '' }
  return {
    words,
    statement: () => {
      beat += 1
      const refused = words.refusal === '' ? {} : { order_refused: words.refusal }
      return { ...BOOT, agent_id: name, beat: String(beat), last_order: words.last, ...refused }
    },
  }
}

interface TearsDown {
  teardown(end: () => Promise<void>): void
}

/** A pool of two hosts with liveness by heartbeat. Tests take the second one down. */
async function pairByHeartbeat(t: TearsDown, { stateFile = join(folder, `pool-${Math.random()}`) } = {}) {
  const time = new VirtualClock()
  const events: OrderEvent[] = []
  const { pool, url } = await servedPool(t, {
    clock: time,
    gate: othersStay,
    stateFile,
    stateDelayMs: 1,
    heartbeat: { assumeDeadAfterMs: 60_000 },
    onOrder: event => events.push(event),
  })
  if (pool.list('host').length === 0) {
    for (const hostname of ['a', 'b']) pool.addHost({ hostname, bootTimeMs: BOOT_S * 1000 })
  }
  const [a, b] = pool.list('host').map(([ref]) => ref)
  if (a === undefined || b === undefined) throw new Error('expected two hosts')
  const session = await login(url)
  const tickle = (ref: string, stuff: object) => ask(url, 'host.tickle_heartbeat', session, ref, stuff)
  const host = (ref: string) => pool.poolSnapshot().hosts.find(each => each.ref === ref)
  await tickle(a, BOOT)
  await tickle(b, BOOT)
  return {
    pool,
    url,
    session,
    time,
    a,
    b,
    host,
    events,
    codes: () => events.map(({ code }) => code),
    tickle,
    call: (method: string, ...params: readonly unknown[]) => ask(url, method, session, ...params),
    /** Resolves when the order stands and is on disk. */
    reboot: async (ref: string) => {
      const call = ask(url, 'host.reboot', session, ref)
      await until(() => host(ref)?.leaving === true)
      await pool.saved()
      return { call }
    },
    /** The state file that the next pool would read if this one was killed now. */
    killed: async () => {
      await pool.saved()
      const left = `${stateFile}-${Math.random()}`
      copyFileSync(stateFile, left)
      return pairByHeartbeat(t, { stateFile: left })
    },
  }
}

function orderIdOf(answer: unknown): string {
  const id: unknown = Reflect.get(Object(answer), 'order_id')
  if (typeof id !== 'string') throw new Error(`no order: ${JSON.stringify(answer)}`)
  return id
}

t.test('an order is withdrawn and its call fails if the gate refuses when the host fetches it', async t => {
  const { a, b, host, reboot, tickle, time, events } = await pairByHeartbeat(t)
  const { call } = await reboot(a)
  // the agent of a hangs for 20 s; meanwhile b is switched off
  await tickle(b, { 'shutting-down': '1' })
  time.advance(20_000)
  t.strictSame(await tickle(a, BOOT), {})
  t.strictSame(await call, [...DEGRADED])
  t.match(host(a), { leaving: false, live: true, currentOperations: [] }, 'the order is removed')
  t.strictSame(events, [{ code: 'order-withdrawn', host: a, how: 'reboot', error: DEGRADED, reasons: [REASON] }])
})

t.test('the task of a failed order has its error', async t => {
  const { a, b, call, reboot, tickle, pool, session, url } = await pairByHeartbeat(t)
  const task = String(await ask(url, 'Async.host.reboot', session, a))
  await until(() => pool.poolSnapshot().hosts.some(({ leaving }) => leaving))
  await pool.saved()
  await tickle(b, { 'shutting-down': '1' })
  await tickle(a, BOOT)
  t.match(await call('task.get_record', task), { status: 'failure', error_info: [...DEGRADED] })
  await tickle(b, NEXT_BOOT)
  await call('host.disable', a)
  const second = await reboot(a)
  t.match(await tickle(a, BOOT), { order: 'reboot' })
  t.equal(await second.call, '')
})

t.test('at most one of two concurrent orders is handed out', async t => {
  const time = new VirtualClock()
  let isLenient = true
  const { pool, url } = await servedPool(t, {
    clock: time,
    heartbeat: { assumeDeadAfterMs: 60_000 },
    gate: { claim: (snapshot, wanted) => (isLenient ? { ok: true } : othersStay.claim(snapshot, wanted)) },
  })
  const [a, b] = ['a', 'b'].map(hostname => pool.addHost({ hostname, bootTimeMs: BOOT_S * 1000 }))
  const session = await login(url)
  const tickle = (ref: string | undefined) => ask(url, 'host.tickle_heartbeat', session, ref, BOOT)
  await tickle(a)
  await tickle(b)
  const calls = [a, b].map(ref => ask(url, 'host.reboot', session, ref))
  await until(() => pool.poolSnapshot().hosts.every(({ leaving }) => leaving))
  isLenient = false
  t.strictSame(await tickle(a), {}, 'b is about to go down')
  t.match(await tickle(b), { order: 'reboot' }, 'the order of a is gone')
  t.strictSame(await Promise.all(calls), [[...DEGRADED], ''])
})

t.test('an order expires after a minute of the steady clock', async t => {
  const { a, host, reboot, tickle, time, codes } = await pairByHeartbeat(t)
  const first = await reboot(a)
  time.nowMs += 86_400_000
  t.ok(host(a)?.leaving, 'a clock that is set forward does not expire it')
  time.nowMs -= 2 * 86_400_000
  t.match(await tickle(a, BOOT), { order: 'reboot' }, 'neither does a clock that is set back')
  t.equal(await first.call, '')
  await tickle(a, NEXT_BOOT)
  t.notOk(host(a)?.leaving)

  const second = await reboot(a)
  time.advance(59_999)
  t.ok(host(a)?.leaving)
  time.advance(1)
  t.match(await second.call, ['OPERATION_NOT_ALLOWED', /^the order to reboot has expired: .* within 60 s$/])
  t.match(host(a), { leaving: false, currentOperations: [] })
  await tickle(a, NEXT_BOOT)
  t.strictSame(await tickle(a, NEXT_BOOT), {})
  t.strictSame(codes(), ['order-handed-out', 'order-withdrawn'])
})

t.test('an order is withdrawn when its call is cancelled or its client disconnects', async t => {
  const { a, call, host, tickle, pool, session, url, codes } = await pairByHeartbeat(t)
  const task = String(await ask(url, 'Async.host.reboot', session, a))
  await until(() => host(a)?.leaving === true)
  await call('task.cancel', task)
  t.match(await call('task.get_status', task), 'cancelled')
  t.notOk(host(a)?.leaving)
  const client = new AbortController()
  const body = JSON.stringify({ method: 'host.reboot', params: [session, a], id: 1 })
  const posted = fetch(`${url}/jsonrpc`, { method: 'POST', body, signal: client.signal }).catch(() => undefined)
  await until(() => host(a)?.leaving === true)
  client.abort()
  await posted
  await until(() => host(a)?.leaving === false)
  t.strictSame(await tickle(a, BOOT), {})
  t.strictSame(codes(), ['order-withdrawn', 'order-withdrawn'])
  t.equal(pool.get('host', a)?.enabled, true)
})

t.test('after a lost answer the agent states that it has no order and gets it again', async t => {
  const { a, host, reboot, tickle } = await pairByHeartbeat(t)
  const agent = agentOf('one')
  await tickle(a, agent.statement())
  const early = agent.statement()
  const { call } = await reboot(a)
  const id = orderIdOf(await tickle(a, agent.statement()))
  t.strictSame(await tickle(a, early), {}, 'a delayed heartbeat from before the hand-out does not deny the order')
  t.ok(host(a)?.leaving)
  t.strictSame(orderIdOf(await tickle(a, agent.statement())), id)
  agent.words.last = id
  t.strictSame(await tickle(a, agent.statement()), {}, 'the host has the order now')
  await tickle(a, { 'shutting-down': '1' })
  t.equal(await call, '')
  t.match(host(a), { live: false, leaving: true, toldTo: 'reboot' })
})

t.test('after a lost answer the order is withdrawn if another host went down meanwhile', async t => {
  const { a, b, host, reboot, tickle } = await pairByHeartbeat(t)
  const agent = agentOf('one')
  await tickle(a, agent.statement())
  const { call } = await reboot(a)
  orderIdOf(await tickle(a, agent.statement()))
  await tickle(b, { 'shutting-down': '1' })
  t.strictSame(await tickle(a, agent.statement()), {})
  t.strictSame(await call, [...DEGRADED])
  t.notOk(host(a)?.leaving)
})

t.test('another agent process does not deny the order, because the previous process may have it', async t => {
  const { a, host, reboot, tickle } = await pairByHeartbeat(t)
  const agent = agentOf('one')
  await tickle(a, agent.statement())
  const { call } = await reboot(a)
  orderIdOf(await tickle(a, agent.statement()))
  const next = agentOf('two')
  for (let beats = 0; beats < 3; beats += 1) t.strictSame(await tickle(a, next.statement()), {})
  t.ok(host(a)?.leaving)
  await tickle(a, { 'shutting-down': '1' })
  t.equal(await call, '')
})

t.test('if a host refuses its order the call fails and the order is removed', async t => {
  const { a, host, reboot, tickle, events } = await pairByHeartbeat(t)
  const agent = agentOf('one')
  await tickle(a, agent.statement())
  const { call } = await reboot(a)
  agent.words.last = orderIdOf(await tickle(a, agent.statement()))
  agent.words.refusal = 'machine.reboot is not configured'
  t.strictSame(await tickle(a, agent.statement()), {})
  t.strictSame(await call, ['OPERATION_NOT_ALLOWED', 'the host does not reboot: machine.reboot is not configured'])
  t.match(host(a), { live: true, leaving: false, currentOperations: [] })
  t.strictSame(await tickle(a, agent.statement()), {}, 'a repeated statement has no effect')
  t.strictSame(events, [
    { code: 'order-handed-out', host: a, how: 'reboot' },
    { code: 'order-refused', host: a, how: 'reboot', statement: 'machine.reboot is not configured' },
  ])
})

t.test('a host that keeps running with its order is reported once and blocks until the order is cleared', async t => {
  const { a, b, call, host, reboot, tickle, time, codes, pool } = await pairByHeartbeat(t)
  const first = await reboot(a)
  t.match(await tickle(a, BOOT), { order: 'reboot' })
  t.equal(await first.call, '', 'without a statement the call ends at the hand-out')
  time.advance(30_000)
  t.match(await tickle(a, BOOT), { order: 'reboot' }, 'it may not have received the answer')
  t.match(host(a), { live: true, leaving: true, stillHere: undefined })
  for (const seconds of [60, 660, 86_400]) {
    time.advance(seconds * 1000)
    await tickle(a, BOOT)
    await tickle(b, BOOT)
    t.match(host(a), { live: true, leaving: true, stillHere: true, toldTo: 'reboot' }, `${seconds} s later`)
  }
  t.strictSame(codes(), ['order-handed-out', 'told-to-go-and-still-here'], 'reported once')
  t.strictSame(await call('host.reboot', b), [...DEGRADED])

  t.strictSame(await call('host.clear_order', b, 'x'), [
    'OPERATION_NOT_ALLOWED',
    'the host has no order to reboot or shut down',
  ])
  t.match(await call('host.clear_order', a, '  '), ['VALUE_NOT_SUPPORTED', 'reason'])
  t.equal(await call('host.clear_order', a, 'no command was configured'), '')
  t.match(host(a), { live: true, leaving: false, stillHere: undefined, currentOperations: [] })
  t.strictSame(codes().at(-1), 'order-cleared')
  const second = await reboot(b)
  t.match(await tickle(b, BOOT), { order: 'reboot' })
  t.equal(await second.call, '')
  t.equal(pool.get('host', a)?.enabled, true)
})

t.test(
  'a host that reported its shutdown and sends heartbeats a minute later in the same boot is still running',
  async t => {
    const { a, host, reboot, tickle, time, codes } = await pairByHeartbeat(t)
    const { call } = await reboot(a)
    await tickle(a, BOOT)
    await call
    await tickle(a, { 'shutting-down': '1' })
    await tickle(a, BOOT)
    t.match(host(a), { live: false, leaving: true }, 'the last seconds of its boot')
    time.advance(300_000)
    t.match(host(a), { live: false, leaving: true }, 'a long shutdown')
    await tickle(a, BOOT)
    t.match(host(a), { live: true, leaving: true, stillHere: true })
    await tickle(a, NEXT_BOOT)
    t.match(host(a), { live: true, leaving: false, stillHere: undefined })
    t.strictSame(codes(), ['order-handed-out', 'told-to-go-and-still-here'])
  },
)

t.test('after a restart of the pool old orders are not handed out; an agent without the order can deny it', async t => {
  const first = await pairByHeartbeat(t)
  const agent = agentOf('one')
  await first.tickle(first.a, agent.statement())
  const { call } = await first.reboot(first.a)
  const second = await first.killed()
  t.match(second.host(first.a), { leaving: true }, 'it is not known whether the host has the order')
  t.strictSame(await second.tickle(second.a, BOOT), {}, 'a client without statements')
  t.strictSame(await second.tickle(second.a, agentOf('two').statement()), {}, 'another agent process')
  t.match(second.host(second.a), { leaving: true })
  t.strictSame(await second.tickle(second.a, agent.statement()), {})
  t.match(second.host(second.a), { leaving: false })
  t.strictSame(second.codes(), ['order-refused'])

  agent.words.last = orderIdOf(await first.tickle(first.a, agent.statement()))
  const third = await first.killed()
  await third.tickle(third.a, agent.statement())
  t.match(third.host(third.a), { leaving: true }, 'it has the order')
  third.time.advance(60_000)
  await third.tickle(third.a, agent.statement())
  t.match(third.host(third.a), { leaving: true, stillHere: true })
  await third.tickle(third.a, { ...agent.statement(), ...NEXT_BOOT })
  t.match(third.host(third.a), { leaving: false })
  await first.tickle(first.a, { 'shutting-down': '1' })
  t.equal(await call, '')
})

t.test('a host whose toolstack restarts before it fetched its order is enabled again as before', async t => {
  const { a, pool, reboot, tickle, time, call } = await pairByHeartbeat(t)
  const first = await reboot(a)
  await tickle(a, { 'shutting-down': '1' })
  t.notOk(pool.get('host', a)?.enabled)
  time.advance(60_000)
  t.match(await first.call, ['OPERATION_NOT_ALLOWED'])
  await call('pool.hello', pool.get('host', a)?.uuid, '', BOOT)
  time.advance(1_000)
  t.ok(pool.get('host', a)?.enabled)
})

t.test('an order is not handed out if the gate throws', async t => {
  let claims = 0
  const ordered: string[] = []
  const { pool, url, bugs } = await servedPool(t, {
    machines: { goDown: host => ordered.push(host) },
    gate: {
      claim: () => {
        claims += 1
        if (claims > 1) throw new Error('a bug')
        return { ok: true }
      },
    },
  })
  const host = firstOf(pool.seed(['a']).hosts).ref
  const session = await login(url)
  t.match(await ask(url, 'host.reboot', session, host), ['INTERNAL_ERROR'])
  t.match(firstOf(pool.poolSnapshot().hosts), { leaving: false, currentOperations: [] })
  t.strictSame(ordered, [])
  t.match(bugs, [{ message: 'a bug' }])
})

t.test('invalid statements are refused and change nothing', async t => {
  const { a, tickle, pool } = await pairByHeartbeat(t)
  const statement = { ...BOOT, agent_id: 'one', beat: '1', last_order: '' }
  t.strictSame(await tickle(a, { ...statement, beat: 'x' }), ['VALUE_NOT_SUPPORTED', 'beat', 'x', 'not a whole number'])
  t.match(await tickle(a, { ...statement, agent_id: 'x'.repeat(65) }), ['VALUE_NOT_SUPPORTED', 'agent_id'])
  t.match(await tickle(a, { ...statement, last_order: 'x'.repeat(65) }), ['VALUE_NOT_SUPPORTED', 'last_order'])
  t.strictSame(await tickle(a, { ...statement, last_order: 'of another pool', order_refused: 'x'.repeat(9_999) }), {})
  t.match(firstOf(pool.poolSnapshot().hosts), { live: true, leaving: false })
})

t.test('a host that reports its shutdown after its order was cleared and keeps running becomes live again', async t => {
  const { a, host, reboot, tickle, call, time } = await pairByHeartbeat(t)
  const agent = agentOf('one')
  await reboot(a)
  agent.words.last = orderIdOf(await tickle(a, agent.statement()))
  t.equal(await call('host.clear_order', a, 'the host must keep running'), '')
  await tickle(a, { 'shutting-down': '1' })
  time.advance(59_000)
  await tickle(a, agent.statement())
  t.match(host(a), { live: false, leaving: false })
  time.advance(1_000)
  t.strictSame(await tickle(a, agent.statement()), {})
  t.match(host(a), { live: true, leaving: false })
})
