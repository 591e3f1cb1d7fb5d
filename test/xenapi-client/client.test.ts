import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { machineClock } from '../../src/platform/time/clock.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'
import { XenApiError, XenApiUnreachable } from '../../src/xenapi-client/errors.ts'
import { connected, endOf, serving, until } from '../xapi-notify/toolstack-under-test.ts'

t.test('one login serves many calls, and errors are those of the toolstack', async t => {
  const { pool, client, logins, hosts } = await connected(t)
  const answers = await Promise.all([
    client.call('pool.get_all'),
    client.call('host.get_all'),
    client.call('SR.get_all'),
  ])
  t.strictSame(answers, [[pool.ref], hosts.map(({ ref }) => ref), pool.list('SR').map(([ref]) => ref)])
  t.equal(logins.length, 1)
  const error = await endOf(client.call('host.get_uuid', ['OpaqueRef:none']))
  t.ok(error instanceof XenApiError)
  t.match(error, {
    code: 'HANDLE_INVALID',
    params: ['host', 'OpaqueRef:none'],
    message: 'HANDLE_INVALID(host, OpaqueRef:none)',
  })
})

t.test('a session that the toolstack no longer knows is opened again, once for all calls', async t => {
  const { client, logins, clientOf } = await connected(t)
  const session = await client.call('session.logout').then(() => client.call('pool.get_all'))
  t.ok(Array.isArray(session))
  t.equal(logins.length, 2)
  await client.call('session.logout')
  await Promise.all([client.call('pool.get_all'), client.call('pool.get_all'), client.call('pool.get_all')])
  t.equal(logins.length, 3)
  t.match(await endOf(clientOf('wrong').call('pool.get_all')), { code: 'SESSION_AUTHENTICATION_FAILED' })
})

t.test('after a refused login no call logs in again before the pause is over', async t => {
  const { logins, url } = await connected(t)
  const wrong = new XenApiClient({ clock: machineClock, url, user: 'root', password: 'wrong', loginPauseMs: 100 })
  t.teardown(() => wrong.close())
  const refused = { name: 'XenApiError', code: 'SESSION_AUTHENTICATION_FAILED' }
  for (let round = 0; round < 3; round += 1) {
    t.match(await Promise.all([1, 2].map(() => endOf(wrong.call('pool.get_all')))), [refused, refused])
  }
  t.equal(logins.length, 1)
  await until('the login is tried again', async () => {
    await endOf(wrong.call('pool.get_all'))
    return logins.length > 1
  })
  t.equal(wrong.logins, 0)
})

t.test('a call ends at its deadline, at its signal, and when the client is closed', async t => {
  const { client, clientOf, hosts } = await connected(t)
  t.ok(
    Array.isArray(await client.call('pool.get_all', [], { timeoutMs: 16.1 * 1000 })),
    'a deadline of no whole number',
  )
  const hanging = ['host.call_plugin', [hosts[0]?.ref, 'p', 'f', {}]] as const
  const error = await endOf(client.call(...hanging, { timeoutMs: 30 }))
  t.ok(error instanceof XenApiUnreachable)
  t.match(error, { message: /timeout/ })
  const leaving = new AbortController()
  const left = endOf(client.call(...hanging, { signal: leaving.signal }))
  leaving.abort(new Error('the agent stops'))
  t.match(await left, { name: 'XenApiUnreachable', message: 'the agent stops' })

  const other = clientOf()
  await other.call('pool.get_all')
  const cut = endOf(other.call(...hanging))
  await other.close()
  t.match(await cut, { message: 'the client was closed' })
  t.match(await endOf(other.call('pool.get_all')), { message: 'the client was closed' })
  await other.close()
})

t.test('closing does not wait for a toolstack that hangs', async t => {
  const url = await serving(t, () => undefined)
  const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: '' })
  const call = endOf(client.call('pool.get_all'))
  await sleep(10)
  const beganMs = performance.now()
  await client.close()
  t.ok(performance.now() - beganMs < 500)
  t.match(await call, { name: 'XenApiUnreachable' })
})

t.test('an answer that is not XenAPI is XenApiUnreachable, never a result', async t => {
  const answers: readonly (readonly [title: string, status: number, body: string, error: object])[] = [
    ['another status', 500, '{}', { name: 'XenApiUnreachable', message: 'HTTP status 500' }],
    ['no JSON', 200, '<html>', { name: 'XenApiUnreachable' }],
    ['no object', 200, 'null', { message: 'the answer is not JSON-RPC' }],
    ['no result', 200, '{"id":1}', { message: 'the answer belongs to another request' }],
    ['the answer to another call', 200, '{"id":99,"result":""}', { message: 'the answer belongs to another request' }],
    [
      'a session that is no string',
      200,
      '{"id":1,"result":5}',
      { message: 'session.login_with_password did not answer with a session' },
    ],
    ['an error that is none', 200, '{"id":1,"error":"x"}', { message: 'the error is not JSON-RPC' }],
    [
      'an error of JSON-RPC itself',
      200,
      '{"id":1,"error":{"code":-32700,"message":"Parse error"}}',
      { name: 'XenApiUnreachable', message: 'JSON-RPC error -32700: Parse error' },
    ],
    [
      'an error without parameters',
      200,
      '{"id":1,"error":{"code":1,"message":"TOO_BUSY"}}',
      { name: 'XenApiError', code: 'TOO_BUSY', params: [] },
    ],
    [
      'a plain array with id 0, raised before dispatch',
      200,
      '{"jsonrpc":"2.0","id":0,"error":["HOST_STILL_BOOTING","x"]}',
      { name: 'XenApiError', code: 'HOST_STILL_BOOTING', params: ['x'] },
    ],
    ['more than 64 MiB', 200, '', { message: /more than 67108864 bytes/ }],
  ]
  for (const [title, status, body, error] of answers) {
    const url = await serving(t, (request, response) => {
      request.resume()
      response.on('error', () => undefined)
      response.writeHead(status)
      if (title !== 'more than 64 MiB') return response.end(body)
      const more = () => {
        while (response.write(Buffer.alloc(1_048_576))) if (response.destroyed) return
        if (!response.destroyed) response.once('drain', more)
      }
      return more()
    })
    const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: '' })
    t.match(await endOf(client.call('pool.get_all')), error, title)
    await client.close()
  }
  const cutOff = await serving(t, (_request, response) => {
    response.writeHead(200, { 'content-length': 100 })
    response.write('{')
    response.socket?.destroySoon()
  })
  const client = new XenApiClient({ clock: machineClock, url: cutOff, user: 'root', password: '' })
  t.match(await endOf(client.call('pool.get_all')), { name: 'XenApiUnreachable' }, 'an answer cut off')
  await client.close()
})
