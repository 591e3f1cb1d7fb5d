import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { sendHeartbeats } from '../../../src/agent/pool/heartbeat.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { XenApiClient } from '../../../src/xenapi-client/client.ts'
import { until } from '../../xapi-notify/toolstack-under-test.ts'

const HOST = '0a0a0a0a-0000-4000-8000-000000000001'
const POLL_KEY = 'ab'.repeat(32)
const BOOT_ID = 'b0b0b0b0-0000-4000-8000-000000000001'
/** Much longer than the heartbeat period of this test. */
const BUSY_MS = 2_000

const RESULTS: Readonly<Record<string, unknown>> = {
  'session.login_with_password': 'OpaqueRef:session',
  'host.get_by_uuid': 'OpaqueRef:host',
  'host.get_address': '192.0.2.10',
  'pool.hello': 'ok',
  'host.tickle_heartbeat': {},
}

/**
 * A coordinator that answers the first heartbeat after `BUSY_MS`.
 * @returns the methods that are called, in order, and the fields of the last hello and heartbeat
 */
async function busyCoordinator(onEnd: (end: () => void) => void) {
  const methods: string[] = []
  const fields = new Map<string, unknown>()
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const { id, method, params } = JSON.parse(body) as { id: number; method: string; params: unknown[] }
    methods.push(method)
    fields.set(method, params.at(-1))
    const isFirstBeat = methods.filter(each => each === 'host.tickle_heartbeat').length === 1
    const answer = () => response.end(JSON.stringify({ jsonrpc: '2.0', id, result: RESULTS[method] ?? '' }))
    if (method === 'host.tickle_heartbeat' && isFirstBeat) setTimeout(answer, BUSY_MS)
    else answer()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onEnd(() => server.close())
  return { methods, fields, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

t.test('a coordinator that is busy for longer than the heartbeat period gets no second hello', async t => {
  const { methods, fields, url } = await busyCoordinator(end => t.teardown(end))
  const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: 'secret' })
  const stop = new AbortController()
  const beating = sendHeartbeats({
    client,
    host: HOST,
    bootId: BOOT_ID,
    bootTimeMs: 7_000,
    agentStartMs: 9_000,
    pollKey: POLL_KEY,
    changedSeqs: () => new Map([['5c5c5c5c-0000-4000-8000-000000000001', 7]]),
    clock: { ...machineClock, now: () => 11_000 },
    everyMs: 50,
    carryOut: async () => ({ kind: 'unknown' as const }),
    signal: stop.signal,
  })
  const beats = () => methods.filter(method => method === 'host.tickle_heartbeat').length
  await until('more heartbeats arrive', () => beats() >= 3)
  stop.abort()
  await beating
  await client.close()
  t.equal(methods.filter(method => method === 'pool.hello').length, 1)
  for (const method of ['pool.hello', 'host.tickle_heartbeat']) {
    t.match(
      fields.get(method),
      {
        boot_id: BOOT_ID,
        boot_time: '7.',
        agent_start_time: '9.',
        now: '1970-01-01T00:00:11.000Z',
        poll_key: POLL_KEY,
        sr_seq: '5c5c5c5c-0000-4000-8000-000000000001=7',
      },
      'the boot, and the times',
    )
  }
})
