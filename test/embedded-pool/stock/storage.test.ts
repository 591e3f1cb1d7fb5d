import t from 'tap'
import type { SrHealth } from '../../../src/embedded-pool/stock/stock-options.ts'
import { stockPool, type Tap } from './stock-pool-under-test.ts'

/** A stock pool whose SR has the health that the test sets. */
async function poolWithHealth(t: Tap) {
  const health: { now: SrHealth | 'failure' } = { now: 'Healthy' }
  const srStat = async () => {
    if (health.now === 'failure') throw new Error('the agent is away')
    return health.now
  }
  const stock = await stockPool(t, { drivers: { srStat } })
  const tasks = () =>
    stock.pool.list('task').map(([, { name_label, name_description }]) => [name_label, name_description])
  for (const { ref } of [stock.a, stock.b, stock.c]) await stock.call('host.disable', ref)
  const replug = async (pbd: string) => [await stock.call('PBD.unplug', pbd), await stock.call('PBD.plug', pbd)]
  return { ...stock, health, tasks, replug }
}

t.test('PBD.plug on a member of a recovering SR does nothing', async t => {
  const { health, replug, tasks, call, b } = await poolWithHealth(t)
  health.now = 'Recovering'
  await replug(b.pbd)
  t.strictSame(tasks(), [])
  t.equal(await call('host.reboot', b.ref), '', 'all hosts resynchronise, and reboots stay allowed')
})

t.test('PBD.plug on the coordinator makes the task SR Recovering and recomputes all hosts', async t => {
  const { health, replug, tasks, call, allowed, clock, a, b, c, sr } = await poolWithHealth(t)
  health.now = 'Recovering'
  await replug(a.pbd)
  t.strictSame(tasks(), [['SR Recovering', sr]])
  t.strictSame(
    [a, b, c].map(({ ref }) => allowed(ref)),
    [[], [], []],
  )
  for (const method of ['host.reboot', 'host.shutdown']) {
    t.strictSame(await call(method, b.ref), ['CLUSTERED_SR_DEGRADED', sr])
  }
  await clock.advanceAsync(60_000)
  t.equal(tasks().length, 1)
  health.now = 'Healthy'
  await clock.advanceAsync(30_000)
  t.strictSame(tasks(), [], 'within 30 s of the end of the resync the task is gone')
  t.strictSame(allowed(b.ref), ['shutdown', 'reboot'])
})

t.test('a resync that begins after the plug is never noticed', async t => {
  const { health, replug, tasks, clock, a } = await poolWithHealth(t)
  await replug(a.pbd)
  health.now = 'Recovering'
  await clock.advanceAsync(300_000)
  t.strictSame(tasks(), [])
})

t.test('a failing SR.stat kills the thread and leaves the task', async t => {
  const { health, replug, tasks, call, clock, a, b, sr, bugs } = await poolWithHealth(t)
  health.now = 'Recovering'
  await replug(a.pbd)
  health.now = 'failure'
  await clock.advanceAsync(30_000)
  health.now = 'Healthy'
  await clock.advanceAsync(300_000)
  t.strictSame(tasks(), [['SR Recovering', sr]])
  t.strictSame(await call('host.reboot', b.ref), ['CLUSTERED_SR_DEGRADED', sr])
  t.strictSame(bugs, [])
})

t.test('if a client destroys the task, the thread ends and recomputes nothing', async t => {
  const { pool, health, replug, tasks, call, allowed, clock, a, b } = await poolWithHealth(t)
  health.now = 'Recovering'
  await replug(a.pbd)
  const task = pool.list('task')[0]?.[0]
  await call('task.set_status', task, 'success')
  await call('task.destroy', task)
  await clock.advanceAsync(60_000)
  t.strictSame([tasks(), allowed(b.ref)], [[], []], 'the check is off although the SR recovers; the field is stale')
})

t.test('PBD.unplug on the coordinator sets every task of the SR to cancelling, also that of a client', async t => {
  const { pool, health, replug, block, call, clock, a } = await poolWithHealth(t)
  health.now = 'Recovering'
  await replug(a.pbd)
  const client = String(await block())
  await call('PBD.unplug', a.pbd)
  t.strictSame(
    pool.list('task').map(([, { status }]) => status),
    ['cancelling', 'cancelling'],
  )
  await clock.advanceAsync(30_000)
  t.strictSame(
    pool.list('task').map(([ref]) => ref),
    [client],
    'the thread removes its own',
  )
})

t.test('SR.scan of a recovering SR is SR_UNHEALTHY; SR.update works', async t => {
  const { health, call, sr } = await poolWithHealth(t)
  health.now = 'Recovering'
  t.strictSame(await call('SR.scan', sr), ['SR_UNHEALTHY', sr, 'Recovering', ''])
  t.strictSame(await call('SR.update', sr), '')
  health.now = 'Healthy'
  t.strictSame(await call('SR.scan', sr), '')
})

t.test('an introduced SR is clustered after the plug on the coordinator only', async t => {
  const { pool, call, a, b } = await stockPool(t, { drivers: { isClustered: type => type === 'resync-monitor' } })
  const sr = await call('SR.introduce', 'e7a0', 'sentinel', '', 'resync-monitor', '', true, {})
  const plugged = async (host: string) => {
    const pbd = await call('PBD.create', { host, SR: sr, device_config: {} })
    await call('PBD.plug', pbd)
    return pool.get('SR', String(sr))?.clustered
  }
  t.equal(await plugged(b.ref), false)
  t.equal(await plugged(a.ref), true)
})

t.test('PBD.unplug with a failing SR.detach fails, and the PBD stays attached', async t => {
  const { pool, call, b } = await stockPool(t, { drivers: { srDetach: () => Promise.reject(new Error('busy')) } })
  t.strictSame(await call('PBD.unplug', b.pbd), ['SR_BACKEND_FAILURE', 'busy'])
  t.equal(pool.get('PBD', b.pbd)?.currently_attached, true)
})

t.test('PBD.plug at the start of a host is tried twice, and then never again', async t => {
  let attempts = 0
  const srAttach = async () => {
    attempts += 1
    throw new Error('no agent')
  }
  const { pool, call, clock, b } = await stockPool(t, { drivers: { srAttach } })
  await call('PBD.unplug', b.pbd)
  pool.hostReturned(b.ref, { bootTimeMs: clock.nowMs })
  await clock.advanceAsync(600_000)
  t.equal(attempts, 2)
  t.equal(pool.get('PBD', b.pbd)?.currently_attached, false)
  t.match(
    pool.list('message').map(([, { name }]) => name),
    ['PBD_PLUG_FAILED_ON_SERVER_START'],
  )
  t.equal(pool.get('host', b.ref)?.enabled, true, 'the host is enabled nevertheless')
})

t.test('a slow SR.attach keeps a returned host disabled until it ends', async t => {
  const attached = Promise.withResolvers<void>()
  const { pool, call, clock, b } = await stockPool(t, { drivers: { srAttach: () => attached.promise } })
  await call('PBD.unplug', b.pbd)
  pool.hostReturned(b.ref, { bootTimeMs: clock.nowMs })
  await clock.advanceAsync(600_000)
  t.equal(pool.get('host', b.ref)?.enabled, false)
  attached.resolve()
  await clock.advanceAsync(100)
  t.equal(pool.get('host', b.ref)?.enabled, true)
})
