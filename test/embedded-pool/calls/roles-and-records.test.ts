import t from 'tap'
import type { PoolOptions } from '../../../src/embedded-pool/pool-options.ts'
import type { Role } from '../../../src/embedded-pool/sessions/roles.ts'
import { HOST_AGENT, ROLES } from '../../../src/embedded-pool/sessions/roles.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { ask, askText, firstOf, servedPool, until } from '../pool-under-test.ts'

/** A served pool of two hosts and one SR. The name of a user is its role. */
async function poolWithRoles(t: { teardown(end: () => Promise<void>): void }, options: Partial<PoolOptions> = {}) {
  const served = await servedPool(t, { authenticate: user => ROLES.find(role => role === user) ?? false, ...options })
  const seeded = served.pool.seed(['a', 'b'])
  const sessions = new Map<Role, string>()
  for (const role of ROLES) sessions.set(role, await askText(served.url, 'session.login_with_password', role, 'x'))
  const as = (role: Role, method: string, ...params: readonly unknown[]) =>
    ask(served.url, method, sessions.get(role), ...params)
  return { ...served, ...seeded, sessions, as }
}

t.test('each method requires the same role as in stock xapi', async t => {
  const { as, pool, sr, hosts } = await poolWithRoles(t)
  const [{ ref: host, pbd }] = [firstOf(hosts)]
  const hostUuid = pool.get('host', host)?.uuid
  const cases: readonly (readonly [least: (typeof ROLES)[number], method: string, ...params: unknown[]])[] = [
    ['read-only', 'host.get_all_records'],
    ['read-only', 'host.get_record', host],
    ['read-only', 'event.inject', 'host', host],
    ['read-only', 'task.create', 'label', 'description'],
    ['read-only', 'message.get_since', '19700101T00:00:00Z'],
    ['vm-operator', 'SR.set_tags', sr, ['one']],
    ['vm-operator', 'host.add_tags', host, 'two'],
    ['pool-operator', 'pool.set_name_label', pool.ref, 'label'],
    ['pool-operator', 'pool.remove_from_other_config', pool.ref, 'key'],
    ['pool-operator', 'PBD.remove_from_other_config', pbd, 'key'],
    ['pool-operator', 'SR.set_sm_config', sr, {}],
    ['pool-operator', 'PBD.plug', pbd],
    ['pool-operator', 'message.create', 'N', 1, 'Host', hostUuid, ''],
    ['pool-operator', 'host.disable', host],
    ['pool-operator', 'host.evacuate', host],
    ['pool-operator', 'Async.host.enable', host],
    ['pool-operator', 'host.tickle_heartbeat', host, {}],
    ['pool-admin', 'host.call_plugin', host, 'plugin', 'fn', {}],
  ]
  for (const [least, method, ...params] of cases) {
    for (const role of ROLES) {
      const answer = await as(role, method, ...params)
      const isDenied = Array.isArray(answer) && answer[0] === 'RBAC_PERMISSION_DENIED'
      t.equal(isDenied, ROLES.indexOf(role) < ROLES.indexOf(least), `${method} as ${role}`)
    }
  }
  t.strictSame(await as('vm-admin', 'Async.host.shutdown', host), [
    'RBAC_PERMISSION_DENIED',
    'host.shutdown',
    'No permission in user session. (Roles with this permission: pool-operator, pool-admin)',
  ])
})

t.test('the role host-agent may make the calls of an agent and nothing else', async t => {
  const plugins: string[] = []
  const { pool, url, sr, hosts } = await poolWithRoles(t, {
    authenticate: user => (user === HOST_AGENT ? HOST_AGENT : (ROLES.find(role => role === user) ?? false)),
    plugins: async ({ fn }) => {
      plugins.push(fn)
      return { result: '{}' }
    },
  })
  const session = await askText(url, 'session.login_with_password', HOST_AGENT, 'x')
  const { ref: host, pbd } = firstOf(hosts)
  const [hostUuid, srUuid] = [pool.get('host', host)?.uuid, pool.get('SR', sr)?.uuid]
  const cases: readonly (readonly [may: boolean, method: string, ...params: unknown[]])[] = [
    [true, 'host.get_by_uuid', hostUuid],
    [true, 'host.get_all_records'],
    [true, 'pool.hello', hostUuid, '192.0.2.1', {}],
    [true, 'host.tickle_heartbeat', host, {}],
    [true, 'PBD.remove_from_other_config', pbd, 'resync-monitor'],
    [true, 'PBD.add_to_other_config', pbd, 'resync-monitor', 'a report'],
    [true, 'message.create', 'RESYNC_STARTED', 5, 'SR', srUuid, ''],
    [true, 'message.get', 'SR', srUuid, '19700101T00:00:00Z'],
    [true, 'task.create', 'SR Recovering', sr],
    [true, 'event.from', ['pbd'], '', 0],
    [true, 'host.call_plugin', host, 'resync-monitor', 'gate', {}],
    [true, 'host_call_plugin', host, 'resync-monitor', 'can-reboot', {}],
    [true, 'host.add_to_other_config', host, 'resync-monitor:override', '{}'],
    [true, 'host.remove_from_other_config', host, 'resync-monitor:override'],
    [true, 'host.clear_order', host, 'machine.reboot was not configured'],
    [false, 'PBD.add_to_other_config', pbd, 'other', 'x'],
    [false, 'PBD.remove_from_other_config', pbd, ['resync-monitor']],
    [false, 'PBD.set_other_config', pbd, {}],
    [false, 'host.add_to_other_config', host, 'boot_time', '1.'],
    [false, 'host.remove_from_other_config', host, 'boot_time'],
    [false, 'SR.add_to_other_config', sr, 'resync-monitor', 'x'],
    [false, 'host.call_plugin', host, 'resync-monitor', 'status', {}],
    [false, 'host.call_plugin', host, 'other', 'gate', {}],
    [false, 'Async.host.reboot', host],
    [false, 'host.disable', host],
    [false, 'host.enable', host],
    [false, 'host.destroy', host],
    [false, 'PBD.unplug', pbd],
    [false, 'SR.set_tags', sr, []],
    [false, 'message.destroy', 'x'],
  ]
  for (const [may, method, ...params] of cases) {
    const answer = await ask(url, method, session, ...params)
    const isDenied = Array.isArray(answer) && answer[0] === 'RBAC_PERMISSION_DENIED'
    t.equal(isDenied, !may, `${method} ${JSON.stringify(params)}: ${JSON.stringify(answer)}`)
  }
  t.strictSame(plugins, ['gate', 'can-reboot'])
  const own = await ask(url, 'session.get_rbac_permissions', session, session)
  t.ok(Array.isArray(own) && own.includes('pool.hello') && !own.includes('host.reboot'))
})

t.test('names of permissions are in lower case, as in stock xapi', async t => {
  const { as, sr, sessions, hosts } = await poolWithRoles(t)
  t.match(await as('read-only', 'SR.set_tags', sr, []), ['RBAC_PERMISSION_DENIED', 'sr.set_tags'])
  t.match(await as('read-only', 'Async.PBD.plug', firstOf(hosts).pbd), ['RBAC_PERMISSION_DENIED', 'pbd.plug'])
  const own = await as('pool-admin', 'session.get_rbac_permissions', sessions.get('pool-admin'))
  const names: readonly unknown[] = Array.isArray(own) ? own : []
  t.ok(names.includes('pbd.add_to_other_config') && names.includes('host.get_pbds'))
  t.strictSame(
    names.filter(name => String(name) !== String(name).toLowerCase()),
    [],
  )
})

t.test('a task may be changed by its user and by a pool-operator', async t => {
  const { as, pool, url } = await poolWithRoles(t)
  const task = String(await as('read-only', 'task.create', 'mine', ''))
  const changes: readonly (readonly [method: string, ...params: unknown[]])[] = [
    ['task.set_progress', 0.5],
    ['task.set_result', 'r'],
    ['task.set_error_info', ['E']],
    ['task.add_to_other_config', 'key', 'value'],
    ['task.cancel'],
    ['task.set_status', 'cancelled'],
  ]
  for (const [method, ...params] of changes) {
    t.match(await as('vm-admin', method, task, ...params), ['RBAC_PERMISSION_DENIED', 'task.destroy/any'])
    t.equal(await as('read-only', method, task, ...params), '', method)
  }
  t.match(pool.get('task', task), { progress: 0.5, result: 'r', error_info: ['E'], other_config: { key: 'value' } })
  t.strictSame(
    Object.values(pool.get('task', task)?.current_operations ?? {}),
    ['cancel'],
    'the creator sees the request',
  )
  const again = await askText(url, 'session.login_with_password', 'read-only', 'x')
  t.equal(
    await ask(url, 'task.cancel', again, task),
    '',
    'nothing to do for a completed task, in any session of its user',
  )
  t.equal(await as('pool-operator', 'task.destroy', task), '')
  t.equal(pool.get('task', task), undefined)
})

t.test('asynchronous calls can be cancelled, and too many concurrent ones are refused', async t => {
  const { as, pool, hosts, bugs } = await poolWithRoles(t, {
    maxCallsUnderWay: 2,
    plugins: ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('ended by its signal')))),
  })
  const plugin = [firstOf(hosts).ref, 'hangs', 'f', {}] as const
  const tasks = [
    String(await as('pool-admin', 'Async.host.call_plugin', ...plugin)),
    String(await as('pool-admin', 'Async.host.call_plugin', ...plugin)),
  ]
  t.strictSame(await as('pool-admin', 'host.call_plugin', ...plugin), ['TOO_BUSY'])
  t.strictSame(await as('pool-admin', 'Async.host.call_plugin', ...plugin), ['TOO_BUSY'])
  t.match(await as('read-only', 'task.get_all'), tasks, 'a short call has completed, and a refused call left no task')
  for (const task of tasks) {
    t.equal(await as('pool-operator', 'task.cancel', task), '')
    await until(() => pool.get('task', task)?.status === 'cancelled')
    t.match(pool.get('task', task), { progress: 1, error_info: ['TASK_CANCELLED', task] })
  }
  t.equal(await as('pool-operator', 'host.disable', firstOf(hosts).ref), '')
  t.strictSame(bugs, [], 'a cancelled call is not reported as a bug')
})

t.test('a session can read its own record only', async t => {
  const { as, pool, sessions, hosts, url } = await poolWithRoles(t)
  const own = (method: string, role: Role) => as(role, `session.${method}`, sessions.get(role))
  t.equal(await own('get_this_host', 'read-only'), firstOf(hosts).ref)
  t.equal(await own('get_this_user', 'read-only'), 'OpaqueRef:NULL')
  t.equal(await own('get_auth_user_sid', 'read-only'), '')
  t.equal(await own('get_auth_user_name', 'vm-admin'), 'vm-admin')
  t.equal(await own('get_is_local_superuser', 'vm-admin'), false)
  t.equal(await own('get_is_local_superuser', 'pool-admin'), true)
  t.match(await own('get_uuid', 'read-only'), /^[0-9a-f-]{36}$/)
  const permissions = await own('get_rbac_permissions', 'read-only')
  t.ok(Array.isArray(permissions) && permissions.includes('host.get_all') && !permissions.includes('host.reboot'))
  const foreign = sessions.get('pool-admin') ?? ''
  t.strictSame(await as('read-only', 'session.get_this_host', foreign), ['HANDLE_INVALID', 'session', foreign])
  t.strictSame(await as('read-only', 'session.get_record', foreign), ['HANDLE_INVALID', 'session', foreign])
  t.match(await own('get_record', 'vm-admin'), {
    this_host: firstOf(hosts).ref,
    auth_user_name: 'vm-admin',
    is_local_superuser: false,
    last_active: /^\d{8}T\d\d:\d\d:\d\dZ$/,
    originator: '',
    rbac_permissions: ['pool.get_all'],
  })
  const named = await ask(url, 'session.login_with_password', 'read-only', 'x', '2.21', 'a client')
  t.equal(await ask(url, 'session.get_originator', named, named), 'a client')
  for (const method of ['get_all', 'get_all_records', 'get_by_uuid']) {
    t.strictSame(await as('pool-admin', `session.${method}`), ['MESSAGE_METHOD_UNKNOWN', `session.${method}`])
  }
  const everything =
    JSON.stringify(await as('read-only', 'event.from', ['*'], '', 0)) + JSON.stringify(pool.poolSnapshot())
  for (const [role, ref] of sessions)
    t.notOk(everything.includes(ref), `the credential of ${role} is nowhere to be read`)
})

t.test('names, tags and fields are set as in stock xapi', async t => {
  const { as, pool, sr, hosts } = await poolWithRoles(t)
  const { ref: host, pbd } = firstOf(hosts)
  const operator = (method: string, ...params: readonly unknown[]) => as('pool-operator', method, ...params)
  for (const [cls, ref] of [
    ['pool', pool.ref],
    ['host', host],
    ['SR', sr],
  ] as const) {
    t.equal(await operator(`${cls}.set_name_label`, ref, 'label'), '')
    t.equal(await operator(`${cls}.set_name_description`, ref, 'description'), '')
    t.equal(await operator(`${cls}.set_tags`, ref, ['a', 'b', 'a']), '')
    t.equal(await operator(`${cls}.add_tags`, ref, 'c'), '')
    t.equal(await operator(`${cls}.add_tags`, ref, 'c'), '')
    t.equal(await operator(`${cls}.remove_tags`, ref, 'a'), '')
    t.equal(await operator(`${cls}.remove_tags`, ref, 'a'), '')
    t.match(pool.get(cls, ref), { name_label: 'label', name_description: 'description', tags: ['b', 'c'] })
  }
  await operator(
    'SR.set_tags',
    sr,
    Array.from({ length: 100 }, (_, index) => `t${index}`),
  )
  t.strictSame(await operator('SR.add_tags', sr, 'x'), ['VALUE_NOT_SUPPORTED', 'tags', 'x', 'too many'])
  t.strictSame(await operator('host.get_by_name_label', 'label'), [host])
  t.strictSame(await operator('SR.get_by_name_label', 'none'), [])
  t.strictSame(await operator('pool.get_by_name_label', 'label'), ['MESSAGE_METHOD_UNKNOWN', 'pool.get_by_name_label'])
  const task = await operator('task.create', 'a task', '')
  t.strictSame(await operator('task.get_by_name_label', 'a task'), [task])

  await operator('host.set_power_on_mode', host, 'IPMI', { ip: '10.0.0.7' })
  await operator('host.set_hostname_live', host, 'new-name')
  t.match(pool.get('host', host), { power_on_mode: 'IPMI', hostname: 'new-name' })
  for (const [name, why] of [
    ['', 'hostname empty'],
    ['x'.repeat(65), 'hostname is too long'],
    ['a b', 'hostname contains blanks'],
  ]) {
    t.strictSame(await operator('host.set_hostname_live', host, name), ['HOST_NAME_INVALID', why])
  }
  await operator('pool.set_default_SR', pool.ref, sr)
  t.equal(pool.get('pool', pool.ref)?.default_SR, sr)
  t.strictSame(await operator('pool.set_default_SR', pool.ref, 'x'), ['HANDLE_INVALID', 'SR', 'x'])
  await operator('pool.set_default_SR', pool.ref, 'OpaqueRef:NULL')
  await operator('PBD.set_device_config', pbd, { device: '/dev/drbd0' })
  t.strictSame(pool.get('PBD', pbd)?.device_config, { device: '/dev/drbd0' })
  await operator('SR.add_to_sm_config', sr, 'k', 'v')
  t.strictSame(await operator('SR.add_to_sm_config', sr, 'k', 'v'), ['MAP_DUPLICATE_KEY', 'SR', 'sm_config', sr, 'k'])
  await operator('SR.remove_from_sm_config', sr, 'k')
  t.strictSame(pool.get('SR', sr)?.sm_config, {})
})

t.test('PBDs, SRs and hosts can be added and removed unless they are in use', async t => {
  const { as, pool, sr, hosts } = await poolWithRoles(t)
  const [a, b] = hosts
  if (a === undefined || b === undefined) throw new Error('expected two hosts')
  const operator = (method: string, ...params: readonly unknown[]) => as('pool-operator', method, ...params)
  const attached = (pbd: string) => pool.get('PBD', pbd)?.currently_attached
  const writes: string[] = []
  pool.subscribe(({ cls, ref, operation }) => writes.push(`${cls} ${operation} ${ref}`))
  t.equal(await operator('PBD.plug', a.pbd), '', 'already attached')
  t.strictSame(writes, [])
  t.strictSame(await operator('PBD.destroy', a.pbd), ['OPERATION_NOT_ALLOWED', 'PBD is currently attached'])
  await operator('PBD.unplug', a.pbd)
  t.equal(attached(a.pbd), false)
  pool.hostLeft(a.ref)
  t.strictSame(await operator('PBD.plug', a.pbd), ['HOST_OFFLINE', a.ref])
  t.equal(await operator('PBD.destroy', a.pbd), '')
  t.strictSame(pool.get('SR', sr)?.PBDs, [b.pbd])

  const record = { host: a.ref, SR: sr, device_config: { k: 'v' } }
  const made = String(await operator('PBD.create', record))
  t.match(pool.get('PBD', made), { ...record, currently_attached: false, other_config: {} })
  t.strictSame(pool.get('host', a.ref)?.PBDs, [made])
  t.strictSame(await operator('PBD.create', record), ['PBD_EXISTS', sr, a.ref, made])
  t.strictSame(await operator('PBD.create', { ...record, host: 'x' }), ['HANDLE_INVALID', 'host', 'x'])
  t.strictSame(await operator('PBD.create', { SR: sr }), ['FIELD_TYPE_ERROR', 'host'])
  t.strictSame(await operator('PBD.create', []), ['FIELD_TYPE_ERROR', 'record'])
  pool.hostReturned(a.ref, { bootTimeMs: 0 })
  t.equal(await operator('PBD.plug', made), '')
  t.equal(attached(made), true)

  const introduced = ['1f5c0c1e-0000-4000-8000-000000000001', 'name', 'description', 'linstor', 'user', true] as const
  const added = String(await operator('SR.introduce', ...introduced, { s: 'm' }))
  t.match(pool.get('SR', added), {
    uuid: introduced[0],
    type: 'linstor',
    clustered: false,
    shared: true,
    sm_config: { s: 'm' },
  })
  t.strictSame(await operator('SR.introduce', ...introduced), ['SR_UUID_EXISTS', introduced[0]])
  t.strictSame(await operator('SR.introduce', ...introduced.slice(0, 5), 'yes'), ['FIELD_TYPE_ERROR', 'shared'])
  await operator('PBD.create', { host: a.ref, SR: added, device_config: {}, other_config: { o: 'c' } })
  t.equal(await operator('SR.forget', added), '', 'its PBDs are not attached')
  t.strictSame(await operator('SR.forget', sr), ['SR_HAS_PBD', sr])
  t.strictSame(pool.get('host', a.ref)?.PBDs, [made])

  t.strictSame(await operator('host.destroy', b.ref), ['HOST_IS_LIVE', b.ref])
  pool.hostLeft(a.ref)
  pool.hostLeft(b.ref)
  t.strictSame(await operator('host.destroy', a.ref), ['HOST_CANNOT_DESTROY_SELF', a.ref], 'the coordinator')
  t.equal(await operator('host.destroy', b.ref), '')
  t.strictSame(
    pool.poolSnapshot().pbds.map(({ ref }) => ref),
    [made],
  )
  for (let index = 0; pool.list('SR').length < 1_000; index += 1) pool.addSr({ name_label: `${index}` })
  t.strictSame(await operator('SR.introduce', ...introduced), [
    'OPERATION_NOT_ALLOWED',
    'the pool has the maximum of 1000 SRs',
  ])
})

t.test('messages since a time, of one object or of all, newest first', async t => {
  let nowMs = Date.UTC(2026, 10, 22)
  const { as, pool, sr, hosts } = await poolWithRoles(t, { clock: { ...machineClock, now: () => nowMs } })
  const uuidOf = (cls: 'host' | 'SR', ref: string) => pool.get(cls, ref)?.uuid
  const say = async (name: string, cls: string, uuid: string | undefined) => {
    nowMs += 1_000
    return String(await as('pool-operator', 'message.create', name, 3, cls, uuid, ''))
  }
  const srUuid = uuidOf('SR', sr)
  const first = await say('ONE', 'SR', srUuid)
  const other = await say('OTHER', 'Host', uuidOf('host', firstOf(hosts).ref))
  const last = await say('TWO', 'SR', srUuid)
  const refs = async (method: string, ...params: readonly unknown[]) =>
    Object.keys(Object(await as('read-only', method, ...params)))
  t.strictSame(await refs('message.get', 'SR', srUuid, '19700101T00:00:00Z'), [last, first])
  t.strictSame(
    await refs('message.get', 'SR', srUuid, '2026-11-22T00:00:01Z'),
    [last],
    'strictly newer, in both datetime formats',
  )
  t.strictSame(await refs('message.get_since', '20261122T00:00:01Z'), [last, other])
  t.strictSame(await as('read-only', 'message.get', 'SR', 'none', '19700101T00:00:00Z'), ['UUID_INVALID', 'SR', 'none'])
  t.strictSame(await as('read-only', 'message.get_since', 'yesterday'), ['FIELD_TYPE_ERROR', 'since'])
})

t.test('the snapshot contains the override in other_config of a host, and no invalid one', async t => {
  const { as, pool, hosts } = await poolWithRoles(t)
  const host = firstOf(hosts).ref
  const key = 'resync-monitor:override'
  const override = {
    schema: 1,
    reason: 'its disk is replaced',
    by: 'ann',
    createdAt: '2026-11-22T16:00:00Z',
    expiresAt: '2026-11-22T17:00:00Z',
  }
  t.equal(await as('pool-operator', 'host.add_to_other_config', host, key, JSON.stringify(override)), '')
  const seen = pool.poolSnapshot()
  t.match(seen.overrides, [
    { host, reason: 'its disk is replaced', by: 'ann', expiresMs: Date.parse(override.expiresAt) },
  ])
  pool.setAllowedOperations(firstOf(pool.list('host').slice(1))[0], ['enable'])
  const next = pool.poolSnapshot()
  t.equal(next.overrides[0], seen.overrides[0], 'an unchanged override is the same object')
  t.equal(next.hosts[0], seen.hosts[0])
  t.not(next.hosts[1], seen.hosts[1])
  t.equal(next.srs[0], seen.srs[0])
  t.equal(next.pbds[0], seen.pbds[0])
  await as('pool-operator', 'host.remove_from_other_config', host, key)
  t.strictSame(pool.poolSnapshot().overrides, [])
  for (const text of ['', 'yes', '{"schema":1}']) {
    await as('pool-operator', 'host.set_other_config', host, { [key]: text })
    t.strictSame(pool.poolSnapshot().overrides, [], text)
  }
})
