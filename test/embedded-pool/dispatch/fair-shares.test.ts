import t from 'tap'
import { xenApiJsonRpc } from '../../../src/embedded-pool/dispatch/json-rpc.ts'
import type { Role } from '../../../src/embedded-pool/sessions/roles.ts'
import { ROLES } from '../../../src/embedded-pool/sessions/roles.ts'
import { ask, askText, firstOf, post, servedPool } from '../pool-under-test.ts'

/** A served pool of one host. The name of a user is its role, with an optional suffix after a dot. */
async function poolOfMany(t: { teardown(end: () => Promise<void>): void }) {
  const authenticate = (user: string): Role | false => ROLES.find(role => role === user.split('.')[0]) ?? false
  const served = await servedPool(t, { authenticate, plugins: async () => ({ result: 'done' }) })
  const host = firstOf(served.pool.seed(['a']).hosts).ref
  const login = (user: string) => askText(served.url, 'session.login_with_password', user, 'x')
  /** Makes the same call many times. */
  const flood = async (times: number, method: string, ...params: readonly unknown[]) => {
    for (let left = times; left > 0; left -= 100) {
      await post(served.url, Array(Math.min(left, 100)).fill({ method, params, id: 1 }))
    }
  }
  return { ...served, host, login, flood }
}

t.test('a read-only user cannot exhaust the tasks or calls of others', async t => {
  const { pool, url, host, login, flood } = await poolOfMany(t)
  const reader = await login('read-only')
  await flood(150, 'task.create', reader, 'label', 'description')
  t.equal(pool.list('task').length, 100)
  t.strictSame(await ask(url, 'task.create', reader, 'label', ''), ['TOO_MANY_PENDING_TASKS'])
  t.match(
    await ask(url, 'task.create', await login('read-only.2'), 'label', ''),
    /^OpaqueRef:/,
    'another user has its own share',
  )
  const admin = await login('pool-admin')
  await flood(200, 'task.create', admin, 'label', '')
  t.equal(pool.list('task').length, 301, 'all hosts report resyncs as one user with the role pool-operator')
  await flood(1_000, 'task.create', admin, 'label', '')
  t.equal(pool.list('task').length, 1_000)
  t.strictSame(await ask(url, 'task.create', admin, 'label', ''), ['TOO_MANY_PENDING_TASKS'])
  const call = await askText(url, 'Async.host.disable', admin, host)
  t.equal(pool.get('task', call)?.status, 'success', 'asynchronous calls have their own limit')
})

t.test('completed tasks of the user with too many are deleted, not the results of others', async t => {
  const { pool, url, host, login, flood } = await poolOfMany(t)
  const call = await askText(url, 'Async.host.disable', await login('pool-admin'), host)
  const reader = await login('read-only')
  const made: string[] = []
  for (let round = 0; round < 120; round += 1) {
    const task = await askText(url, 'task.create', reader, 'label', '')
    made.push(task)
    await ask(url, 'task.set_status', reader, task, 'success')
  }
  t.equal(pool.list('task').length, 101)
  t.ok(pool.get('task', call))
  t.notOk(pool.get('task', firstOf(made)), 'the oldest of its own tasks')
  await flood(100, 'task.create', reader, 'label', '')
  t.strictSame(
    await ask(url, 'task.set_status', reader, made.at(-1), 'pending'),
    ['TOO_MANY_PENDING_TASKS'],
    'pending again it would exceed the limit',
  )
  const admin = await login('pool-admin')
  await flood(1_000, 'Async.host.disable', admin, host)
  t.notOk(pool.get('task', call), 'beyond a thousand, the oldest of all')
  t.equal(pool.list('task').length, 1_100)
})

t.test('the texts of a task are limited, and a repeated cancel does not grow it', async t => {
  const { pool, url, login, flood } = await poolOfMany(t)
  const reader = await login('read-only')
  const [fits, tooLong] = ['x'.repeat(4_096), 'ä'.repeat(2_049)]
  const task = await askText(url, 'task.create', reader, fits, fits)
  const refused = (name: string) => ['VALUE_NOT_SUPPORTED', name, '', 'too large']
  const cases: readonly (readonly [method: string, params: readonly unknown[], name: string | null])[] = [
    ['task.create', [tooLong, ''], 'label'],
    ['task.create', ['', tooLong], 'description'],
    ['task.set_result', [task, fits], null],
    ['task.set_result', [task, tooLong], 'result'],
    ['task.set_error_info', [task, Array(16).fill('x'.repeat(256))], null],
    ['task.set_error_info', [task, Array(17).fill('')], 'error_info'],
    ['task.set_error_info', [task, ['x'.repeat(4_000), 'y'.repeat(97)]], 'error_info'],
    ['task.set_other_config', [task, { k: 'x'.repeat(4_095) }], null],
    ['task.add_to_other_config', [task, 'l', 'v'], 'other_config'],
    ['task.set_other_config', [task, { k: fits }], 'other_config'],
  ]
  for (const [method, params, name] of cases) {
    t.strictSame(await ask(url, method, reader, ...params), name === null ? '' : refused(name), method)
  }
  await flood(50, 'task.cancel', reader, task)
  t.strictSame(Object.values(pool.get('task', task)?.current_operations ?? {}), ['cancel'])
  t.ok(JSON.stringify(pool.get('task', task)).length < 25_000)
})

t.test('repeated logins end the own sessions of the user, not those of others', async t => {
  const { url, login, flood } = await poolOfMany(t)
  const admin = await login('pool-admin')
  const idle = await login('read-only')
  await flood(600, 'session.login_with_password', 'read-only', 'x')
  t.strictSame(await ask(url, 'host.get_all', idle), ['SESSION_INVALID', idle])
  t.match(await ask(url, 'host.get_all', admin), [/^OpaqueRef:/])
  const lone = await login('vm-admin')
  for (const user of ['read-only.1', 'read-only.2', 'read-only.3', 'read-only.4', 'read-only.5']) {
    await flood(100, 'session.login_with_password', user, 'x')
  }
  t.match(
    await ask(url, 'host.get_all', admin),
    [/^OpaqueRef:/],
    'beyond the total limit a session of the user with the most sessions ends',
  )
  t.match(await ask(url, 'host.get_all', lone), [/^OpaqueRef:/])
})

t.test('an answer that cannot be encoded is an error of its call only, in both versions', async t => {
  const bugs: unknown[] = []
  const broken = {
    toJSON: () => {
      throw new RangeError('Invalid string length')
    },
  }
  const rpc = xenApiJsonRpc(
    async method => ({ result: method === 'whole' ? 'x' : broken }),
    bug => bugs.push(bug),
  )
  const answer = async (request: unknown): Promise<unknown> =>
    JSON.parse(
      (await rpc.answer(JSON.stringify(request), {
        signal: new AbortController().signal,
        client: { address: '', owner: null, isReserved: false, own: () => undefined },
      })) ?? '',
    )
  const why = 'the answer cannot be written'
  const old = { method: 'broken', params: [], id: 7 }
  const oldAnswer = { result: null, error: ['INTERNAL_ERROR', why], id: 7 }
  const newAnswer = { jsonrpc: '2.0', id: 'a', error: { code: 1, message: 'INTERNAL_ERROR', data: [why] } }
  t.strictSame(await answer(old), oldAnswer)
  t.strictSame(await answer({ jsonrpc: '2.0', ...old, id: 'a' }), newAnswer)
  t.strictSame(
    await answer([
      { ...old, method: 'whole' },
      { ...old, jsonrpc: '2.0', id: 'a' },
    ]),
    [{ result: 'x', error: null, id: 7 }, newAnswer],
  )
  t.match(bugs, [{ message: 'Invalid string length' }, { name: 'RangeError' }, { name: 'RangeError' }])
})
