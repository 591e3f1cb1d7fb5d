/** Which connections a server on the network closes at its limit. */

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import type { HttpRoute, RequestClient } from '../../../src/platform/http/http-route.ts'
import { type HttpLimits, HttpServer } from '../../../src/platform/http/http-server.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { until } from './serving.ts'

interface Tap {
  teardown(end: () => unknown): void
}

/** A server that answers /hello at once, /slow when the test releases it, and takes the owner from the body of POST /own. */
async function serverUnderTest(t: Tap, limits: Partial<HttpLimits>) {
  const letGo = Promise.withResolvers<void>()
  let waiting = 0
  const seen: RequestClient[] = []
  const routes: readonly HttpRoute[] = [
    { method: 'GET', path: '/hello', answer: () => ({ status: 200, body: '"hello"' }) },
    {
      method: 'GET',
      path: '/slow',
      answer: async () => {
        waiting += 1
        await letGo.promise
        return { status: 200, body: '"late"' }
      },
    },
    {
      method: 'POST',
      path: '/own',
      answer: (body, _signal, _below, client) => {
        const [owner = '', rank] = body.split(' ')
        seen.push(client)
        client.own(owner, rank === 'reserved')
        return { status: 200, body: 'x'.repeat(body.length) }
      },
    },
  ]
  const server = new HttpServer({ clock: machineClock, routes, onBug: bug => Promise.reject(bug), limits })
  t.teardown(() => server.close())
  const { port } = await server.listen({ port: 0 })
  const from = async (localAddress: string) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    t.teardown(() => socket.destroy())
    socket.on('error', () => undefined).setEncoding('utf8')
    await once(socket, 'connect')
    return new Peer(socket)
  }
  return { from, letGo: letGo.resolve, waiting: () => waiting, seen }
}

class Peer {
  readonly #socket: Socket
  received = ''
  isClosed = false

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', text => {
      this.received += text
    })
    socket.on('close', () => {
      this.isClosed = true
    })
  }

  say(text: string): void {
    this.#socket.write(text)
  }

  get(path: string): void {
    this.say(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)
  }

  own(owner: string): void {
    this.say(`POST /own HTTP/1.1\r\nhost: x\r\ncontent-length: ${owner.length}\r\n\r\n${owner}`)
  }

  async receives(text: string): Promise<void> {
    await until(`${text} arrives`, () => this.received.includes(text))
    this.received = ''
  }

  closed(): Promise<void> {
    return until('it is closed', () => this.isClosed)
  }
}

t.test('the least recently used connection of the address with most connections is closed', async t => {
  const { from } = await serverUnderTest(t, { maxConnections: 4 })
  const lone = await from('127.0.0.2')
  lone.get('/hello')
  await lone.receives('"hello"')
  const [first, second] = [await from('127.0.0.3'), await from('127.0.0.3'), await from('127.0.0.3')]
  first.get('/hello')
  await first.receives('"hello"')
  const late = await from('127.0.0.4')
  late.get('/hello')
  await late.receives('"hello"')
  await second.closed()
  lone.get('/hello')
  await lone.receives('"hello"')
  t.notOk(first.isClosed)
})

t.test('a connection that waits for an answer is closed last, and never for another one of its group', async t => {
  const { from, waiting, letGo } = await serverUnderTest(t, { maxConnections: 2 })
  const busy = [await from('127.0.0.2'), await from('127.0.0.2')]
  for (const each of busy) each.get('/slow')
  await until('both wait', () => waiting() === 2)
  await (await from('127.0.0.2')).closed()
  const other = await from('127.0.0.3')
  other.get('/hello')
  await other.receives('"hello"')
  t.strictSame(
    busy.map(({ isClosed }) => isClosed),
    [true, false],
    'one of another address takes the place of the oldest of two',
  )
  letGo()
  await busy[1]?.receives('"late"')
})

t.test('a connection with an owner counts for its owner; a reserved one is never closed', async t => {
  const { from, seen } = await serverUnderTest(t, { maxConnections: 4 })
  const host = await from('127.0.0.2')
  host.own('host reserved')
  await host.receives('xxxx')
  const rich = [await from('127.0.0.2'), await from('127.0.0.3')]
  for (const each of rich) {
    each.own('rich')
    await each.receives('xxxx')
  }
  const other = await from('127.0.0.2')
  const late = await from('127.0.0.4')
  await rich[0]?.closed()
  t.notOk(other.isClosed, 'it is the only connection of its address without an owner')
  for (let opened = 0; opened < 8; opened += 1) await from('127.0.0.5')
  host.own('host reserved')
  await host.receives('xxxx')
  t.match(seen.at(-1), { address: '127.0.0.2', owner: 'host', isReserved: true })
  t.notOk(late.isClosed)
})

t.test('one owner can reserve a few connections, not all', async t => {
  const { from } = await serverUnderTest(t, { maxConnections: 20 })
  const greedy: Peer[] = []
  for (let opened = 0; opened < 20; opened += 1) {
    const each = await from('127.0.0.2')
    each.own('host reserved')
    await each.receives('xxxx')
    greedy.push(each)
  }
  for (let opened = 0; opened < 2; opened += 1) {
    const each = await from('127.0.0.3')
    each.get('/hello')
    await each.receives('"hello"')
  }
  t.equal(greedy.filter(({ isClosed }) => isClosed).length, 2)
})

t.test('connections of an address without a complete request are limited', async t => {
  const { from } = await serverUnderTest(t, { maxConnections: 100, maxUnownedOfAnAddress: 3 })
  const slow = [await from('127.0.0.2'), await from('127.0.0.2'), await from('127.0.0.2')]
  for (const each of slow) each.say('POST /own HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf')
  const next = await from('127.0.0.2')
  next.get('/hello')
  await next.receives('"hello"')
  t.ok(slow[0]?.isClosed)
})

t.test('the memory for requests of one owner is limited', async t => {
  const { from } = await serverUnderTest(t, { maxHeldBytes: 100_000 })
  const half = 'POST /own HTTP/1.1\r\nhost: x\r\ncontent-length: 90000\r\n\r\n'
  const first = await from('127.0.0.2')
  first.say(half + 'x'.repeat(60_000))
  const second = await from('127.0.0.2')
  await new Promise(resolve => setTimeout(resolve, 50))
  second.say(half + 'x'.repeat(60_000))
  await second.receives('503 Service Unavailable')
  const other = await from('127.0.0.3')
  other.say(half + 'x'.repeat(60_000))
  await new Promise(resolve => setTimeout(resolve, 50))
  first.say('x'.repeat(30_000))
  await first.receives('200 OK')
  t.equal(other.received, '', 'another address has its own share')
})

t.test('a client that sends requests without reading answers is refused at some point', async t => {
  const { from, waiting } = await serverUnderTest(t, { maxHeldBytes: 40_960 })
  const peer = await from('127.0.0.2')
  for (let sent = 0; sent < 30; sent += 1) peer.get('/slow')
  await until('some are taken', () => waiting() >= 10)
  const other = await from('127.0.0.3')
  other.get('/hello')
  await other.receives('"hello"')
  t.ok(waiting() <= 11, `${waiting()}`)
})
