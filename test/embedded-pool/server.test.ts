import { once } from 'node:events'
import { connect } from 'node:net'
import * as fc from 'fast-check'
import t from 'tap'
import { EmbeddedPool } from '../../src/embedded-pool/embedded-pool.ts'
import { XenApiServer } from '../../src/embedded-pool/server.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'
import { ask, login, oneAtATime, PASSWORD, patientMachines, post, servedPool } from './pool-under-test.ts'
import { createSlaveEndpoint } from './slave-endpoint.ts'

/** Sends raw bytes and reads until the server answers or closes the connection. */
function exchange(port: number, bytes: string | Uint8Array): Promise<string> {
  return new Promise(resolve => {
    let received = ''
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes))
    socket.on('data', data => {
      received += data.toString('latin1')
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(received))
  })
}

function statusLine(answer: string): string {
  return answer.slice(0, answer.indexOf('\r\n'))
}

t.test('requests other than a POST of at most 1 MiB to /jsonrpc are refused', async t => {
  const { url, port } = await servedPool(t)
  const status = async (path: string, init: RequestInit) => (await fetch(url + path, init)).status
  t.equal(await status('/', { method: 'POST', body: '{}' }), 404)
  t.equal(await status('/jsonrpc', { method: 'GET' }), 405)
  const spaces = ' '.repeat(1_048_576 - 2)
  const answer = await post(url, `{}${spaces}`)
  t.match(answer, { error: { message: /^Invalid Request/ } }, '1 MiB is still read')
  const tooLarge = `POST /jsonrpc HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n${'x'.repeat(1_048_577)}`
  t.equal(statusLine(await exchange(port, tooLarge)), 'HTTP/1.1 413 Payload Too Large')
  t.equal(statusLine(await exchange(port, 'no HTTP at all\r\n\r\n')), 'HTTP/1.1 400 Bad Request')
  const halfABody = 'POST /jsonrpc HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf'
  t.equal(statusLine(await exchange(port, halfABody)), 'HTTP/1.1 400 Bad Request')
  t.match(await login(url), /^OpaqueRef:/, 'the server still works')
})

t.test('the content type is exactly application/json: xen-api assumes a host without JSON-RPC otherwise', async t => {
  const { url } = await servedPool(t)
  const response = await fetch(`${url}/jsonrpc`, { method: 'POST', body: '{}' })
  t.equal(response.headers.get('content-type'), 'application/json')
  t.equal(response.status, 200)
})

t.test('listen fails for a port in use and can be called again; a pool listens at one address', async t => {
  const { port } = await servedPool(t)
  const second = new EmbeddedPool({
    clock: machineClock,
    gate: oneAtATime,
    machines: patientMachines,
    authenticate: () => true,
  })
  t.teardown(() => second.close())
  await t.rejects(second.listen({ port }), { code: 'EADDRINUSE' })
  await t.resolves(second.listen({ port: 0 }))
  await t.rejects(second.listen({ port: 0 }), { message: 'the server listens already' })
})

t.test('close is fast with idle and busy connections, and works on a pool that never listened', async t => {
  const { pool, url, port } = await servedPool(t)
  const idle = connect(port, '127.0.0.1')
  idle.on('error', () => undefined)
  await new Promise(resolve => idle.once('connect', resolve))
  const session = await login(url)
  const busy = ask(url, 'event.from', session, ['host'], '', 30)
  busy.catch(() => undefined)
  const beganMs = performance.now()
  await pool.close()
  await pool.close()
  t.ok(performance.now() - beganMs < 500)
  idle.destroy()
})

t.test('slow senders, clients that do not read, and excess connections are dropped', async t => {
  const answer = 'x'.repeat(64 * 1_048_576)
  const dropped = Promise.withResolvers<void>()
  const server = new XenApiServer(
    async (_body, signal) => {
      signal.addEventListener('abort', () => dropped.resolve())
      return answer
    },
    bug => t.fail(String(bug)),
    { headersTimeoutMs: 50, unreadAnswerTimeoutMs: 50, maxConnections: 256 },
  )
  t.teardown(() => server.close())
  const { port } = await server.listen({ port: 0 })
  const opened = async () => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }
  const slow = await opened()
  slow.write('POST /jsonrpc HTTP/1.1\r\nhost')
  slow.resume()
  await once(slow, 'close')

  const deaf = await opened()
  deaf.write('POST /jsonrpc HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}')
  deaf.pause()
  await dropped.promise
  deaf.destroy()

  const sockets = await Promise.all(Array.from({ length: 256 }, opened))
  const oneTooMany = await opened()
  oneTooMany.resume()
  await once(oneTooMany, 'close')
  for (const socket of sockets) socket.destroy()
})

t.test('64 hosts can each wait for events and make four concurrent calls', async t => {
  const underWay = Promise.withResolvers<void>()
  const WAITING = 64 * 4
  let calls = 0
  const { pool, url } = await servedPool(t, {
    plugins: async () => {
      calls += 1
      if (calls === WAITING) underWay.resolve()
      await underWay.promise
      return { result: 'done' }
    },
  })
  const hosts = pool.seed(Array.from({ length: 64 }, (_, index) => `host${index}`)).hosts
  const clients = hosts.map(({ ref }) => ({
    ref,
    client: new XenApiClient({ clock: machineClock, url, user: 'root', password: PASSWORD }),
  }))
  t.teardown(() => Promise.all(clients.map(({ client }) => client.close())))
  await Promise.all(clients.map(({ client }) => client.call('pool.get_all')))
  const token = await clients[0]?.client.call('event.inject', ['pool', pool.ref])
  const next = Reflect.get(Object(await clients[0]?.client.call('event.from', [['pool'], token, 0])), 'token')
  const events = clients.map(({ client }) => client.call('event.from', [['pool'], next, 30]))
  const answers = clients.flatMap(({ client, ref }) =>
    Array.from({ length: 4 }, () => client.call('host.call_plugin', [ref, 'p', 'f', {}])),
  )
  t.strictSame(new Set(await Promise.all(answers)), new Set(['done']), 'all 256 calls were concurrent')
  await clients[0]?.client.call('pool.set_name_label', [pool.ref, 'changed'])
  t.match(
    await Promise.all(events),
    clients.map(() => ({ events: [{ class: 'pool' }] })),
  )
})

t.test(
  'a member that is not the coordinator answers every call with HOST_IS_SLAVE, in the formats of stock xapi',
  async t => {
    const coordinator = '10.0.0.1'
    const [inDispatch, before] = [
      createSlaveEndpoint({ coordinator }),
      createSlaveEndpoint({ coordinator, beforeDispatch: true }),
    ]
    t.teardown(async () => {
      await inDispatch.close()
      await before.close()
    })
    const url = async (slave: typeof before) => `http://127.0.0.1:${(await slave.listen({ port: 0 })).port}`
    const [usual, raised] = [await url(inDispatch), await url(before)]
    const login = { method: 'session.login_with_password', params: ['root', 'x'], id: 'a' }
    t.strictSame(await post(usual, login), { result: null, error: ['HOST_IS_SLAVE', coordinator], id: 'a' })
    t.strictSame(await post(usual, { jsonrpc: '2.0', ...login }), {
      jsonrpc: '2.0',
      id: 'a',
      error: { code: 1, message: 'HOST_IS_SLAVE', data: [coordinator] },
    })
    t.strictSame(await post(raised, { jsonrpc: '2.0', ...login }), {
      jsonrpc: '2.0',
      error: ['HOST_IS_SLAVE', coordinator],
      id: 0,
    })
  },
)

t.test('a long call is not cut off, also on a reused connection', async t => {
  const server = new XenApiServer(
    async body => {
      if (body === 'slow') await new Promise(resolve => setTimeout(resolve, 200))
      return body
    },
    bug => t.fail(String(bug)),
    { unreadAnswerTimeoutMs: 20 },
  )
  t.teardown(() => server.close())
  const { port } = await server.listen({ port: 0 })
  const socket = connect(port, '127.0.0.1')
  const say = (body: string) => {
    socket.write(`POST /jsonrpc HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
    return once(socket, 'data')
  }
  t.match(String(await say('quick')), /quick$/)
  t.match(String(await say('slow')), /slow$/)
  socket.destroy()
})

t.test('a request that is nested deeper than the stack allows is answered with an error', async t => {
  const { url } = await servedPool(t)
  const deep = '['.repeat(200_000) + ']'.repeat(200_000)
  const tooDeep = { id: null, error: { code: -32700, message: 'Parse error: the request is nested too deep' } }
  t.match(await post(url, `{"method":"x","params":[],"id":${deep}}`), tooDeep)
  t.match(await post(url, `{"jsonrpc":"2.0","method":"host.get_all","params":[${deep}],"id":1}`), tooDeep)
})

t.test('for any input the server answers in its formats and keeps running', async t => {
  const { pool, url, port, bugs } = await servedPool(t, {
    clock: {
      ...machineClock,
      after: (_ms, callback) => {
        const timer = setTimeout(callback, 1)
        return () => clearTimeout(timer)
      },
    },
  })
  const { sr, hosts } = pool.seed(['a', 'b'])
  const session = await login(url)
  const methods = await ask(url, 'system.listMethods')
  const names = Array.isArray(methods) ? methods.map(String).filter(name => name !== 'session.logout') : []
  const value = fc.oneof(
    fc.constantFrom(
      session,
      sr,
      ...hosts.flatMap(({ ref, pbd }) => [ref, pbd]),
      pool.ref,
      'host',
      'task',
      '',
      'OpaqueRef:NULL',
    ),
    fc.jsonValue({ maxDepth: 2 }),
  )
  const call = fc.record(
    {
      jsonrpc: fc.constantFrom('2.0', '1.0', null),
      method: fc.oneof(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 1 })),
      params: fc.oneof(
        fc.array(value, { maxLength: 4 }).map(rest => [session, ...rest]),
        fc.jsonValue({ maxDepth: 2 }),
      ),
      id: fc.oneof(fc.integer(), fc.jsonValue({ maxDepth: 1 })),
    },
    { requiredKeys: [] },
  )
  const isAnswer = (answer: unknown): boolean =>
    Array.isArray(answer)
      ? answer.length > 0 && answer.every(isAnswer)
      : typeof answer === 'object' && answer !== null && 'id' in answer && ('result' in answer || 'error' in answer)

  await t.resolves(
    fc.assert(
      fc.asyncProperty(fc.oneof(call, fc.array(call, { maxLength: 3 }), fc.jsonValue(), fc.string()), async body =>
        isAnswer(await post(url, typeof body === 'string' ? body : JSON.stringify(body))),
      ),
      { numRuns: 400 },
    ),
    'any JSON and any text',
  )
  await t.resolves(
    fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (bytes, asBody) => {
        const head = `POST /jsonrpc HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${bytes.length}\r\n\r\n`
        const received = await exchange(port, asBody ? Buffer.concat([Buffer.from(head), bytes]) : bytes)
        return received === '' ? !asBody : received.startsWith('HTTP/1.1 ')
      }),
      { numRuns: 100 },
    ),
    'any bytes',
  )
  t.strictSame(bugs, [], 'no call hit a bug')
  t.match(
    await ask(url, 'host.get_all', session),
    hosts.map(({ ref }) => ref),
  )
})
