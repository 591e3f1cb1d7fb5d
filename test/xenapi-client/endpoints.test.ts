import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { machineClock } from '../../src/platform/time/clock.ts'
import { XenApiClient, type XenApiClientOptions } from '../../src/xenapi-client/client.ts'
import { checkEndpoint, endpointAt } from '../../src/xenapi-client/endpoint.ts'
import {
  behindWeather,
  callIn,
  connected,
  endOf,
  serving,
  slaveOf,
  until,
} from '../xapi-notify/toolstack-under-test.ts'

const TLS = join(import.meta.dirname, '../fixtures/tls')
const [ca, cert, key] = await Promise.all(
  ['ca.cert.pem', 'server.cert.pem', 'server.key.pem'].map(name => readFile(join(TLS, name), 'utf8')),
)
/** As `openssl x509 -noout -fingerprint -sha256 -in server.cert.pem` prints it. */
const PIN = '5E:0A:07:F7:81:F5:A2:62:CD:E7:4E:CF:7A:2A:7E:1F:93:F9:AE:C4:87:47:83:AC:D8:40:19:6F:8A:CF:52:17'
const OTHER_PIN = PIN.replace('5E', '5F')
const LOGIN = { clock: machineClock, user: 'root', password: 'right' }

interface TearsDown {
  teardown(end: () => unknown): void
}

function clientOf(t: TearsDown, options: Omit<XenApiClientOptions, 'clock' | 'user' | 'password'>): XenApiClient {
  const client = new XenApiClient({ ...LOGIN, callTimeoutMs: 5_000, ...options })
  t.teardown(() => client.close())
  return client
}

/** A toolstack behind TLS on every address of this machine, which counts the bytes that it receives. */
async function secureToolstack(t: TearsDown) {
  let received = 0
  const server = createHttpsServer({ key, cert }, async (request, response) => {
    const { id, method } = await callIn(request)
    response.end(JSON.stringify({ id, result: method.startsWith('session.') ? 'OpaqueRef:session' : method }))
  })
  server.on('secureConnection', socket => socket.on('data', chunk => (received += chunk.length)))
  // a client that hangs up on a certificate
  server.on('tlsClientError', () => undefined)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const port = await new Promise<number>(resolve => {
    server.listen(0, '0.0.0.0', () => {
      const address = server.address()
      resolve(typeof address === 'object' ? (address?.port ?? 0) : 0)
    })
  })
  return { port, received: () => received }
}

t.test('https: the certificate must be signed by the CA and have the right name', async t => {
  const { port, received } = await secureToolstack(t)
  for (const host of ['127.0.0.1', 'localhost']) {
    const client = clientOf(t, { url: `https://${host}:${port}`, ca: String(ca) })
    t.strictSame(await Promise.all([1, 2, 3].map(() => client.call('pool.get_all'))), Array(3).fill('pool.get_all'))
  }
  const before = received()
  // what turns Node's own default off must not turn this off
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  t.teardown(() => delete process.env.NODE_TLS_REJECT_UNAUTHORIZED)
  const refused: readonly (readonly [
    title: string,
    options: Omit<XenApiClientOptions, 'clock' | 'user' | 'password'>,
  ])[] = [
    ['another name', { url: `https://127.0.0.2:${port}`, ca: String(ca) }],
    ['a CA that Node does not know', { url: `https://127.0.0.1:${port}` }],
    ['a CA that signed nothing of it', { url: `https://127.0.0.1:${port}`, ca: String(cert) }],
  ]
  for (const [title, options] of refused) {
    t.match(await endOf(clientOf(t, options).call('pool.get_all')), { name: 'XenApiUnreachable' }, title)
  }
  t.equal(received(), before, 'not a byte of the calls')
})

t.test(
  'https: a pinned certificate is accepted whatever its names and its CA, and no other certificate is',
  async t => {
    const { port, received } = await secureToolstack(t)
    for (const fingerprint256 of [PIN, PIN.toLowerCase(), [OTHER_PIN, PIN]]) {
      const client = clientOf(t, { url: `https://127.0.0.2:${port}`, fingerprint256 })
      t.strictSame(await Promise.all([1, 2, 3].map(() => client.call('pool.get_all'))), Array(3).fill('pool.get_all'))
    }
    const before = received()
    const stranger = clientOf(t, { url: `https://127.0.0.1:${port}`, fingerprint256: OTHER_PIN })
    t.match(await endOf(stranger.call('pool.get_all')), {
      name: 'XenApiUnreachable',
      message: `the certificate is not the pinned one: its SHA-256 is ${PIN}`,
    })
    t.equal(received(), before, 'not a byte of the calls')
  },
)

t.test(
  'https: a server that never completes the handshake times out, and closing the client disconnects it',
  async t => {
    const open = new Set<Socket>()
    const silent = createTcpServer(socket => {
      open.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => open.delete(socket))
      socket.resume()
    })
    t.teardown(() => silent.close())
    const port = await new Promise<number>(resolve => {
      silent.listen(0, '127.0.0.1', () => {
        const address = silent.address()
        resolve(typeof address === 'object' ? (address?.port ?? 0) : 0)
      })
    })
    for (const proof of [{ ca: String(ca) }, { fingerprint256: PIN }]) {
      const client = new XenApiClient({
        ...LOGIN,
        url: `https://127.0.0.1:${port}`,
        callTimeoutMs: 50,
        ...proof,
      })
      t.match(await endOf(client.call('pool.get_all')), { name: 'XenApiUnreachable', message: /timeout/ })
      await client.close()
      await until('the connection is cut', () => open.size === 0)
    }
    const hangingUp = await serving(t, (request, _response) => request.socket.destroy())
    const client = clientOf(t, { url: hangingUp.replace('http:', 'https:'), fingerprint256: PIN })
    t.match(await endOf(client.call('pool.get_all')), { name: 'XenApiUnreachable' }, 'plain HTTP behind an https URL')
  },
)

t.test('options that are wrong, or would protect nothing, are refused with their names', async t => {
  const https = 'https://pool.example'
  const bad: readonly (readonly [Partial<XenApiClientOptions>, message: string])[] = [
    [{ url: 'pool.example' }, 'url: "pool.example" is not a URL'],
    [{ url: 'ftp://pool.example' }, 'url: only http: and https: are supported, not ftp:'],
    [{ url: 'https://root:x@pool.example' }, 'url: use the options user and password'],
    [{ socketPath: '' }, 'socketPath: is empty'],
    [{ ca: String(ca) }, 'ca: an http: URL has no certificate to check'],
    [{ fingerprint256: PIN }, 'fingerprint256: an http: URL has no certificate to check'],
    [{ url: https, ca: String(ca), fingerprint256: PIN }, 'ca and fingerprint256: use one of them'],
    [{ url: https, ca: 'not PEM' }, 'ca: must be a certificate in PEM'],
    [{ url: https, fingerprint256: [] }, 'fingerprint256: the list is empty, so no certificate would be accepted'],
    [
      { url: https, fingerprint256: [PIN, 'AB:CD'] },
      'fingerprint256: "AB:CD" is not 32 pairs of hex digits with colons between them',
    ],
    [{ callTimeoutMs: Number.NaN }, 'callTimeoutMs: must be from 0 to 2147483647 milliseconds'],
    [{ loginPauseMs: -1 }, 'loginPauseMs: must be from 0 to 2147483647 milliseconds'],
  ]
  for (const [options, message] of bad) {
    t.throws(() => new XenApiClient({ ...LOGIN, url: 'http://pool.example', ...options }), {
      name: 'TypeError',
      message,
    })
  }
  const home = checkEndpoint({ url: 'https://a:8443', socketPath: '/run/xapi', fingerprint256: PIN })
  t.match(endpointAt(home, 'fd00::1'), { url: { href: 'https://[fd00::1]:8443/jsonrpc' }, socketPath: undefined })
  t.match(endpointAt(home, '10.0.0.1')?.url.href, 'https://10.0.0.1:8443/jsonrpc')
  t.match(endpointAt(home, 'Host-B.example')?.url.href, 'https://host-b.example:8443/jsonrpc')
  for (const nonsense of ['', 'a b', 'a/b', 'user@host', 'host:80', '-x', `${'a'.repeat(300)}`]) {
    t.equal(endpointAt(home, nonsense), null, nonsense)
  }
})

t.test(
  'a slave names the coordinator: calls continue there, and return to the configured endpoint when the coordinator is gone',
  async t => {
    let coordinator = '127.0.0.2'
    const slave = await slaveOf(t, () => coordinator)
    const port = Number(new URL(slave.url).port)
    const first = await connected(t, { host: '127.0.0.2', port })
    const client = clientOf(t, { url: slave.url })
    t.strictSame(await client.call('pool.get_all'), [first.pool.ref])
    t.strictSame(await Promise.all([1, 2, 3].map(() => client.call('pool.get_all'))), Array(3).fill([first.pool.ref]))
    t.equal(first.logins.length, 1)
    t.equal(slave.asked(), 1, 'the slave is asked once')

    const hanging = ['host.call_plugin', [first.hosts[0]?.ref, 'p', 'f', {}]] as const
    t.match(await endOf(client.call(...hanging, { timeoutMs: 30 })), { name: 'XenApiUnreachable' })
    t.strictSame(await client.call('pool.get_all'), [first.pool.ref])
    t.equal(slave.asked(), 2, 'after a call without an answer the configured endpoint is asked again')
    t.equal(first.logins.length, 1, 'the session is kept all the same')
    t.match(await endOf(client.call(...hanging, { signal: AbortSignal.timeout(30) })), { name: 'XenApiUnreachable' })
    await client.call('pool.get_all')
    t.equal(slave.asked(), 2, 'an abort by the caller does not change the route')

    await first.pool.close()
    t.match(await endOf(client.call('pool.get_all')), { name: 'XenApiUnreachable' })
    coordinator = '127.0.0.3'
    const second = await connected(t, { host: '127.0.0.3', port })
    const answers = await Promise.all([1, 2, 3].map(() => client.call('pool.get_all')))
    t.strictSame(answers, Array(3).fill([second.pool.ref]))
    t.equal(second.logins.length, 1)
    t.equal(client.logins, 2)
  },
)

t.test('if the configured endpoint is down, the last known coordinator is tried again', async t => {
  const slave = await slaveOf(t, () => '127.0.0.2')
  const home = await behindWeather(t, slave.url)
  const at = { host: '127.0.0.2', port: Number(new URL(home.url).port) }
  const { pool, hosts, logins } = await connected(t, at)
  const client = clientOf(t, { url: home.url })
  t.strictSame(await client.call('pool.get_all'), [pool.ref])
  home.weather = 'refuse'
  t.strictSame(await client.call('pool.get_all'), [pool.ref], 'the configured endpoint is not needed')
  const asked = home.asked.length
  const hanging = ['host.call_plugin', [hosts[0]?.ref, 'p', 'f', {}]] as const
  for (let round = 1; round <= 2; round += 1) {
    t.match(await endOf(client.call(...hanging, { timeoutMs: 30 })), { name: 'XenApiUnreachable' })
    t.match(await endOf(client.call('pool.get_all')), { name: 'XenApiUnreachable' })
    t.equal(home.asked.length, asked + round, 'the next call asks the configured endpoint for the coordinator')
    for (let call = 0; call < 3; call += 1) t.strictSame(await client.call('pool.get_all'), [pool.ref])
    t.equal(home.asked.length, asked + round)
  }
  t.equal(logins.length, 1, 'in the same session')

  await pool.close()
  for (let call = 0; call < 4; call += 1) {
    t.match(await endOf(client.call('pool.get_all')), { name: 'XenApiUnreachable' })
  }
  t.equal(home.asked.length, asked + 4, 'with neither of them there, by turns')
  const again = await connected(t, at)
  const answered = async () => (await endOf(client.call('pool.get_all'))) === 'success'
  t.ok((await answered()) || (await answered()), 'whichever is back is found')
  t.equal(again.logins.length, 1)
})

t.test('if the configured endpoint has become the coordinator, the previous one is not tried again', async t => {
  const { pool, url, hosts } = await connected(t)
  const home = await behindWeather(t, url)
  const former = await connected(t, { host: '127.0.0.2', port: Number(new URL(home.url).port) })
  const client = clientOf(t, { url: home.url })
  home.rewrite = () => '{"id":0,"error":["HOST_IS_SLAVE","127.0.0.2"]}'
  t.strictSame(await client.call('pool.get_all'), [former.pool.ref])
  await former.pool.close()
  home.rewrite = (_method, answer) => answer
  t.match(await endOf(client.call('pool.get_all')), { name: 'XenApiUnreachable' })
  t.strictSame(await client.call('pool.get_all'), [pool.ref])
  const hanging = ['host.call_plugin', [hosts[0]?.ref, 'p', 'f', {}]] as const
  t.match(await endOf(client.call(...hanging, { timeoutMs: 30 })), { name: 'XenApiUnreachable' })
  t.strictSame(await client.call('pool.get_all'), [pool.ref])
})

t.test('without a coordinator a call fails with an error that says why', async t => {
  const a = await slaveOf(t, () => '127.0.0.2')
  const b = await slaveOf(t, () => '127.0.0.1', { host: '127.0.0.2', port: Number(new URL(a.url).port) })
  const lost = clientOf(t, { url: a.url })
  t.match(await endOf(lost.call('pool.get_all')), {
    name: 'XenApiUnreachable',
    message: 'no coordinator: after 3 redirections a slave names 127.0.0.1',
  })
  t.equal(a.asked() + b.asked(), 4)
  const nonsense = await slaveOf(t, () => 'no address')
  t.match(await endOf(clientOf(t, { url: nonsense.url }).call('pool.get_all')), {
    name: 'XenApiUnreachable',
    message: 'no coordinator: a slave names "no address", which is not an address',
  })
})

t.test('through the socket of a slave, the URL says how to reach the coordinator', async t => {
  const { url, pool } = await connected(t)
  // a socket's path is limited to 107 bytes
  const folder = await mkdtemp(join(tmpdir(), 'resync-monitor-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const socketPath = join(folder, 'xapi')
  const slave = await slaveOf(t, () => '127.0.0.1', socketPath)
  const client = clientOf(t, { url: url.replace('127.0.0.1', 'localhost'), socketPath })
  t.strictSame(await client.call('pool.get_all'), [pool.ref])
  t.equal(slave.asked(), 1)
})

t.test('closing disconnects every connection that was opened on the way to the coordinator', async t => {
  const slave = await slaveOf(t, () => '127.0.0.2')
  const port = Number(new URL(slave.url).port)
  const former = await slaveOf(t, () => '127.0.0.3', { host: '127.0.0.2', port })
  const { pool, hosts } = await connected(t, { host: '127.0.0.3', port })
  const client = new XenApiClient({ ...LOGIN, url: slave.url })
  t.strictSame(await client.call('pool.get_all'), [pool.ref])
  t.equal(former.asked(), 1)
  const cut = endOf(client.call('host.call_plugin', [hosts[0]?.ref, 'p', 'f', {}]))
  await client.close()
  t.match(await cut, { message: 'the client was closed' })
  t.match(await endOf(client.call('pool.get_all')), { message: 'the client was closed' })
})
