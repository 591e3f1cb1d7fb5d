import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { stockPool, type Tap } from './stock-pool-under-test.ts'

interface Answer {
  readonly status: number
  readonly type: string
  readonly connection: string
  readonly text: string
}

/** Sends one HTTP request to a unix socket or a TCP port. */
function send(at: { socketPath: string } | { port: number }, body: string, path = '/jsonrpc', method = 'POST') {
  return new Promise<Answer>((resolve, reject) => {
    const outgoing = request({ ...at, method, path }, async response => {
      let text = ''
      for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
      const { 'content-type': type = '', connection = '' } = response.headers
      resolve({ status: response.statusCode ?? 0, type, connection, text })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

async function json(at: Parameters<typeof send>[0], body: unknown): Promise<unknown> {
  return JSON.parse((await send(at, JSON.stringify(body))).text)
}

async function poolWithSockets(t: Tap) {
  const folder = mkdtempSync(join(tmpdir(), 'stock-'))
  const pool = await stockPool(t, { authenticate: (_, password) => password === '', failedLoginDelayMs: 0 })
  t.teardown(async () => rmSync(folder, { recursive: true }))
  const sockets = { coordinator: { socketPath: join(folder, 'a') }, member: { socketPath: join(folder, 'b') } }
  await pool.pool.listen(sockets.coordinator)
  await pool.pool.listen({ ...sockets.member, of: pool.b.ref })
  return { ...pool, ...sockets }
}

t.test('both unix sockets accept every user and password, with full rights', async t => {
  const { pool, coordinator, member, c } = await poolWithSockets(t)
  for (const at of [coordinator, member]) {
    const login = { method: 'session.login_with_password', params: ['nobody', ''], id: 1 }
    const { result: session } = (await json(at, login)) as { result: string }
    t.match(session, /^OpaqueRef:/)
    const call = (method: string, ...params: readonly unknown[]) =>
      json(at, { method, params: [session, ...params], id: 2 })
    t.match(await call('host.disable', c.ref, false), { result: '', error: null, id: 2 })
    t.equal(pool.get('host', c.ref)?.enabled, false)
    t.match(await call('host.enable', c.ref), { result: '' })
    t.match(await call('task.create', 'SR Recovering', 'x'), { result: /^OpaqueRef:/ })
    t.match(await call('session.get_is_local_superuser', session), { result: true })
  }
})

t.test(
  'errors: JSON-RPC 1 has one shape on both sockets; version 2 of a member is a plain array with the right id',
  async t => {
    const { coordinator, member } = await poolWithSockets(t)
    const error = ['SESSION_INVALID', 'OpaqueRef:x']
    const ask = { method: 'pool.get_all', params: ['OpaqueRef:x'], id: 'seven' }
    for (const at of [coordinator, member]) t.strictSame(await json(at, ask), { result: null, error, id: 'seven' })
    t.strictSame(await json(coordinator, { jsonrpc: '2.0', ...ask }), {
      jsonrpc: '2.0',
      error: { code: 1, message: 'SESSION_INVALID', data: ['OpaqueRef:x'] },
      id: 'seven',
    })
    t.strictSame(await json(member, { jsonrpc: '2.0', ...ask }), { jsonrpc: '2.0', error, id: 'seven' })
    t.match(
      await json(member, { ...ask, method: 'pool.unknown' }),
      { error },
      'the session is checked before the method',
    )
  },
)

t.test('the TCP port checks the password; that of a member answers HOST_IS_SLAVE', async t => {
  const { pool, b, a, port } = await poolWithSockets(t).then(async each => ({
    ...each,
    port: (await each.pool.listen({ port: 0, of: each.b.ref })).port,
  }))
  pool.configureHost(a.ref, { address: '192.0.2.1' })
  t.ok(b)
  const login = { method: 'session.login_with_password', params: ['root', 'x'], id: 3 }
  t.strictSame(await json({ port }, login), { result: null, error: ['HOST_IS_SLAVE', '192.0.2.1'], id: 3 })
  t.match(await json({ port }, { jsonrpc: '2.0', ...login }), {
    error: { code: 1, message: 'HOST_IS_SLAVE', data: ['192.0.2.1'] },
    id: 3,
  })
  const { port: ofCoordinator } = await pool.listen({ port: 0 })
  t.match(await json({ port: ofCoordinator }, login), { error: ['SESSION_AUTHENTICATION_FAILED'] })
})

t.test(
  'malformed JSON, a batch, and a missing or null id are HTTP 500 with HTML, and close the connection',
  async t => {
    const { coordinator } = await poolWithSockets(t)
    const login = '"method":"session.login_with_password","params":["a","b"]'
    const bodies = ['{', `[{${login},"id":1}]`, `{${login}}`, `{${login},"id":null}`, `{${login},"id":1.5}`]
    for (const body of [...bodies, '{"method":"a","params":["\\ud800"],"id":1}']) {
      t.match(
        await send(coordinator, body),
        { status: 500, type: 'text/html', connection: 'close', text: '<html>' },
        body,
      )
    }
    t.match(await send(coordinator, `{${login},"id":1}`), { status: 200, connection: 'keep-alive' })
    t.match(await send(coordinator, '', '/jsonrpc', 'GET'), { status: 403 })
    t.match(await send(coordinator, `{${login},"id":1}`, '/'), { status: 500 }, 'XML is expected there')
  },
)

t.test('a request above 300 KiB is HTTP 500 with HTML', async t => {
  const { coordinator } = await poolWithSockets(t)
  const body = (length: number) => {
    const text = JSON.stringify({ method: 'session.login_with_password', params: ['a', ''], id: 1 })
    return text.replace('""', `"${'x'.repeat(length - text.length)}"`)
  }
  t.match(await send(coordinator, body(307_200)), { status: 200 })
  t.match(await send(coordinator, body(307_201)), { status: 500, type: 'text/html', text: '<html>' })
})

t.test(
  'texts are cut at the first control character other than CR, LF and TAB; those of messages get U+FFFD',
  async t => {
    const { coordinator, pool, b } = await poolWithSockets(t)
    const { result } = (await json(coordinator, {
      method: 'session.login_with_password',
      params: ['a', ''],
      id: 1,
    })) as { result: string }
    const call = (method: string, ...params: readonly unknown[]) =>
      json(coordinator, { method, params: [result, ...params], id: 2 })
    await call('host.set_name_label', b.ref, 'a\u0001b')
    t.equal(pool.get('host', b.ref)?.name_label, 'a')
    await call('host.set_name_label', b.ref, '\u0000')
    t.equal(pool.get('host', b.ref)?.name_label, '')
    await call('PBD.set_other_config', b.pbd, { 'k\u0002x': 'a\r\n\t"\uFFFE😀\u001f' })
    t.strictSame(pool.get('PBD', b.pbd)?.other_config, { k: 'a\r\n\t"\uFFFE😀' })
    await call('message.create', 'x\u0001y', 3, 'Host', pool.get('host', b.ref)?.uuid, '')
    t.match(pool.list('message')[0]?.[1], { name: 'x\uFFFDy' })
  },
)

t.test('after a restart of the toolstack the same sockets and ports answer', async t => {
  const { pool, clock, coordinator, member } = await poolWithSockets(t)
  let isOver = false
  const restart = pool.restartToolstack({ how: 'kill' }).then(() => {
    isOver = true
  })
  await t.rejects(send(coordinator, ''), 'the connection is refused')
  while (!isOver) await clock.advanceAsync(100)
  await restart
  const login = { method: 'session.login_with_password', params: ['a', ''], id: 1 }
  for (const at of [coordinator, member]) t.match(await json(at, login), { result: /^OpaqueRef:/ })
})
