import t from 'tap'
import { until } from '../pool-under-test.ts'
import { stockPool } from './stock-pool-under-test.ts'

t.test('two concurrent reboots of two hosts are both accepted', async t => {
  const { call, b, c } = await stockPool(t)
  for (const { ref } of [b, c]) await call('host.disable', ref)
  t.strictSame(await Promise.all([call('host.reboot', b.ref), call('host.reboot', c.ref)]), ['', ''])
})

t.test('while host.reboot runs its entry is reboot; then shutdown stays, of a task that does not exist', async t => {
  const { pool, clock, call, allowed, b } = await stockPool(t, { times: { goDownCallMs: 35 } })
  await call('host.disable', b.ref)
  const operations = () => Object.values(pool.get('host', b.ref)?.current_operations ?? {})
  const reboot = call('host.reboot', b.ref)
  await until(() => operations().length > 0)
  t.strictSame(operations(), ['reboot'])
  await clock.advanceAsync(35)
  t.equal(await reboot, '')
  t.strictSame(operations(), ['shutdown'])
  t.strictSame(allowed(b.ref), ['shutdown'], 'a second reboot is not allowed, a shutdown is')
  const [task = ''] = Object.keys(pool.get('host', b.ref)?.current_operations ?? {})
  t.equal(pool.get('task', task), undefined)
})

t.test('the host checks again that it is disabled', async t => {
  const { pool, clock, call, b } = await stockPool(t, { times: { goDownCallMs: 35 } })
  await call('host.disable', b.ref)
  const reboot = call('host.reboot', b.ref)
  await until(() => Object.keys(pool.get('host', b.ref)?.current_operations ?? {}).length > 0)
  t.equal(await call('host.enable', b.ref), '', 'Host.enable is permitted during the call')
  await clock.advanceAsync(35)
  t.strictSame(await reboot, ['HOST_NOT_DISABLED'])
})

t.test('the host goes down 10 s later: PBDs detached, then not live; other hosts are not recomputed', async t => {
  const went: string[] = []
  const { pool, clock, call, allowed, b, c } = await stockPool(t, {
    machines: { goDown: (host, how) => went.push(`${host} ${how}`) },
  })
  for (const { ref } of [b, c]) await call('host.disable', ref)
  await call('host.reboot', b.ref)
  const attached = () => pool.get('PBD', b.pbd)?.currently_attached
  const live = () => pool.get('host_metrics', pool.get('host', b.ref)?.metrics ?? '')?.live
  clock.advance(9_999)
  t.strictSame([went, attached(), live()], [[], true, true])
  clock.advance(1)
  t.strictSame(went, [`${b.ref} reboot`])
  clock.advance(500)
  t.strictSame([attached(), live()], [false, true])
  t.strictSame(await call('host.enable', b.ref), ['HOST_DISABLED_UNTIL_REBOOT', b.ref])
  clock.advance(1_500)
  t.strictSame([attached(), live()], [false, false])
  t.strictSame(allowed(c.ref), ['shutdown', 'reboot'], 'the host-down rule is dead code')
  t.strictSame(await call('host.reboot', c.ref), '', 'a reboot while another host is down is accepted')
})

t.test('a host returns: hello, then its PBDs, then enabled', async t => {
  const { pool, clock, call, b } = await stockPool(t)
  await call('host.disable', b.ref)
  await call('host.reboot', b.ref)
  clock.advance(30_000)
  pool.hostReturned(b.ref, { bootTimeMs: clock.nowMs - 9_000 })
  const state = () => ({
    live: pool.get('host_metrics', pool.get('host', b.ref)?.metrics ?? '')?.live,
    attached: pool.get('PBD', b.pbd)?.currently_attached,
    enabled: pool.get('host', b.ref)?.enabled,
    operations: Object.keys(pool.get('host', b.ref)?.current_operations ?? {}),
  })
  t.strictSame(state(), { live: true, attached: false, enabled: false, operations: [] })
  t.strictSame(await call('host.enable', b.ref), ['HOST_STILL_BOOTING'])
  await clock.advanceAsync(400)
  t.match(state(), { attached: true, enabled: false })
  clock.advance(75)
  t.match(state(), { attached: true, enabled: true })
})

t.test('the hello of any host drops the entries of ended tasks of all hosts', async t => {
  const { pool, clock, call, b, c } = await stockPool(t)
  for (const { ref } of [b, c]) await call('host.disable', ref)
  await call('host.reboot', b.ref)
  clock.advance(20_000)
  await call('host.reboot', c.ref)
  pool.hostReturned(b.ref, { bootTimeMs: clock.nowMs })
  t.strictSame(pool.get('host', c.ref)?.current_operations, {})
  clock.advance(12_000)
  t.equal(pool.get('PBD', c.pbd)?.currently_attached, false, 'the host goes down nevertheless')
})

t.test('host.disable(host, false) keeps a host disabled over its reboot until Host.enable', async t => {
  const { pool, clock, call, b } = await stockPool(t)
  const rebooted = async () => {
    await call('host.reboot', b.ref)
    clock.advance(30_000)
    pool.hostReturned(b.ref, { bootTimeMs: clock.nowMs })
    await clock.advanceAsync(1_000)
    return pool.get('host', b.ref)?.enabled
  }
  await call('host.disable', b.ref)
  t.equal(await call('host.disable', b.ref, false), '', 'the call succeeds')
  t.equal(await rebooted(), true, 'on a disabled host it does not write the flag')
  await call('host.disable', b.ref, false)
  t.equal(await rebooted(), false)
  t.equal(await call('host.enable', b.ref), '')
  await call('host.disable', b.ref)
  t.equal(await rebooted(), true, 'Host.enable sets the flag again')
})

t.test('a crashed host counts as live until the assumed-dead interval is over, and keeps its PBDs', async t => {
  const { pool, clock, b } = await stockPool(t)
  const live = () => pool.get('host_metrics', pool.get('host', b.ref)?.metrics ?? '')?.live
  pool.hostLeft(b.ref)
  clock.advance(599_999)
  t.equal(live(), true)
  clock.advance(1)
  t.strictSame([live(), pool.get('PBD', b.pbd)?.currently_attached], [false, true])
})
