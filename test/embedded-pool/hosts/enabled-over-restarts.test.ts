import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { decodeHostMemory } from '../../../src/embedded-pool/hosts/host-memory.ts'
import { START_MS, VirtualClock } from '../../platform/time/virtual-clock.ts'
import { ask, firstOf, login, servedPool, until } from '../pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'pool-enabled-'))
t.teardown(() => rmSync(folder, { recursive: true }))

const ENABLE_DELAY_MS = 1_000
const BOOT_S = START_MS / 1000 - 3_600
const boot = (afterSeconds = 0) => ({ boot_time: `${BOOT_S + afterSeconds}.` })
const going = { 'shutting-down': '1' }

interface TearsDown {
  teardown(end: () => Promise<void>): void
}

/** A pool of one host with liveness by heartbeat. It can be killed at any moment; the next pool reads its state file. */
async function lastingPool(t: TearsDown, { byHeartbeat = true, stateFile = '', enableDelayMs = ENABLE_DELAY_MS } = {}) {
  const time = new VirtualClock()
  const file = stateFile === '' ? join(folder, `pool-${Math.random()}`) : stateFile
  const { pool, url } = await servedPool(t, {
    clock: time,
    stateFile: file,
    enableDelayMs,
    ...(byHeartbeat ? { heartbeat: { assumeDeadAfterMs: 60_000 } } : {}),
  })
  if (pool.list('host').length === 0) pool.addHost({ hostname: 'a', bootTimeMs: BOOT_S * 1000 })
  const [ref, { uuid }] = firstOf(pool.list('host'))
  const session = await login(url)
  return {
    pool,
    time,
    ref,
    hello: (stuff: object) => ask(url, 'pool.hello', session, uuid, '', stuff),
    tickle: (stuff: object) => ask(url, 'host.tickle_heartbeat', session, ref, stuff),
    call: (method: string, ...further: readonly unknown[]) => ask(url, method, session, ref, ...further),
    enabled: () => pool.get('host', ref)?.enabled,
    settled: () => {
      time.advance(ENABLE_DELAY_MS)
      return pool.get('host', ref)?.enabled
    },
    killed: async () => {
      await pool.saved()
      const left = `${file}-killed`
      copyFileSync(file, left)
      return lastingPool(t, { byHeartbeat, stateFile: left })
    },
  }
}

t.test('a host that was back but not enabled when the pool was killed is enabled by the next pool', async t => {
  const first = await lastingPool(t)
  await first.hello(boot())
  t.equal(first.settled(), true)
  await first.call('host.disable')
  const reboot = first.call('host.reboot')
  await until(() => firstOf(first.pool.poolSnapshot().hosts).leaving)
  await first.pool.saved()
  await first.tickle(boot())
  await reboot
  t.equal(await first.hello(boot(900)), 'ok')
  t.equal(first.enabled(), false)

  const second = await first.killed()
  t.equal(second.settled(), false, 'no heartbeat yet')
  await second.tickle(boot(900))
  t.equal(second.enabled(), false)
  t.equal(second.settled(), true, 'enabled after the delay, as without the restart')
  t.equal((await (await second.killed()).killed()).enabled(), true)
})

t.test('the same holds for hosts whose driver reports their return', async t => {
  const first = await lastingPool(t, { byHeartbeat: false })
  first.pool.hostLeft(first.ref)
  first.pool.hostReturned(first.ref, { bootTimeMs: START_MS })
  const second = await first.killed()
  t.equal(second.enabled(), false)
  t.equal(second.settled(), true)
})

t.test('a host that an operator disabled stays disabled when its toolstack and the pool restart', async t => {
  const first = await lastingPool(t)
  await first.hello(boot())
  first.settled()
  await first.call('host.disable')
  await first.tickle(going)
  const second = await first.killed()
  await second.hello(boot())
  t.equal(second.settled(), false)
  await second.call('host.enable')
  await second.tickle(going)
  t.equal(second.enabled(), false)
  const third = await second.killed()
  await third.hello(boot())
  t.equal(third.settled(), true, 'an enabled host is enabled again')
})

t.test('a host that is disabled before the enable delay is over stays disabled', async t => {
  const first = await lastingPool(t)
  await first.hello(boot(900))
  await first.call('host.disable')
  const second = await first.killed()
  await second.tickle(boot(900))
  t.equal(second.settled(), false)
})

t.test('a toolstack restart during the enable delay does not prevent that the host is enabled', async t => {
  const { hello, tickle, enabled, settled } = await lastingPool(t)
  await hello(boot(900))
  await tickle(going)
  await hello(boot(900))
  t.equal(enabled(), false)
  t.equal(settled(), true)
})

t.test('a host that is silent during the enable delay is enabled after its next heartbeat', async t => {
  const { hello, tickle, time, enabled } = await lastingPool(t, { enableDelayMs: 100_000 })
  await hello(boot(900))
  time.advance(60_000)
  time.advance(40_000)
  t.equal(enabled(), false, 'a silent host is not enabled')
  await tickle(boot(900))
  time.advance(50_000)
  await tickle(boot(900))
  t.equal(enabled(), false)
  time.advance(50_000)
  t.equal(enabled(), true)
})

t.test('a host that is to stay disabled does so across restarts of the pool', async t => {
  const first = await lastingPool(t)
  await first.hello(boot())
  first.settled()
  await first.call('host.disable', false)
  const second = await first.killed()
  await second.hello(boot(900))
  t.equal(second.settled(), false)
  await second.call('host.enable')
  const third = await second.killed()
  await third.hello(boot(1_800))
  t.equal(third.settled(), true)
})

t.test('the state file keeps the boot id of a host, so a clock change during silence is no reboot', async t => {
  const id = { boot_id: '1f5c0c1e-0000-4000-8000-000000000001' }
  const first = await lastingPool(t)
  await first.hello({ ...id, ...boot() })
  first.settled()
  await first.call('host.disable')
  const second = await first.killed()
  await second.hello({ ...id, ...boot(60) })
  t.equal(second.settled(), false, 'no return')
})

t.test('fields of a host that an earlier version did not write get its defaults; invalid fields are refused', t => {
  const memory = { toldAtMs: START_MS, left: true }
  t.strictSame(decodeHostMemory(memory), {
    ...memory,
    toldTo: null,
    orderId: null,
    orderAgent: null,
    enabledBefore: true,
    enabling: false,
    staysDisabled: false,
    bootId: null,
  })
  const whole = {
    ...memory,
    toldTo: 'reboot',
    orderId: 'o',
    orderAgent: 'a',
    enabledBefore: false,
    enabling: true,
    staysDisabled: true,
    bootId: '5a5c',
  }
  t.strictSame(decodeHostMemory(whole), whole)
  for (const wrong of [
    { toldAtMs: 'now' },
    { toldTo: 'sleep' },
    { left: undefined },
    { enabledBefore: 1 },
    { enabling: null },
    { staysDisabled: 'no' },
    { bootId: 1 },
    { orderId: 1 },
    { orderAgent: {} },
  ]) {
    t.equal(decodeHostMemory({ ...whole, ...wrong }), null, JSON.stringify(wrong))
  }
  t.end()
})
