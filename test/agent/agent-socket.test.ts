import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { createServer, type RequestListener, request } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { AgentSocket } from '../../src/agent/agent-socket.ts'
import { AgentClient, AgentUnreachable } from '../../src/agent-api/agent-client.ts'
import type { SyncAnswers } from '../../src/agent-api/agent-methods.ts'
import type { AgentMethod } from '../../src/agent-api/methods.ts'
import { SyncEvents } from '../../src/agent-api/sync-events.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { Report } from '../../src/sync-query/report/report.ts'
import { answersOf } from '../volume-plugin/plugin-under-test.ts'

const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const REPORT: Report = {
  schema: 1,
  host: '0a0a0a0a-0000-4000-8000-000000000001',
  sr: SR,
  bootId: 'b0b0b0b0-0000-4000-8000-000000000001',
  seq: 1,
  at: '2026-11-22T16:00:00.000Z',
  state: 'synced',
  since: '2026-11-22T16:00:00.000Z',
  mirrors: { unknown: 0, degraded: 0, resyncing: 0, synced: 2 },
  outOfSyncBytes: 0,
  progress: null,
  etaSeconds: null,
  reasons: [],
}

const ANSWERS = answersOf(new Map([[SR, REPORT]]))
const IGNORED = { clock: machineClock, answers: ANSWERS, events: new SyncEvents(), onBug: () => undefined }

async function listening(t: Tap, answers: SyncAnswers = ANSWERS) {
  // A socket's path has at most 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'agent-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'run', 'agent.sock')
  const bugs: unknown[] = []
  const socket = new AgentSocket({
    clock: machineClock,
    answers,
    events: new SyncEvents(),
    onBug: bug => bugs.push(bug),
  })
  await socket.listen({ path })
  t.teardown(() => socket.close())
  return { path, bugs, socket }
}

interface Tap {
  teardown(end: () => unknown): void
}

function ask(
  socketPath: string,
  body: string | Buffer,
  method = 'POST',
  path = '/jsonrpc',
): Promise<{ status: number; body: string; headers: readonly string[] }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, path, method }, response => {
      let text = ''
      response.on('data', chunk => {
        text += chunk
      })
      const headers = Object.keys(response.headers).filter(name => name.startsWith('content-'))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, headers }))
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

const call = async (path: string, request: unknown) => {
  const { body } = await ask(path, JSON.stringify(request))
  return body === '' ? null : JSON.parse(body)
}

t.test('the methods and their results', async t => {
  const { path, bugs } = await listening(t)
  const callMethod = (method: string, params: unknown) => call(path, { jsonrpc: '2.0', id: 1, method, params })
  t.strictSame((await callMethod('SR.list', {})).result, [{ sr: SR, state: 'synced' }])
  t.strictSame((await callMethod('SR.sync_status', { sr: SR })).result, REPORT)
  t.strictSame((await callMethod('SR.mirrors', { sr: SR })).result, { counts: REPORT.mirrors, mirrors: [], omitted: 0 })
  t.strictSame(JSON.parse((await callMethod('report', { sr: SR })).result), REPORT)
  t.strictSame(JSON.parse((await callMethod('status', {})).result), [{ sr: SR, state: 'synced' }])
  t.match(await callMethod('report', { sr: 'none' }), { error: { code: -32001, data: { sr: 'none' } } })
  t.match(await callMethod('SR.mirrors', { sr: 'none' }), { error: { code: -32001, data: { sr: 'none' } } })
  t.match(await callMethod('report', [SR]), { error: { code: -32602 } })
  t.match(await callMethod('no.such', {}), { error: { code: -32601 } })
  t.strictSame(bugs, [])
})

t.test('the socket follows the JSON-RPC specification', async t => {
  const { path } = await listening(t)
  const list = { jsonrpc: '2.0', method: 'SR.list' }
  t.match(await call(path, [{ ...list, id: 1 }]), [{ id: 1, result: [{ sr: SR }] }], 'a batch of one is a list of one')
  t.match(await call(path, [{ ...list, id: 1 }, 7, list]), [{ id: 1 }, { id: null, error: { code: -32600 } }])
  t.equal(await call(path, list), null, 'a notification has no answer')
  t.equal(await call(path, [list]), null)
  t.match(await call(path, []), { error: { code: -32600 } })
  t.match(await call(path, Array(101).fill({ ...list, id: 1 })), { error: { code: -32600 } })
  t.match(JSON.parse((await ask(path, '{')).body), { error: { code: -32700 } })
  for (const odd of [{ params: 5 }, { params: 'x' }, { params: null }, { id: {} }, { id: [1] }, { id: true }]) {
    const answer = await call(path, { ...list, id: 1, ...odd })
    t.match(answer, { id: null, error: { code: -32600 } }, JSON.stringify(odd))
  }
  t.match(await call(path, { ...list, id: 'a', params: [] }), { id: 'a', result: [{ sr: SR }] })
  t.strictSame(
    await ask(path, JSON.stringify(list)),
    { status: 204, body: '', headers: [] },
    'a notification gets no content headers',
  )
})

t.test('a request that is not UTF-8 gets an error in the format of its protocol', async t => {
  const { path } = await listening(t)
  const latin1 = Buffer.from('{"jsonrpc":"2.0","id":1,"method":"SR.list","params":{"n":"B\u00e4r"}}', 'latin1')
  t.match(JSON.parse((await ask(path, latin1)).body), { id: null, error: { code: -32700, message: /not UTF-8/ } })
  t.match(await ask(path, latin1, 'POST', '/xapi-plugin'), {
    status: 200,
    body: /InvalidArgument.*the call is not UTF-8/,
  })
})

t.test('requests with another path or method, and bodies that are too large or cut off, get an HTTP error', async t => {
  const { path } = await listening(t)
  t.match(await ask(path, '', 'GET', '/healthz'), { status: 200, body: 'ok\n' })
  t.match(await ask(path, '', 'GET', '/jsonrpc'), { status: 405 })
  t.match(await ask(path, '', 'GET', '/elsewhere'), { status: 404 })
  t.match(await ask(path, ' '.repeat(65_537)), { status: 413 })
  const half = connect(path)
  half.write('POST /jsonrpc HTTP/1.1\r\ncontent-length: 100\r\n\r\n{')
  half.end()
  await once(half.resume(), 'close')
  t.match(await ask(path, '', 'GET', '/healthz'), { status: 200 }, 'the socket still answers')
})

t.test('an error of this program is reported here, and not to the client', async t => {
  const { path, bugs } = await listening(t, {
    srs: () => {
      throw new TypeError('a secret')
    },
    report: () => null,
    unwatched: () => ({ drbd: [], md: [], omitted: 0, doubts: [] }),
    mirrors: () => null,
  })
  t.match(await call(path, { jsonrpc: '2.0', id: 1, method: 'SR.list' }), {
    error: { code: -32603, message: 'internal error, see the log' },
  })
  t.match(bugs, [{ message: 'a secret' }])
})

t.test(
  'only its user can open the socket; it is removed when closed, and taken over only from a dead process',
  async t => {
    const { path, socket } = await listening(t)
    t.equal(statSync(path).mode & 0o777, 0o600)
    const second = new AgentSocket(IGNORED)
    await t.rejects(second.listen({ path }), { code: 'EADDRINUSE' }, 'another agent answers there')
    t.match(await ask(path, '', 'GET', '/healthz'), { status: 200 }, 'and still answers')
    await socket.close()
    t.notOk(existsSync(path))
    const killed = spawn(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`,
    ])
    await once(killed.stdout, 'data')
    killed.kill('SIGKILL')
    await once(killed, 'exit')
    t.ok(existsSync(path), 'a killed process leaves its socket behind')
    const successor = new AgentSocket(IGNORED)
    await successor.listen({ path })
    t.match(await ask(path, '', 'GET', '/healthz'), { status: 200 })
    await successor.close()
  },
)

t.test('the socket can listen on a network address', async t => {
  const socket = new AgentSocket(IGNORED)
  const { host, port } = await socket.listen({ port: 0 })
  t.equal(host, '127.0.0.1')
  const response = await fetch(`http://${host}:${port}/healthz`)
  t.equal(response.status, 200)
  await socket.close()
})

t.test('the client distinguishes a refusal from no answer', async t => {
  const { path } = await listening(t)
  const callAt = (address: string, method: AgentMethod, timeoutMs = 30_000) =>
    new AgentClient(address).call(method, { sr: SR }, AbortSignal.timeout(timeoutMs))
  t.match(await callAt(path, 'SR.list'), [{ sr: SR }])
  await t.rejects(callAt(path, 'Pool.gate'), { code: -32_601 })
  await t.rejects(callAt(`${path}.none`, 'SR.list'), AgentUnreachable, 'no process listens')
  const answering = async (name: string, listener: RequestListener) => {
    const server = createServer(listener)
    await once(server.listen(`${path}.${name}`), 'listening')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return `${path}.${name}`
  }
  const json =
    (text: string): RequestListener =>
    (_, response) =>
      response.end(text)
  await t.rejects(callAt(await answering('other', json('{}')), 'SR.list'), AgentUnreachable)
  await t.rejects(callAt(await answering('html', json('<h1>')), 'SR.list'), AgentUnreachable)
  const wrongId = json('{"jsonrpc":"2.0","id":99,"result":1}')
  await t.rejects(callAt(await answering('wrong', wrongId), 'SR.list'), AgentUnreachable)
  const lost: RequestListener = (_, response) => response.writeHead(404).end()
  await t.rejects(callAt(await answering('lost', lost), 'SR.list'), { name: 'AgentUnreachable', message: /404/ })
  const endless: RequestListener = (_, response) => response.end('x'.repeat(2_000_000))
  await t.rejects(callAt(await answering('endless', endless), 'SR.list'), AgentUnreachable)
  await t.rejects(callAt(await answering('hung', () => undefined), 'SR.list', 100), AgentUnreachable, 'too slow')
})
