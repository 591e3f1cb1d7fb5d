import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { sendHeartbeats } from '../../../src/agent/pool/heartbeat.ts'
import { carryOut, type Order, type OrderOutcome, orderIn } from '../../../src/agent/pool/orders.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { XenApiClient } from '../../../src/xenapi-client/client.ts'
import { until } from '../../xapi-notify/toolstack-under-test.ts'

const ignoreLog = () => undefined

/** A host that sends a heartbeat every 5 ms. */
const HOST = {
  host: '0a0a0a0a-0000-4000-8000-000000000001',
  bootId: 'b0b0b0b0-0000-4000-8000-000000000001',
  bootTimeMs: 7_000,
  agentStartMs: 9_000,
  pollKey: 'a'.repeat(64),
  changedSeqs: () => new Map(),
  clock: { ...machineClock, now: () => 11_000 },
  everyMs: 5,
}

t.test('a host carries out an order, and reports the outcome', async t => {
  const order: Order = { how: 'reboot', id: 'x' }
  const refused = { kind: 'refused', why: 'machine.reboot is not configured' }
  t.strictSame(await carryOut(order, {}, ignoreLog), refused)
  t.strictSame(await carryOut(order, { shutdown: ['true'] }, ignoreLog), refused)
  t.strictSame(await carryOut(order, { reboot: ['true'] }, ignoreLog), { kind: 'goes' })
  t.match(await carryOut(order, { reboot: ['false'] }, ignoreLog), { kind: 'refused', why: /exit code 1/ })
  t.match(await carryOut(order, { reboot: ['/nowhere/reboot'] }, ignoreLog), {
    kind: 'refused',
    why: 'there is no program /nowhere/reboot',
  })
  const ended = await carryOut(order, { reboot: ['sh', '-c', 'kill -9 $$'] }, ignoreLog)
  t.strictSame(ended, { kind: 'unknown' }, 'the command may have begun')
  for (const none of [null, 'reboot', {}, { order: 'sleep' }, { order: null }]) t.equal(orderIn(none), null)
  t.strictSame(orderIn({ order: 'shutdown' }), { how: 'shutdown', id: '' }, 'of a pool of an earlier version')
})

/**
 * A coordinator that has an order for the host from its first heartbeat on, and repeats it.
 * @returns the fields of each heartbeat
 */
async function orderingCoordinator(onEnd: (end: () => void) => void, order: object) {
  const beats: Record<string, string>[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] }
    if (method === 'host.tickle_heartbeat') beats.push(params.at(-1) as Record<string, string>)
    const result = method === 'host.tickle_heartbeat' ? order : 'OpaqueRef:x'
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onEnd(() => server.close())
  return { beats, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

for (const { title, order, outcome, carriedOut, fields } of [
  {
    title: 'a refused order is tried once, and each later heartbeat has the cause',
    order: { order: 'reboot', order_id: 'one' },
    outcome: { kind: 'refused', why: 'no command' },
    carriedOut: ['one'],
    fields: { last_order: 'one', order_refused: 'no command' },
  },
  {
    title: 'an order with an unknown outcome is carried out once, and not refused',
    order: { order: 'reboot', order_id: 'one' },
    outcome: { kind: 'unknown' },
    carriedOut: ['one'],
    fields: { last_order: 'one', order_refused: undefined },
  },
] as const satisfies readonly { readonly outcome: OrderOutcome; readonly [key: string]: unknown }[]) {
  t.test(title, async t => {
    const { beats, url } = await orderingCoordinator(end => t.teardown(end), order)
    const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: 'secret' })
    const stop = new AbortController()
    const done: string[] = []
    const beating = sendHeartbeats({
      client,
      ...HOST,
      carryOut: async ({ id }) => {
        done.push(id)
        return outcome
      },
      signal: stop.signal,
    })
    await until('more heartbeats arrive', () => beats.length >= 5)
    stop.abort()
    await beating
    await client.close()
    t.strictSame(done, carriedOut)
    t.match(beats[0], { beat: '2', last_order: '', order_refused: undefined }, 'the hello was beat 1')
    t.match(beats[1], { beat: '3', ...fields })
    t.match(beats[4], { beat: '6', ...fields })
    t.equal(new Set(beats.map(({ agent_id }) => agent_id)).size, 1)
  })
}

t.test('a host does not carry out an order that it receives too late', async t => {
  const { beats, url } = await orderingCoordinator(end => t.teardown(end), { order: 'reboot', order_id: 'one' })
  const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: 'secret' })
  const stop = new AbortController()
  let readings = 0
  const beating = sendHeartbeats({
    client,
    ...HOST,
    clock: {
      ...machineClock,
      // 20 s pass between any two readings.
      steadyNow: () => {
        readings += 1
        return readings * 20_000
      },
    },
    carryOut: async () => {
      t.fail('it was carried out')
      return { kind: 'unknown' }
    },
    signal: stop.signal,
  })
  await until('the heartbeat after the order arrives', () => beats.length >= 2)
  stop.abort()
  await beating
  await client.close()
  t.match(beats[1], { last_order: 'one', order_refused: /^it was received \d+ s after the pool was asked$/ })
})

t.test('a host that reports that it goes down sends no more heartbeats', async t => {
  const { beats, url } = await orderingCoordinator(end => t.teardown(end), { order: 'reboot', order_id: 'one' })
  const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: 'secret' })
  const stop = new AbortController()
  const beating = sendHeartbeats({
    client,
    ...HOST,
    carryOut: async () => ({ kind: 'goes' }),
    signal: stop.signal,
  })
  await until('the heartbeat after the order arrives', () => beats.length >= 2)
  await new Promise(resolve => setTimeout(resolve, 100))
  stop.abort()
  await beating
  await client.close()
  t.match(beats, [{ last_order: '' }, { 'shutting-down': 'true' }])
  t.equal(beats.length, 2)
})
