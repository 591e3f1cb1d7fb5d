import t from 'tap'
import type { SrHealth } from '../../../src/embedded-pool/stock/stock-options.ts'
import { ask, askText } from '../pool-under-test.ts'
import { stockPool } from './stock-pool-under-test.ts'

type Stock = Awaited<ReturnType<typeof stockPool>>

/** Restarts the xapi of the coordinator and logs in again. */
async function restarted(stock: Stock, how: 'term' | 'kill') {
  const { pool, clock } = stock
  let isOver = false
  const restart = pool.restartToolstack({ how }).then(() => {
    isOver = true
  })
  while (!isOver) await clock.advanceAsync(100)
  await restart
  return loggedIn(stock)
}

async function loggedIn({ url }: Stock) {
  const session = await askText(url, 'session.login_with_password', 'root', '')
  return (method: string, ...params: readonly unknown[]) => ask(url, method, session, ...params)
}

function live({ pool }: Stock): readonly (boolean | undefined)[] {
  return pool.list('host').map(([, { metrics }]) => pool.get('host_metrics', metrics)?.live)
}

function enabled({ pool }: Stock): readonly boolean[] {
  return pool.list('host').map(([, host]) => host.enabled)
}

t.test('a restart ends all sessions and tasks; until then SIGTERM leaves 3.4 s in which calls are refused', async t => {
  const stock = await stockPool(t)
  const { pool, clock, call, block, session, url, b, sr } = stock
  await call('host.disable', b.ref)
  await block()
  let isOver = false
  const restart = pool.restartToolstack({ how: 'term' }).then(() => {
    isOver = true
  })
  await clock.advanceAsync(3_399)
  t.strictSame(await call('host.reboot', b.ref), ['CLUSTERED_SR_DEGRADED', sr])
  await clock.advanceAsync(1)
  while (pool.list('task').length > 0) await clock.advanceAsync(0)
  await t.rejects(call('pool.get_all'), 'the connection is refused')
  while (!isOver) await clock.advanceAsync(100)
  await restart
  t.strictSame(await ask(url, 'pool.get_all', session), ['SESSION_INVALID', session])
  const again = await loggedIn(stock)
  t.strictSame(await again('task.get_all'), [])
})

t.test('a task made just after a start is destroyed by the start-up', async t => {
  const stock = await stockPool(t)
  const call = await restarted(stock, 'kill')
  const early = String(await call('task.create', 'SR Recovering', stock.sr))
  await stock.clock.advanceAsync(249)
  t.ok(stock.pool.get('task', early))
  await stock.clock.advanceAsync(1)
  t.equal(stock.pool.get('task', early), undefined)
  const later = String(await call('task.create', 'SR Recovering', stock.sr))
  await stock.clock.advanceAsync(60_000)
  t.ok(stock.pool.get('task', later))
})

t.test(
  'a call that runs when the start-up destroys its task ends with HANDLE_INVALID and takes no host down',
  async t => {
    const went: string[] = []
    const stock = await stockPool(t, { times: { goDownCallMs: 300 }, machines: { goDown: host => went.push(host) } })
    const { pool, clock, b } = stock
    await stock.call('host.disable', b.ref)
    const call = await restarted(stock, 'term')
    const reboot = call('host.reboot', b.ref)
    while (Object.keys(pool.get('host', b.ref)?.current_operations ?? {}).length === 0) await clock.advanceAsync(0)
    const [task] = Object.keys(pool.get('host', b.ref)?.current_operations ?? {})
    await clock.advanceAsync(300)
    t.strictSame(await reboot, ['HANDLE_INVALID', 'task', task])
    await clock.advanceAsync(20_000)
    t.strictSame(went, [])
  },
)

t.test('all hosts are first disabled and not live, with stale fields; members are back by hello', async t => {
  const stock = await stockPool(t)
  const { clock, allowed, b } = stock
  await restarted(stock, 'term')
  t.strictSame(
    [live(stock), enabled(stock)],
    [
      [true, true, true],
      [true, true, true],
    ],
  )
  await clock.advanceAsync(250)
  t.strictSame(
    [live(stock), enabled(stock)],
    [
      [true, false, false],
      [false, false, false],
    ],
  )
  t.strictSame(allowed(b.ref), [], 'disabled, and no reboot listed')
  await clock.advanceAsync(3_000)
  t.strictSame(live(stock), [true, true, true])
  await clock.advanceAsync(475)
  t.strictSame(enabled(stock), [true, true, true])
})

t.test('a member stays disabled over a restart of the coordinator, which enables itself again', async t => {
  const stock = await stockPool(t)
  for (const { ref } of [stock.a, stock.b]) await stock.call('host.disable', ref)
  await restarted(stock, 'term')
  await stock.clock.advanceAsync(10_000)
  t.strictSame(enabled(stock), [true, false, true])
})

t.test('a killed xapi comes back with the database of its last write; messages stay', async t => {
  const stock = await stockPool(t)
  const { pool, clock, call, b } = stock
  const report = (call: Stock['call'], text: string) => call('PBD.set_other_config', b.pbd, { report: text })
  const reported = () => pool.get('PBD', b.pbd)?.other_config.report
  await report(call, 'old')
  clock.advance(300_000)
  await report(call, 'new')
  await call('PBD.unplug', b.pbd)
  await call('message.create', 'kept', 3, 'Host', pool.get('host', b.ref)?.uuid, '')
  const again = await restarted(stock, 'kill')
  t.strictSame([reported(), pool.get('PBD', b.pbd)?.currently_attached], ['old', true])
  t.match(
    pool.list('message').map(([, { name }]) => name),
    ['kept'],
  )
  await report(again, 'newer')
  await restarted(stock, 'term')
  t.equal(reported(), 'newer', 'SIGTERM writes the database')
})

t.test('after a kill the token of a client yields nothing until the generation has passed it', async t => {
  const stock = await stockPool(t)
  const { pool, call, clock, b } = stock
  const tokenOf = (answer: unknown) => (answer as { token: string }).token
  for (let count = 0; count < 100; count += 1) await call('host.set_name_label', b.ref, String(count))
  await call('message.create', 'kept', 3, 'Host', pool.get('host', b.ref)?.uuid, '')
  const old = tokenOf(await call('event.from', ['host'], '', 1))
  const again = await restarted(stock, 'kill')
  const messages = (await again('event.from', ['message'], '', 1)) as { events: unknown[]; token: string }
  t.equal(messages.events.length, 1)
  const changes = async (classes: string[], token: string) => {
    const asked = again('event.from', classes, token, 1)
    const answer = asked.then(each => ({ answer: each as { events: unknown[] } }))
    await new Promise(resolve => setTimeout(resolve, 20))
    await clock.advanceAsync(1_000)
    return (await answer).answer.events.length
  }
  await again('host.set_name_label', b.ref, 'after the kill')
  t.equal(await changes(['host'], old), 0, 'blind')
  t.equal(await changes(['message'], messages.token), 0, 'old messages are not sent again')
  for (let count = 0; count < 150; count += 1) await again('host.set_name_label', b.ref, String(count))
  t.equal(await changes(['host'], old), 1)
})

t.test('an SR that was introduced after the last write is gone, and one that was forgotten is back', async t => {
  const stock = await stockPool(t)
  const { pool, call, a, b, c, sr } = stock
  const introduced = String(await call('SR.introduce', 'e7a0', 'x', '', 'linstor', '', true, {}))
  for (const { pbd } of [a, b, c]) await call('PBD.unplug', pbd)
  await call('SR.forget', sr)
  await restarted(stock, 'kill')
  t.strictSame(
    pool.list('SR').map(([ref]) => ref),
    [sr],
  )
  t.strictSame(
    pool.get('SR', sr)?.PBDs,
    [a, b, c].map(({ pbd }) => pbd),
  )
  t.equal(pool.get('SR', introduced), undefined)
})

t.test('a restart during a resync loses the guard of stock: the PBD is still plugged, so nothing checks', async t => {
  const health: { now: SrHealth } = { now: 'Recovering' }
  const stock = await stockPool(t, { drivers: { srStat: async () => health.now } })
  await stock.call('PBD.unplug', stock.a.pbd)
  await stock.call('PBD.plug', stock.a.pbd)
  t.equal(stock.pool.list('task').length, 1)
  const call = await restarted(stock, 'term')
  await stock.clock.advanceAsync(60_000)
  t.equal(stock.pool.list('task').length, 0)
  await call('host.disable', stock.b.ref)
  t.equal(await call('host.reboot', stock.b.ref), '')
})

t.test('a coordinator that boots while the SR recovers plugs its PBD and makes the task', async t => {
  const health: { now: SrHealth } = { now: 'Healthy' }
  const stock = await stockPool(t, { drivers: { srStat: async () => health.now } })
  const { pool, clock, call, a, b, sr } = stock
  await call('host.disable', a.ref)
  await call('host.reboot', a.ref)
  await clock.advanceAsync(12_000)
  await t.rejects(call('pool.get_all'), 'the pool does not answer while its coordinator is down')
  health.now = 'Recovering'
  await clock.advanceAsync(30_000)
  pool.hostReturned(a.ref, { bootTimeMs: clock.nowMs - 9_000 })
  while (pool.list('task').length === 0) await clock.advanceAsync(100)
  await clock.advanceAsync(10_000)
  t.strictSame(
    [live(stock), enabled(stock)],
    [
      [true, true, true],
      [true, true, true],
    ],
  )
  const again = await loggedIn(stock)
  await again('host.disable', b.ref)
  t.strictSame(await again('host.reboot', b.ref), ['CLUSTERED_SR_DEGRADED', sr])
})

t.test('a coordinator that crashes comes back with its last database, and its PBD still counts as plugged', async t => {
  const stock = await stockPool(t)
  const { pool, clock, call, a } = stock
  await call('host.set_name_label', a.ref, 'new')
  pool.hostLeft(a.ref)
  await clock.advanceAsync(600_000)
  pool.hostReturned(a.ref, { bootTimeMs: clock.nowMs + 30_000 })
  while (pool.get('host', a.ref)?.name_label === 'new') await clock.advanceAsync(0)
  await clock.advanceAsync(10_000)
  await loggedIn(stock)
  t.strictSame(
    [live(stock), enabled(stock)],
    [
      [true, true, true],
      [true, true, true],
    ],
  )
  t.equal(pool.get('PBD', a.pbd)?.currently_attached, true)
  t.match(pool.get('host', a.ref), { software_version: { product_brand: 'XCP-ng' } })
  t.strictSame(stock.bugs, [])
})

t.test('host.restart_agent of a member within 10 s of its reboot prevents it', async t => {
  const went: string[] = []
  const stock = await stockPool(t, { machines: { goDown: host => went.push(host) } })
  const { pool, clock, call, allowed, b } = stock
  await call('host.disable', b.ref)
  await call('host.reboot', b.ref)
  await clock.advanceAsync(7_000)
  t.equal(await call('host.restart_agent', b.ref), '')
  await clock.advanceAsync(10_300)
  t.strictSame([went, live(stock)], [[], [true, true, true]])
  t.strictSame(pool.get('host', b.ref)?.current_operations, {})
  t.strictSame(allowed(b.ref), ['shutdown', 'reboot'])
  t.equal(pool.get('PBD', b.pbd)?.currently_attached, true)
  await clock.advanceAsync(500)
  t.equal(pool.get('host', b.ref)?.enabled, true, 'after a plain Host.disable it is enabled again')
})
