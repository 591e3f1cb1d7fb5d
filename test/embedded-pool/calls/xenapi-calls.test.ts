import t from 'tap'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { ask, askText, firstOf, login, PASSWORD, post, servedPool } from '../pool-under-test.ts'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const REF = /^OpaqueRef:[0-9a-f-]{36}$/

t.test('records can be read whole, by field and by UUID', async t => {
  const atMs = Date.UTC(2026, 10, 22, 16, 0, 0, 123)
  const { pool, url } = await servedPool(t, { clock: { ...machineClock, now: () => atMs } })
  const { hosts, sr } = pool.seed(['a'], { type: 'linstor' })
  const { ref, pbd } = firstOf(hosts)
  const session = await login(url)
  const host = pool.get('host', ref)
  t.match(host?.uuid, UUID)
  t.strictSame(await ask(url, 'host.get_all_records', session), { [ref]: host })
  t.strictSame(await ask(url, 'host.get_record', session, ref), host)
  t.strictSame(await ask(url, 'host.get_by_uuid', session, host?.uuid), ref)
  t.strictSame(await ask(url, 'host.get_PBDs', session, ref), [pbd])
  t.strictSame(await ask(url, 'SR.get_PBDs', session, sr), [pbd])
  t.strictSame(await ask(url, 'SR.get_type', session, sr), 'linstor')
  t.strictSame(await ask(url, 'pool.get_master', session, pool.ref), ref, 'the first host is the coordinator')
  t.strictSame(await ask(url, 'host.get_other_config', session, ref), {
    boot_time: '1795363200.',
    agent_start_time: '1795363200.',
  })
  t.strictSame(await ask(url, 'host.get_servertime', session, ref), '20261122T16:00:00Z')
  t.strictSame(await ask(url, 'host.assert_can_evacuate', session, ref), '')
  t.strictSame(await ask(url, 'host.get_vms_which_prevent_evacuation', session, ref), {})

  const methods = await ask(url, 'system.listMethods')
  t.ok(Array.isArray(methods))
  const listed = new Set(Array.isArray(methods) ? methods : [])
  for (const method of [
    'host.get_all_records',
    'event.from',
    'Async.host.reboot',
    'system.listMethods',
    'PBD.add_to_other_config',
  ]) {
    t.ok(listed.has(method), `${method} is listed`)
  }
  t.notOk(
    [...listed].some(method => String(method).startsWith('session.get_all')),
    'sessions cannot be listed, because their refs are credentials',
  )
})

t.test('other_config supports add, remove and set with any key', async t => {
  const { pool, url } = await servedPool(t)
  const session = await login(url)
  const map = () => ask(url, 'pool.get_other_config', session, pool.ref)
  await ask(url, 'pool.add_to_other_config', session, pool.ref, 'k', 'v')
  await ask(url, 'pool.add_to_other_config', session, pool.ref, '__proto__', 'p')
  t.strictSame(await map(), JSON.parse('{"k":"v","__proto__":"p"}'))
  t.strictSame(await ask(url, 'pool.add_to_other_config', session, pool.ref, 'k', 'v'), [
    'MAP_DUPLICATE_KEY',
    'pool',
    'other_config',
    pool.ref,
    'k',
  ])
  t.strictSame(await ask(url, 'pool.add_to_other_config', session, pool.ref, 'constructor', 'c'), '')
  await ask(url, 'pool.remove_from_other_config', session, pool.ref, '__proto__')
  t.strictSame(await ask(url, 'pool.remove_from_other_config', session, pool.ref, 'absent'), '')
  t.strictSame(await map(), { k: 'v', constructor: 'c' })
  await ask(url, 'pool.set_other_config', session, pool.ref, { other: 'w' })
  t.strictSame(await map(), { other: 'w' })
})

t.test('a session ends by logout, after a day without use, and after 100 newer sessions of its user', async t => {
  let nowMs = 0
  const { url } = await servedPool(t, { clock: { ...machineClock, now: () => nowMs } })
  const gone = await login(url)
  t.strictSame(await ask(url, 'session.logout', gone), '')
  t.strictSame(await ask(url, 'session.logout', gone), ['SESSION_INVALID', gone])

  const unused = await login(url)
  nowMs += 23 * 3_600_000
  const used = await login(url)
  t.strictSame(await ask(url, 'host.get_all', used), [])
  nowMs += 2 * 3_600_000
  t.strictSame(await ask(url, 'host.get_all', unused), ['SESSION_INVALID', unused])
  t.strictSame(await ask(url, 'host.get_all', used), [])

  const request = { method: 'session.login_with_password', params: ['root', PASSWORD, '2.21', 'me'], id: 1 }
  for (let round = 0; round < 5; round += 1) {
    await post(url, Array(99).fill(request))
    t.strictSame(await ask(url, 'host.get_all', used), [], 'a used session stays')
  }
  await post(url, Array(100).fill(request))
  t.strictSame(await ask(url, 'host.get_all', used), ['SESSION_INVALID', used])
})

t.test('tasks behave as in stock xapi', async t => {
  let nowMs = Date.UTC(2026, 10, 22)
  const collector: { collect?: () => void } = {}
  const { pool, url } = await servedPool(t, {
    clock: {
      ...machineClock,
      now: () => nowMs,
      after: (delayMs, callback) => {
        if (delayMs === 30_000) collector.collect = callback
        return () => undefined
      },
    },
  })
  const session = await login(url)
  const task = await askText(url, 'task.create', session, 'SR Recovering', 'OpaqueRef:sr')
  t.match(task, REF)
  await ask(url, 'task.set_progress', session, task, 0.5)
  t.match(await ask(url, 'task.get_record', session, task), {
    name_label: 'SR Recovering',
    name_description: 'OpaqueRef:sr',
    status: 'pending',
    progress: 0.5,
    created: '20261122T00:00:00Z',
    finished: '19700101T00:00:00Z',
    type: '<none/>',
  })
  await ask(url, 'task.set_status', session, task, 'cancelling')
  await ask(url, 'task.destroy', session, task)
  t.match(await ask(url, 'task.get_current_operations', session, task), { 'DummyRef:': undefined })
  t.strictSame(await ask(url, 'task.get_status', session, task), 'cancelling', 'destroy does not delete a pending task')
  await ask(url, 'task.set_status', session, task, 'success')
  t.strictSame(
    await ask(url, 'task.get_status', session, task),
    ['HANDLE_INVALID', 'task', task],
    'its completion deletes it',
  )

  const resumed = await askText(url, 'task.create', session, 'resumed', '')
  await ask(url, 'task.set_status', session, resumed, 'success')
  await ask(url, 'task.set_status', session, resumed, 'pending')
  nowMs += 66 * 60_000
  collector.collect?.()
  t.strictSame(
    await ask(url, 'task.get_status', session, resumed),
    'pending',
    'a task that is pending again is not deleted as completed',
  )
  await ask(url, 'task.destroy', session, resumed)
  await ask(url, 'task.destroy', session, resumed)
  t.strictSame(Object.values(pool.get('task', resumed)?.current_operations ?? {}), ['destroy'])
  await ask(url, 'task.set_status', session, resumed, 'success')

  const second = await askText(url, 'task.create', session, 'second', '')
  await ask(url, 'task.set_status', session, second, 'failure')
  t.strictSame(await ask(url, 'task.destroy', session, second), '')
  t.strictSame(await ask(url, 'task.get_all', session), [], 'destroy deletes a completed task immediately')

  const host = pool.addHost({ hostname: 'a' })
  const finished = await askText(url, 'Async.host.disable', session, host)
  const declared = await askText(url, 'task.create', session, 'declared', '')
  await ask(url, 'task.set_status', session, declared, 'success')
  nowMs += 65 * 60_000
  collector.collect?.()
  t.strictSame(
    await ask(url, 'task.get_all', session),
    [finished],
    'a client does not set finished, which then is 1970',
  )
  nowMs += 1_000
  collector.collect?.()
  t.strictSame(await ask(url, 'task.get_all', session), [], 'a completed task is deleted after 65 minutes')

  const [stale, alive] = [
    await askText(url, 'task.create', session, 'stale', ''),
    await askText(url, 'task.create', session, 'alive', ''),
  ]
  const kept = async () => {
    collector.collect?.()
    return ask(url, 'task.get_all', session)
  }
  nowMs += 24 * 3_600_000
  t.strictSame(await kept(), [stale, alive])
  nowMs += 1_000
  t.strictSame(await kept(), [stale, alive], 'on probation after more than a day')
  // the session has expired after a day without use
  const again = await login(url)
  await ask(url, 'task.set_progress', again, alive, 0.1)
  collector.collect?.()
  t.strictSame(await ask(url, 'task.get_all', again), [alive], 'a task with progress is kept, one without is deleted')
  collector.collect?.()
  t.strictSame(await ask(url, 'task.get_all', again), [])

  const creation = { method: 'task.create', params: [again, '', ''], id: 1 }
  for (let round = 0; round < 10; round += 1) await post(url, Array(100).fill(creation))
  t.strictSame(
    await ask(url, 'task.create', again, '', ''),
    ['TOO_MANY_PENDING_TASKS'],
    'the number of pending tasks is limited',
  )
})

t.test('the task of an asynchronous call ends with its result or its error', async t => {
  const { pool, url, bugs } = await servedPool(t, {
    plugins: async ({ plugin, fn, args }) => {
      if (plugin === 'broken') throw new Error('the secret text of a bug')
      if (plugin === 'sad') return { error: ['XENAPI_PLUGIN_FAILURE', fn, 'Error', 'sad'] }
      return { result: JSON.stringify({ fn, args }) }
    },
  })
  const host = firstOf(pool.seed(['a']).hosts).ref
  const session = await login(url)
  const ended = async (method: string, ...params: readonly unknown[]) => {
    const task = await askText(url, `Async.${method}`, session, ...params)
    const record = pool.get('task', task)
    return { label: record?.name_label, status: record?.status, result: record?.result, error: record?.error_info }
  }
  t.strictSame(await ended('host.disable', host), {
    label: 'Async.host.disable',
    status: 'success',
    result: '',
    error: [],
  })
  t.strictSame(await ended('host.call_plugin', host, 'fine', 'a<b', { k: '&' }), {
    label: 'Async.host.call_plugin',
    status: 'success',
    result: '<value>{"fn":"a&lt;b","args":{"k":"&amp;"}}</value>',
    error: [],
  })
  t.strictSame(await ended('host.call_plugin', host, 'sad', 'f', {}), {
    label: 'Async.host.call_plugin',
    status: 'failure',
    result: '',
    error: ['XENAPI_PLUGIN_FAILURE', 'f', 'Error', 'sad'],
  })
  t.strictSame((await ended('host.enable', 'OpaqueRef:none')).error, ['HANDLE_INVALID', 'host', 'OpaqueRef:none'])
  t.strictSame(bugs, [])
  t.strictSame((await ended('host.call_plugin', host, 'broken', 'f', {})).error, [
    'INTERNAL_ERROR',
    'see the log of the pool',
  ])
  t.strictSame(await ask(url, 'host.call_plugin', session, host, 'broken', 'f', {}), [
    'INTERNAL_ERROR',
    'see the log of the pool',
  ])
  t.match(
    bugs,
    [{ message: 'the secret text of a bug' }, { message: 'the secret text of a bug' }],
    'onBug gets the error',
  )
  t.strictSame(await ask(url, 'host.call_plugin', session, host, 'fine', 'f', {}), '{"fn":"f","args":{}}')
  pool.hostLeft(host)
  t.strictSame(await ask(url, 'host.call_plugin', session, host, 'fine', 'f', {}), ['HOST_OFFLINE', host])
})

t.test('a message must name an object of the pool; beyond a thousand the oldest is deleted', async t => {
  const { pool, url } = await servedPool(t, { clock: { ...machineClock, now: () => 0 } })
  const { sr } = pool.seed(['a'])
  const session = await login(url)
  const uuid = pool.get('SR', sr)?.uuid
  const message = await askText(url, 'message.create', session, 'RESYNC_STARTED', 3, 'SR', uuid, 'body')
  t.match(await ask(url, 'message.get_record', session, message), {
    name: 'RESYNC_STARTED',
    priority: 3,
    cls: 'SR',
    obj_uuid: uuid,
    timestamp: '19700101T00:00:00Z',
    body: 'body',
  })
  const creation = {
    method: 'message.create',
    params: [session, 'N', 1, 'Pool', pool.get('pool', pool.ref)?.uuid, ''],
    id: 1,
  }
  for (let round = 0; round < 10; round += 1) await post(url, Array(100).fill(creation))
  t.equal(pool.list('message').length, 1_000)
  t.equal(pool.get('message', message), undefined)
  const [next] = firstOf(pool.list('message'))
  t.strictSame(await ask(url, 'message.destroy', session, next), '')
  t.strictSame(await ask(url, 'message.get_body', session, next), ['HANDLE_INVALID', 'message', next])
})
