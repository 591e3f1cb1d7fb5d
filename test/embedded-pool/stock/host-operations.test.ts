import t from 'tap'
import { whatIf } from '../../../src/allowed-operations/what-if.ts'
import { until } from '../pool-under-test.ts'
import { stockPool } from './stock-pool-under-test.ts'

const BOTH = ['shutdown', 'reboot']

t.test('an enabled host cannot reboot: HOST_NOT_DISABLED', async t => {
  const { call, a, b } = await stockPool(t)
  for (const method of ['host.reboot', 'host.shutdown']) {
    t.strictSame(await call(method, b.ref), ['HOST_NOT_DISABLED'])
  }
  t.strictSame(await call('host.power_on', a.ref), ['HOST_IS_LIVE', a.ref])
})

t.test('Host.disable recomputes allowed_operations of its own host only', async t => {
  const { call, allowed, block, a, b, c } = await stockPool(t)
  for (const { ref } of [a, b]) await call('host.disable', ref)
  t.strictSame(
    [a, b, c].map(({ ref }) => allowed(ref)),
    [BOTH, BOTH, []],
  )
  await block()
  t.strictSame(await call('host.disable', a.ref), '', 'on a disabled host it changes nothing else')
  t.strictSame(
    [a, b].map(({ ref }) => allowed(ref)),
    [[], BOTH],
  )
})

t.test('a new task recomputes nothing, and the check at the call uses the present tasks', async t => {
  const { call, allowed, block, b, sr } = await stockPool(t)
  await call('host.disable', b.ref)
  const task = await block()
  t.strictSame(allowed(b.ref), BOTH, 'the field is stale')
  for (const method of ['host.reboot', 'host.shutdown']) {
    t.strictSame(await call(method, b.ref), ['CLUSTERED_SR_DEGRADED', sr])
  }
  t.strictSame(await call('host.apply_updates', b.ref, 'nonsense'), ['CLUSTERED_SR_DEGRADED', sr])
  t.strictSame(allowed(b.ref), BOTH, 'a refused call recomputes nothing')
  await call('host.enable', b.ref)
  await call('host.disable', b.ref)
  t.strictSame(allowed(b.ref), [])
  await call('task.set_status', task, 'success')
  await call('task.destroy', task)
  t.strictSame(allowed(b.ref), [], 'the end of the task recomputes nothing either')
  t.strictSame(await call('host.reboot', b.ref), '')
})

t.test('Host.enable of an enabled host recomputes all hosts if any SR is clustered', async t => {
  const { call, allowed, block, a, b, c } = await stockPool(t)
  for (const { ref } of [b, c]) await call('host.disable', ref)
  await block()
  await call('host.enable', a.ref)
  t.strictSame(
    [b, c].map(({ ref }) => allowed(ref)),
    [[], []],
  )
})

t.test('Host.enable recomputes its own host only if no SR is clustered', async t => {
  const { pool, call, allowed, a, b, c, sr } = await stockPool(t)
  for (const { pbd } of [a, b, c]) await call('PBD.unplug', pbd)
  await call('SR.forget', sr)
  await call('host.disable', b.ref)
  await call('pool.add_to_other_config', pool.ref, 'rolling_upgrade_in_progress', 'true')
  await call('host.enable', a.ref)
  t.strictSame(allowed(b.ref), BOTH, 'the field of the other host is stale')
  t.strictSame(pool.get('host', a.ref)?.allowed_operations, ['provision', 'evacuate'])
})

t.test('the rule needs one plugged PBD of the SR anywhere, and it concerns hosts without one too', async t => {
  const { call, block, a, b, c, sr } = await stockPool(t)
  await call('host.disable', c.ref)
  await block()
  for (const { pbd } of [b, c]) await call('PBD.unplug', pbd)
  t.strictSame(await call('host.reboot', c.ref), ['CLUSTERED_SR_DEGRADED', sr])
  await call('PBD.unplug', a.pbd)
  t.strictSame(await call('host.reboot', c.ref), '')
})

t.test('host.apply_updates disables its host, and ends with NO_REPOSITORY_ENABLED', async t => {
  const { pool, call, b } = await stockPool(t)
  t.strictSame(await call('host.apply_updates', b.ref, 'hash'), ['NO_REPOSITORY_ENABLED'])
  t.equal(pool.get('host', b.ref)?.enabled, false)
})

t.test(
  'a call to a host that is off is CANNOT_CONTACT_HOST, and HOST_OFFLINE when it is not live; the coordinator needs no heartbeat',
  async t => {
    const { pool, clock, call, a, b } = await stockPool(t)
    await call('host.disable', b.ref)
    pool.hostLeft(b.ref)
    t.strictSame(await call('host.enable', a.ref), '')
    t.strictSame(await call('host.reboot', b.ref), ['CANNOT_CONTACT_HOST', b.ref])
    clock.advance(600_000)
    t.strictSame(await call('host.reboot', b.ref), ['HOST_OFFLINE', b.ref])
    t.strictSame(await call('host.disable', b.ref), ['HOST_OFFLINE', b.ref])
  },
)

t.test('OTHER_OPERATION_IN_PROGRESS is not answered: the call waits until the other operation ends', async t => {
  const { pool, clock, call, b } = await stockPool(t, { times: { goDownCallMs: 35 } })
  await call('host.disable', b.ref)
  const answers: unknown[] = []
  const ask = (method: string) => call(method, b.ref).then(answer => answers.push([method, answer]))
  const reboot = ask('host.reboot')
  await until(() => Object.keys(pool.get('host', b.ref)?.current_operations ?? {}).length > 0)
  const shutdown = ask('host.shutdown')
  while (answers.length < 2) {
    await clock.advanceAsync(5)
    await new Promise(resolve => setTimeout(resolve, 1))
  }
  await Promise.all([reboot, shutdown])
  t.strictSame(answers, [
    ['host.reboot', ''],
    ['host.shutdown', ''],
  ])
})

t.test('after a recomputation the fields are those of what-if --rules stock', async t => {
  const { pool, call, block, a, b, c } = await stockPool(t)
  const question = () => ({
    hosts: pool.list('host').map(([ref, host]) => ({
      ref,
      enabled: host.enabled,
      live: pool.get('host_metrics', host.metrics)?.live,
      current_operations: Object.entries(host.current_operations).toReversed(),
    })),
    srs: pool.list('SR').map(([ref, { clustered }]) => ({ ref, clustered })),
    pbds: pool
      .list('PBD')
      .map(([ref, { host, SR, currently_attached }]) => ({ ref, host, sr: SR, currently_attached })),
    tasks: pool.list('task').map(([ref, { name_label, name_description }]) => ({ ref, name_label, name_description })),
    power_on_plugin: false,
  })
  const agrees = async () => {
    await call('host.enable', a.ref)
    const { allowed_operations } = JSON.parse(
      JSON.stringify(whatIf(JSON.stringify(question()), { rules: 'stock', policy: 'conservative', now: 0 })),
    ) as { allowed_operations: unknown }
    t.strictSame(
      Object.fromEntries(pool.list('host').map(([ref, host]) => [ref, host.allowed_operations])),
      allowed_operations,
    )
  }
  await agrees()
  for (const { ref } of [b, c]) await call('host.disable', ref)
  await agrees()
  await call('host.reboot', c.ref)
  await agrees()
  await block()
  await agrees()
})
