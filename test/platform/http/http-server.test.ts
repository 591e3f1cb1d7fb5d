import { readFileSync } from 'node:fs'
import { request as requestTls } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import type { HttpRoute } from '../../../src/platform/http/http-route.ts'
import { type HttpLimits, HttpServer } from '../../../src/platform/http/http-server.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { client, closed, DEADLINE_MS, HELLO, serving, statusOf, until } from './serving.ts'

const QUICK: Partial<HttpLimits> = {
  headersTimeoutMs: 200,
  requestTimeoutMs: 400,
  keepAliveMs: 200,
  unreadAnswerTimeoutMs: 300,
}

t.test('slow and half-open clients are disconnected, and others are answered meanwhile', async t => {
  let dropped = false
  const big: HttpRoute = {
    method: 'GET',
    path: '/big',
    answer: (_body, signal) => {
      signal.addEventListener('abort', () => {
        dropped = true
      })
      return { status: 200, body: `"${'x'.repeat(16_000_000)}"` }
    },
  }
  const echo: HttpRoute = { method: 'POST', path: '/echo', answer: body => ({ status: 200, body }) }
  const { path, bugs } = await serving(t, [HELLO, big, echo], QUICK)
  const inputs: readonly (readonly [what: string, text: string])[] = [
    ['an empty file', ''],
    ['half a header', 'GET /hello HT'],
    ['headers without their end', 'GET /hello HTTP/1.1\r\nhost: x\r\n'],
    ['half a body', 'POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345'],
    ['a chunk that never comes', 'POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12'],
    ['a whole request, and then nothing more', 'GET /hello HTTP/1.1\r\nhost: x\r\n\r\n'],
    ['no HTTP', 'hello?\r\n\r\n'],
  ]
  await Promise.all(
    inputs.map(async ([what, text]) => {
      const { socket } = client(t, path)
      socket.write(text)
      await closed(socket)
      t.pass(what)
    }),
  )
  const dripping = client(t, path)
  const drip = setInterval(() => dripping.socket.write('x'), 20)
  t.teardown(() => clearInterval(drip))
  dripping.socket.write('GET /hello HTTP/1.1\r\nx-slow: ')
  await closed(dripping.socket)
  t.pass('one byte at a time')

  const deaf = client(t, path).socket
  deaf.write('GET /big HTTP/1.1\r\nhost: x\r\n\r\n')
  deaf.pause()
  await until('one that takes no answer is dropped', () => dropped)
  t.equal(await statusOf(path), 200)
  t.strictSame(bugs, [])
})

t.test(
  'a refusal is answered at once while the client still sends, so that it does not see a broken connection only',
  async t => {
    const echo: HttpRoute = { method: 'POST', path: '/echo', answer: body => ({ status: 200, body }) }
    const { path, bugs } = await serving(t, [echo], {
      maxBodyBytes: 10_000,
      requestTimeoutMs: 2_000,
      headersTimeoutMs: 500,
    })
    const post = (to: string) => `POST ${to} HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n`
    for (const [to, status] of [
      ['/echo', 413],
      ['/none', 404],
    ] as const) {
      const { socket, received } = client(t, path)
      socket.write(post(to))
      socket.write('x'.repeat(20_000))
      await until(
        'the answer arrives',
        () => received().startsWith(`HTTP/1.1 ${status} `) && received().endsWith('\r\n\r\n'),
      )
      for (let sent = 0; sent < 1_000_000; sent += 100_000) {
        await new Promise<unknown>(resolve => socket.write('x'.repeat(100_000), resolve))
      }
      t.notOk(socket.destroyed, 'it may')
      await closed(socket)
      t.pass('but not for ever')
    }
    const endless = client(t, path).socket
    endless.write(post('/echo'))
    let sent = 0
    while (!endless.destroyed && sent < 60_000_000) {
      await new Promise<unknown>(resolve => endless.write('x'.repeat(1_000_000), resolve))
      sent += 1_000_000
    }
    t.ok(sent < 60_000_000, 'and not without a limit')
    t.strictSame(bugs, [])
  },
)

t.test('a connection above the limit is refused until another one has closed', async t => {
  const { path } = await serving(t, [HELLO], { maxConnections: 2 })
  const first = client(t, path)
  const second = client(t, path)
  for (const each of [first, second]) {
    each.socket.write('GET /hello HTTP/1.1\r\nhost: x\r\n\r\n')
    await until('it is answered', () => each.received().includes('"hello"'))
  }
  t.equal(await statusOf(path), null)
  first.socket.destroy()
  let status: number | null = null
  const deadline = Date.now() + DEADLINE_MS
  while (status !== 200 && Date.now() < deadline) status = await statusOf(path)
  t.equal(status, 200)
})

t.test('a stream', async t => {
  interface Reader {
    readonly send: (text: string) => void
    readonly signal: AbortSignal
    readonly from: string | null
    readonly header: string | null
  }
  const readers: Reader[] = []
  const stream: HttpRoute = {
    method: 'GET',
    path: '/stream',
    open: ({ query, header }) => {
      if (query.get('from') === 'nowhere') return { status: 503, body: '"no"' }
      const from = query.get('from')
      return {
        contentType: 'text/plain',
        begin: (send, signal) => {
          readers.push({ send, signal, from, header: header('last-event-id') })
          return Array<string>(Number(query.get('pieces') ?? 0)).fill('x'.repeat(9_999).concat('|'))
        },
      }
    },
  }
  const limits = { ...QUICK, maxUnreadBytes: 100_000 }
  const { path, bugs } = await serving(t, [HELLO, stream], limits)
  const asked = (query: string, headers = '') => {
    const it = client(t, path)
    it.socket.write(`GET /stream${query} HTTP/1.1\r\nhost: x\r\n${headers}\r\n`)
    return it
  }
  const nextReader = async () => {
    const count = readers.length
    await until('the stream has started', () => readers.length > count)
    const reader = readers.at(-1)
    if (reader === undefined) throw new Error('no reader')
    return reader
  }

  t.test('sends texts until the reader disconnects', async t => {
    const beginning = nextReader()
    const { socket, received } = asked('?from=7&x=%20', 'Last-Event-ID: 9\r\n')
    const reader = await beginning
    t.match(reader, { from: '7', header: '9' })
    await until('its head comes before anything is sent', () => received().includes('content-type: text/plain'))
    reader.send('one')
    await until('the first text arrives', () => received().includes('one'))
    // Longer than every timeout for requests and reads.
    await sleep(1_000)
    reader.send('two')
    await until('the second text arrives', () => received().includes('two'))
    t.notOk(reader.signal.aborted)
    socket.destroy()
    await until('it is known that it has gone', () => reader.signal.aborted)
    reader.send('three')
  })

  t.test('may refuse a reader', async t => {
    t.equal(await statusOf(path, '/stream?from=nowhere'), 503)
    t.equal(await statusOf(path, '/hello?x=y'), 200, 'a query is not part of the path')
  })

  t.test('disconnects a reader with too much unread', async t => {
    const beginning = nextReader()
    const { socket } = asked('')
    socket.pause()
    const reader = await beginning
    const text = 'x'.repeat(50_000)
    await until('it is cut off', () => {
      reader.send(text)
      return reader.signal.aborted
    })
    t.pass()
  })

  t.test('disconnects a reader that reads nothing, however little there is', async t => {
    const beginning = nextReader()
    const { socket } = asked('')
    socket.pause()
    const reader = await beginning
    // More than the kernel buffers, and less than may be unread in addition.
    for (let sent = 0; sent < 20; sent += 1) reader.send('x'.repeat(4_000))
    await until('it is cut off', () => {
      if (!reader.signal.aborted) reader.send('x'.repeat(100))
      return reader.signal.aborted
    })
    t.pass()
  })

  t.test('sends the beginning as fast as the reader reads, and then the texts that were added meanwhile', async t => {
    const beginning = nextReader()
    const { received } = asked('?pieces=100')
    const reader = await beginning
    reader.send('one|')
    reader.send('two|')
    await until('everything arrives', () => received().includes('two|'))
    const pieces = received()
      .slice(received().indexOf('xxx'))
      .replaceAll(/\r\n[0-9a-f]+\r\n|\r\n/g, '')
      .split('|')
    t.strictSame(
      pieces.map(({ length }) => length),
      [...Array(100).fill(9_999), 3, 3, 0],
    )
    t.notOk(reader.signal.aborted)
  })

  t.test('disconnects a reader that does not read the beginning', async t => {
    const beginning = nextReader()
    const { socket } = asked('?pieces=1000')
    socket.pause()
    const reader = await beginning
    await until('it is cut off', () => reader.signal.aborted)
    const again = nextReader()
    const busy = asked('?pieces=1000')
    busy.socket.pause()
    const second = await again
    await until('so is one that misses too much meanwhile', () => {
      second.send('x'.repeat(50_000))
      return second.signal.aborted
    })
    t.pass()
  })

  t.test('ends with the server', async t => {
    const other = await serving(t, [stream])
    const beginning = nextReader()
    const { socket } = client(t, other.path)
    socket.write('GET /stream HTTP/1.1\r\nhost: x\r\n\r\n')
    const reader = await beginning
    await other.server.close()
    await until('the answer arrives', () => reader.signal.aborted)
  })
  t.strictSame(bugs, [])
})

t.test('closing does not wait for a client that has connected over TLS and sends nothing', async t => {
  const pem = (name: string) => readFileSync(join(import.meta.dirname, '../../fixtures/tls', name), 'utf8')
  const server = new HttpServer({ clock: machineClock, routes: [HELLO], onBug: () => undefined })
  t.teardown(() => server.close())
  const tls = { key: pem('server.key.pem'), cert: pem('server.cert.pem') }
  const { host, port } = await server.listen({ port: 0 }, tls)
  const silent = connect(port, host)
  t.teardown(() => silent.destroy())
  silent.on('error', () => undefined)
  // Connections are accepted in order, so when this one is answered the server has the other.
  await new Promise<void>((resolve, reject) => {
    const outgoing = requestTls({ host, port, path: '/hello', ca: pem('ca.cert.pem') }, response => {
      response.resume().on('end', resolve)
    })
    outgoing.on('error', reject).end()
  })
  const cut = closed(silent)
  const beganMs = performance.now()
  await server.close()
  t.ok(performance.now() - beganMs < 5_000, 'far less than the timeout of a handshake')
  await cut
})
