import t from 'tap'
import { guardedPool, until } from './guarded-pool.ts'

t.test('without a guard a stock pool lets the second host of a resync go', async t => {
  const { a, b, call, push } = await guardedPool(t, { isGuarded: false })
  await push(a, 'resyncing')
  await call('host.disable', b)
  t.equal(await call('host.reboot', b), '')
})

t.test('a pool in sync lets one host go, and no second one until the first is back and in sync', async t => {
  const { c, b, call, push, hostReturns, isBlocked, field, pool, problems } = await guardedPool(t)
  await call('host.disable', c)
  t.equal(await call('host.reboot', c), '')
  await until(t, 'the guard blocks', isBlocked)
  await call('host.disable', b)
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
  t.equal(await call('host.shutdown', b), 'CLUSTERED_SR_DEGRADED')
  await until(t, 'the field of b shows it', () => !field(b).includes('reboot') && !field(b).includes('shutdown'))
  await until(t, 'c is down', () => pool.poolSnapshot().hosts.some(({ ref, live }) => ref === c && live === false))
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
  hostReturns(c)
  await until(t, 'c is enabled', () => pool.get('host', c)?.enabled === true)
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED', 'c resynchronises')
  await push(c, 'synced')
  await until(t, 'the block is lifted', () => !isBlocked())
  await until(t, 'the field of b shows it', () => field(b).includes('reboot'))
  t.equal(await call('host.reboot', b), '')
  t.same(problems, [])
})

t.test('a resync that begins after the plug blocks, and its end lifts the block', async t => {
  const { a, c, call, push, isBlocked, field } = await guardedPool(t)
  await call('host.disable', c)
  await until(t, 'the field allows', () => field(c).includes('reboot'))
  await push(a, 'resyncing')
  await until(t, 'the guard blocks', isBlocked)
  t.equal(await call('host.reboot', c), 'CLUSTERED_SR_DEGRADED')
  t.equal(await call('host.apply_updates', c, 'hash'), 'CLUSTERED_SR_DEGRADED')
  await until(t, 'the field shows it', () => !field(c).includes('reboot'))
  await push(a, 'synced')
  await until(t, 'the block is lifted', () => !isBlocked())
})

t.test('two disabled hosts block each other', async t => {
  const { a, b, call, isBlocked, events } = await guardedPool(t)
  await call('host.disable', a)
  await call('host.disable', b)
  await until(t, 'the guard blocks', isBlocked)
  t.equal(await call('host.reboot', a), 'CLUSTERED_SR_DEGRADED')
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
  t.match(events.at(-1), { code: 'guard-blocks', cause: { kind: 'claims', hosts: [a, b] } })
  await call('host.enable', a)
  await until(t, 'the block is lifted', () => !isBlocked())
  t.equal(await call('host.reboot', b), '')
})

t.test('a second disabled host blocks although events about hosts are late', async t => {
  // event.from still answers after its own timeout of some seconds: then this test shows nothing, and passes.
  const { a, b, c, call, isBlocked, guard, events } = await guardedPool(t, { eventBatchMs: 60_000 })
  await call('host.set_name_label', c, 'renamed')
  await call('host.disable', a)
  await call('host.disable', b)
  await until(t, 'the guard blocks', isBlocked)
  const isLate = guard?.port.read().pool.hosts.every(({ nameLabel }) => nameLabel !== 'renamed')
  t.comment(`the guard blocks before an event about a host has come: ${isLate}`)
  t.match(events.at(-1), { code: 'guard-blocks', cause: { kind: 'claims', hosts: [a, b] } })
  t.equal(await call('host.reboot', a), 'CLUSTERED_SR_DEGRADED')
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
})

t.test('a task that somebody destroys is made again while the gate blocks', async t => {
  const { a, b, call, push, tasks, isBlocked, events } = await guardedPool(t)
  await call('host.disable', b)
  await push(a, 'resyncing')
  await until(t, 'the guard blocks', isBlocked)
  const [first = ''] = tasks().map(([ref]) => ref)
  await call('task.set_status', first, 'success')
  await call('task.destroy', first)
  await until(t, 'there is another task', () => tasks().some(([ref]) => ref !== first))
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
  t.ok(events.some(({ code }) => code === 'guard-task-vanished'))
})

t.test('a task of somebody else is adopted, and lifted when all is in sync', async t => {
  const { sr, call, isBlocked, tasks, push, a } = await guardedPool(t)
  await push(a, 'degraded')
  await until(t, 'the guard blocks', isBlocked)
  await call('task.create', 'SR Recovering', sr)
  await push(a, 'synced')
  await until(t, 'all of them are gone', () => tasks().length === 0)
})

t.test('a host that is down blocks, also when it went without an order', async t => {
  const { b, c, call, pool, isBlocked } = await guardedPool(t, { times: { assumedDeadAfterMs: 50 } })
  pool.hostLeft(c)
  await until(t, 'the guard blocks', isBlocked)
  await call('host.disable', b)
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
})

t.test(
  'a guard that starts in the middle of a resync blocks at once, and adopts the task of the one before',
  async t => {
    const { a, b, call, push, isBlocked, tasks, guard, startGuard } = await guardedPool(t)
    await push(a, 'resyncing')
    await until(t, 'the guard blocks', isBlocked)
    await guard?.close()
    t.equal(tasks().length, 1, 'the task stays when the guard dies')
    await call('host.disable', b)
    t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
    const second = startGuard()
    await second.ready
    await push(a, 'synced')
    await until(t, 'the block is lifted', () => !isBlocked())
  },
)

t.test('a guard that starts believes no stored report until its host confirms it', async t => {
  const { a, b, call, push, states, isBlocked, startGuard } = await guardedPool(t, { isGuarded: false })
  await push(a, 'synced')
  states.delete(a)
  await call('host.disable', b)
  await startGuard().ready
  await until(t, 'the guard blocks', isBlocked)
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
})

t.test(
  'the agent of a host that does not answer blocks when its report expires; a pushed report counts at once',
  async t => {
    const { a, push, states, isBlocked } = await guardedPool(t)
    states.delete(a)
    await push(a, 'unknown')
    await until(t, 'the guard blocks', isBlocked)
    await push(a, 'synced')
    await until(t, 'the block is lifted', () => !isBlocked())
  },
)

t.test('without a plugged sentinel the guard says that it can do nothing', async t => {
  const { a, pbds, call, push, events, isBlocked } = await guardedPool(t)
  for (const pbd of pbds) await call('PBD.unplug', pbd)
  await push(a, 'resyncing')
  await until(t, 'it says so', () => events.some(({ code }) => code === 'guard-powerless'))
  t.equal(isBlocked(), false)
})

t.test('the guard works through the unix socket of a member as well', async t => {
  const { a, c, call, push, isBlocked, guard, startGuard, memberSocketPath } = await guardedPool(t)
  await guard?.close()
  const other = startGuard(memberSocketPath)
  await other.ready
  await push(a, 'resyncing')
  await until(t, 'the guard blocks', isBlocked)
  await call('host.disable', c)
  t.equal(await call('host.reboot', c), 'CLUSTERED_SR_DEGRADED')
})

for (const how of ['term', 'kill'] as const) {
  t.test(`a restart of the toolstack (${how}) during a resync opens nothing`, async t => {
    const { a, b, c, call, push, isBlocked, pool, states } = await guardedPool(t, {
      times: { awayMs: 100, startUpMs: 150 },
    })
    await push(a, 'resyncing')
    await until(t, 'the guard blocks', isBlocked)
    await call('host.disable', b)
    await call('host.disable', c)
    await pool.restartToolstack({ how })
    await until(t, 'the guard blocks again', isBlocked)
    t.not(await call('host.reboot', b), '')
    const returned = () =>
      [a, b, c].every(host => pool.poolSnapshot().hosts.some(({ ref, live }) => ref === host && live))
    await until(t, 'all hosts are live', returned)
    // The task that the start-up of xapi destroys is made again.
    await new Promise(resolve => setTimeout(resolve, 400))
    await until(t, 'the guard still blocks', isBlocked)
    await call('host.disable', b)
    t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
    states.set(a, 'synced')
    await push(a, 'synced')
  })
}

t.test('reports that a killed toolstack has in its old database do not count', async t => {
  const { a, b, call, push, isBlocked, pool, states } = await guardedPool(t)
  for (const host of [a, b]) await push(host, 'synced')
  await push(a, 'resyncing')
  await until(t, 'the guard blocks', isBlocked)
  await pool.restartToolstack({ how: 'kill' })
  // The agent of a does not answer any more, and the database holds its report from before.
  states.delete(a)
  await until(t, 'the guard blocks again', isBlocked)
  await call('host.disable', b)
  t.not(await call('host.reboot', b), '')
})
