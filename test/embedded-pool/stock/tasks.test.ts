import t from 'tap'
import { ask, askText, until } from '../pool-under-test.ts'
import { stockPool } from './stock-pool-under-test.ts'

const HOUR_MS = 3_600_000

t.test('a subject of any role can create the task that blocks the pool', async t => {
  const { url, call, a, sr } = await stockPool(t, { authenticate: () => 'read-only' })
  const session = await askText(url, 'session.login_with_password', 'reader', '')
  t.match(await ask(url, 'task.create', session, 'SR Recovering', sr), /^OpaqueRef:/)
  t.match(await call('host.disable', a.ref), ['RBAC_PERMISSION_DENIED'])
})

t.test('a pending task that is destroyed stays, with destroy in current_operations, and blocks', async t => {
  const { pool, call, block, b, sr } = await stockPool(t)
  await call('host.disable', b.ref)
  const task = String(await block())
  t.equal(await call('task.destroy', task), '')
  t.match(Object.values(pool.get('task', task)?.current_operations ?? {}), ['destroy'])
  t.strictSame(await call('host.reboot', b.ref), ['CLUSTERED_SR_DEGRADED', sr])
  t.equal(await call('task.set_progress', task, 1.5), '', 'later calls still work')
  t.equal(pool.get('task', task)?.progress, 1.5)
})

t.test(
  'a task completed after its destroy stays until the next collection; destroy after set_status removes at once',
  async t => {
    const { pool, clock, call, block } = await stockPool(t)
    const [late, atOnce] = [String(await block()), String(await block())]
    await call('task.destroy', late)
    for (const task of [late, atOnce]) await call('task.set_status', task, 'success')
    await call('task.destroy', atOnce)
    t.strictSame(
      [late, atOnce].map(task => pool.get('task', task)?.status),
      ['success', undefined],
    )
    clock.advance(30_000)
    t.equal(pool.get('task', late), undefined)
  },
)

t.test('set_status takes any direction, and finished stays 1970', async t => {
  const { pool, call, block } = await stockPool(t)
  const task = String(await block())
  for (const status of ['success', 'pending', 'cancelled', 'failure', 'cancelling', 'pending']) {
    t.equal(await call('task.set_status', task, status), '')
    t.match(pool.get('task', task), { status, finished: '19700101T00:00:00Z' })
  }
  t.equal(await call('task.cancel', task), '')
  t.match(pool.get('task', task), { status: 'pending' }, 'cancel leaves the status of the task of a client')
})

t.test('pending tasks are collected after 24 h, unless their progress grows', async t => {
  const { pool, clock, call, block } = await stockPool(t)
  const [still, moving] = [String(await block()), String(await block())]
  clock.advance(24 * HOUR_MS)
  t.ok(pool.get('task', still))
  for (const progress of [0.1, 0.2, 0.3]) {
    await call('task.set_progress', moving, progress)
    clock.advance(30_000)
  }
  t.equal(pool.get('task', still), undefined)
  t.ok(pool.get('task', moving))
})

t.test('a synchronous call that changes something has a pending task while it runs', async t => {
  const { pool, clock, call, b } = await stockPool(t, { times: { goDownCallMs: 35 } })
  await call('host.disable', b.ref)
  const changes: unknown[] = []
  pool.subscribe(({ cls, ref, operation }) => {
    if (cls === 'task') changes.push([operation, pool.get('task', ref)?.name_label, pool.get('task', ref)?.status])
  })
  const reboot = call('host.reboot', b.ref)
  await until(() => changes.length > 0)
  t.strictSame(Object.keys(pool.get('host', b.ref)?.current_operations ?? {}), [pool.list('task')[0]?.[0]])
  await clock.advanceAsync(35)
  await reboot
  const start = ['add', 'host.reboot', 'pending']
  t.strictSame(changes, [
    start,
    ['add', 'Host is rebooting', 'pending'],
    ['del', undefined, undefined],
    ['del', undefined, undefined],
  ])
  await call('pool.get_all')
  await call('task.create', 'a', 'b')
  t.equal(changes.length, 5, 'reads and the calls of class task have none')
})

t.test('the class task wakes event.from without the start delay; other classes have it', async t => {
  const { clock, call, b } = await stockPool(t, { eventBatchMs: 50 })
  const token = (await call('event.from', ['task', 'host'], '', 30)) as { token: string }
  const first = { task: '', host: '' }
  const follow = async (cls: 'task' | 'host') => {
    const { events } = (await call('event.from', [cls], token.token, 30)) as {
      events: { class: string; id: unknown }[]
    }
    first[cls] = events[0]?.class ?? 'none'
    t.type(events[0]?.id, 'string', 'the id of an event is a string')
  }
  const all = [follow('task'), follow('host')]
  await new Promise(resolve => setTimeout(resolve, 50))
  await call('host.set_name_label', b.ref, 'x')
  await until(() => first.task !== '')
  t.strictSame(first, { task: 'task', host: '' })
  clock.advance(50)
  await Promise.all(all)
  t.strictSame(first, { task: 'task', host: 'host' })
})
