import t from 'tap'
import { HOLD_KEY } from '../../../src/stock-pool/hold/hold-marker.ts'
import { guardedPool, until } from '../guarded-pool.ts'

/** The order of a reboot stays in the pool long enough for a hold, which is placed a second after it was seen. */
const SLOW = { times: { shutdownAfterMs: 3_000 }, holdReturningHosts: true }

t.test('a host that was rebooted stays disabled until all is in sync', async t => {
  const { b, c, call, push, hostReturns, pool, events, isBlocked } = await guardedPool(t, SLOW)
  await call('host.disable', c)
  t.equal(await call('host.reboot', c), '')
  await until(t, 'the hold is placed', () => events.some(({ code }) => code === 'hold-placed'))
  t.equal(pool.get('host', c)?.enabled, false)
  t.ok(pool.get('host', c)?.other_config[HOLD_KEY])
  await until(t, 'c is down', () => pool.poolSnapshot().hosts.some(({ ref, live }) => ref === c && live === false))
  hostReturns(c)
  await until(t, 'c is plugged', () => pool.list('PBD').every(([, { currently_attached }]) => currently_attached))
  await new Promise(resolve => setTimeout(resolve, 300))
  t.equal(pool.get('host', c)?.enabled, false, 'xapi would have enabled it 10 ms after the plug')
  await call('host.disable', b)
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
  await call('host.enable', b)
  await push(c, 'synced')
  await until(t, 'c is enabled', () => pool.get('host', c)?.enabled === true)
  t.equal(isBlocked(), false, 'the task was lifted before')
  await until(t, 'the mark is gone', () => pool.get('host', c)?.other_config[HOLD_KEY] === undefined)
  await call('host.disable', b)
  t.equal(await call('host.reboot', b), '')
})

t.test("a client's Host.enable ends the hold, and the task still refuses the next reboot", async t => {
  const { b, c, call, hostReturns, pool, events } = await guardedPool(t, SLOW)
  await call('host.disable', c)
  await call('host.reboot', c)
  await until(t, 'the hold is placed', () => events.some(({ code }) => code === 'hold-placed'))
  await until(t, 'c is down', () => pool.poolSnapshot().hosts.some(({ ref, live }) => ref === c && live === false))
  hostReturns(c)
  await until(t, 'c is plugged', () => pool.list('PBD').every(([, { currently_attached }]) => currently_attached))
  let answer: unknown
  await until(t, 'c has started', () => pool.poolSnapshot().hosts.some(({ ref, live }) => ref === c && live === true))
  for (let tries = 0; tries < 100 && answer !== ''; tries += 1) {
    answer = await call('host.enable', c)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  await until(t, 'the hold has ended', () => events.some(({ code }) => code === 'hold-ended'))
  t.equal(pool.get('host', c)?.other_config[HOLD_KEY], undefined)
  t.equal(pool.get('host', c)?.enabled, true)
  await call('host.disable', b)
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
})

t.test('without the option no host is held', async t => {
  const { c, call, hostReturns, pool } = await guardedPool(t)
  await call('host.disable', c)
  await call('host.reboot', c)
  await until(t, 'c is down', () => pool.poolSnapshot().hosts.some(({ ref, live }) => ref === c && live === false))
  hostReturns(c)
  await until(t, 'c is enabled', () => pool.get('host', c)?.enabled === true)
  t.equal(pool.get('host', c)?.other_config[HOLD_KEY], undefined)
})
