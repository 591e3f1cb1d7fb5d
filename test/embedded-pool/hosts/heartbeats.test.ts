import t from 'tap'
import { START_MS, VirtualClock } from '../../platform/time/virtual-clock.ts'
import { ask, firstOf, login, servedPool, until } from '../pool-under-test.ts'

const ASSUME_DEAD_MS = 60_000
const BOOT_S = START_MS / 1000 - 3_600

/** A served pool of one host with liveness by heartbeat, and the calls of the host. */
async function poolByHeartbeat(t: { teardown(end: () => Promise<void>): void }, byHeartbeat = true) {
  const time = new VirtualClock()
  const { pool, url } = await servedPool(t, {
    clock: time,
    ...(byHeartbeat ? { heartbeat: { assumeDeadAfterMs: ASSUME_DEAD_MS } } : {}),
  })
  const ref = pool.addHost({ hostname: 'a', address: '10.0.0.1', bootTimeMs: BOOT_S * 1000 })
  const uuid = pool.get('host', ref)?.uuid
  const session = await login(url)
  const state = () => {
    const { live, leaving, enabled, bootTimeMs, liveSinceMs } = firstOf(pool.poolSnapshot().hosts)
    const words = [live && 'live', leaving && 'leaving', enabled && 'enabled'].filter(word => word).join(' ')
    const since = liveSinceMs === null ? '' : ` since ${(liveSinceMs - START_MS) / 1000}`
    return `${words}${since}, boot ${(bootTimeMs ?? 0) / 1000 - BOOT_S}`
  }
  return {
    pool,
    url,
    session,
    ref,
    time,
    state,
    hello: (stuff?: object, address = '10.0.0.1') =>
      ask(url, 'pool.hello', session, uuid, address, ...(stuff === undefined ? [] : [stuff])),
    tickle: (stuff: object = {}) => ask(url, 'host.tickle_heartbeat', session, ref, stuff),
    /** Resolves when the order stands; its call ends when the host has the order. */
    goDown: async () => {
      await ask(url, 'host.disable', session, ref)
      const call = ask(url, 'host.reboot', session, ref)
      await until(() => firstOf(pool.poolSnapshot().hosts).leaving)
      return { call }
    },
  }
}

const boot = (afterSeconds = 0, agentStartS?: number) => ({
  boot_time: `${BOOT_S + afterSeconds}.`,
  ...(agentStartS === undefined ? {} : { agent_start_time: `${agentStartS}.` }),
})

t.test('a host is live from its hello until assumeDeadAfterMs without a heartbeat', async t => {
  const { state, hello, tickle, time } = await poolByHeartbeat(t)
  t.equal(state(), 'enabled, boot 0', 'not live before its first heartbeat in this run')
  t.strictSame(await tickle(), {})
  t.equal(state(), 'enabled, boot 0', 'a heartbeat without a boot is no hello')
  t.equal(await hello(boot()), 'ok')
  t.equal(state(), 'live enabled since 0, boot 0')
  time.advance(ASSUME_DEAD_MS - 1)
  t.equal(state(), 'live enabled since 0, boot 0')
  await tickle()
  time.advance(1)
  t.equal(state(), 'live enabled since 0, boot 0', 'each heartbeat restarts the timeout')
  time.advance(ASSUME_DEAD_MS - 2)
  t.equal(state(), 'live enabled since 0, boot 0')
  time.advance(1)
  t.equal(state(), 'enabled, boot 0', 'exact to the millisecond')
  time.advance(60 * ASSUME_DEAD_MS)
  await tickle()
  t.equal(state(), 'enabled, boot 0', 'it may have rebooted during the silence')
  await tickle(boot())
  t.match(state(), /^live enabled since 3719.9\d*, boot 0$/, 'same boot: live again, nothing else changes')
})

t.test('another boot time is an unseen reboot; a drifting clock is not', async t => {
  const { state, hello, tickle, time } = await poolByHeartbeat(t)
  await hello(boot())
  for (let drift = 1; drift <= 10; drift += 1) {
    time.advance(10_000)
    await tickle(boot(drift))
  }
  t.equal(state(), 'live enabled since 0, boot 0', 'one second each time, ten seconds in total')
  time.advance(10_000)
  await tickle(boot(500))
  t.equal(state(), 'live since 110, boot 500')
  time.advance(1_000)
  t.equal(state(), 'live enabled since 110, boot 500', 'enabled after the delay, as after any return')
})

t.test('a host with an order is back only in another boot', async t => {
  const { state, hello, tickle, goDown, pool, ref, time } = await poolByHeartbeat(t)
  await hello(boot())
  const { call } = await goDown()
  t.equal(state(), 'live leaving since 0, boot 0')
  time.advance(5_000)
  t.match(
    await tickle(boot()),
    { order: 'reboot', order_id: /^[0-9a-f-]{36}$/ },
    'the answer to the next heartbeat carries the order',
  )
  t.equal(await call, '')
  await hello(boot())
  t.equal(state(), 'live leaving since 0, boot 0', 'a hello in the last seconds of the old boot is no return')
  t.strictSame(Object.values(pool.get('host', ref)?.current_operations ?? {}), ['shutdown'])
  await tickle({ 'shutting-down': '1' })
  t.equal(state(), 'leaving, boot 0')
  await tickle(boot())
  t.equal(state(), 'leaving, boot 0')
  time.advance(120_000)
  t.equal(await hello(boot(3_700)), 'ok')
  t.equal(state(), 'live since 125, boot 3700')
  t.strictSame(pool.get('host', ref)?.current_operations, {})
  t.strictSame(await tickle(boot(3_700)), {}, 'no order is left')
})

t.test('a toolstack restart is no reboot: a disabled host stays disabled, and agent_start_time changes', async t => {
  const { state, hello, tickle, pool, ref, url, session, time } = await poolByHeartbeat(t)
  await hello(boot(0, BOOT_S + 60))
  const agentStart = () => pool.get('host', ref)?.other_config.agent_start_time
  t.equal(agentStart(), `${BOOT_S + 60}.`)
  await tickle(boot(0, BOOT_S + 90))
  t.equal(agentStart(), `${BOOT_S + 90}.`)
  t.equal(state(), 'live enabled since 0, boot 0')

  const restart = async () => {
    await tickle({ 'shutting-down': '1' })
    await tickle({ 'shutting-down': '1' })
    t.match(state(), /^, boot 0/, 'neither live nor enabled')
    await hello(boot(0, BOOT_S + 120))
    time.advance(1_000)
  }
  await restart()
  t.match(state(), /^live enabled since/)
  t.equal(agentStart(), `${BOOT_S + 120}.`)
  await ask(url, 'host.disable', session, ref)
  await restart()
  t.match(state(), /^live since/)
})

t.test('a hello of stock xapi has no boot and means a return; an unknown host gets unknown_host', async t => {
  const { state, hello, goDown, pool, ref, url, session, time } = await poolByHeartbeat(t)
  t.equal(await hello(undefined, '10.0.0.9'), 'ok')
  t.equal(pool.get('host', ref)?.address, '10.0.0.9')
  t.equal(state(), 'live since 0, boot 0')
  await goDown()
  time.advance(7_000)
  await hello()
  t.equal(state(), 'live since 7, boot 0')
  t.equal(await ask(url, 'pool.hello', session, 'unknown', '10.0.0.9'), 'unknown_host')
  t.strictSame(await hello({ boot_time: 'soon' }), [
    'VALUE_NOT_SUPPORTED',
    'boot_time',
    'soon',
    'not a number of seconds',
  ])
})

t.test('a clock that is set back does not keep a host live for longer', async t => {
  const { state, hello, time } = await poolByHeartbeat(t)
  await hello(boot())
  time.advance(1_000)
  time.nowMs -= 86_400_000
  time.advance(ASSUME_DEAD_MS - 1_001)
  t.match(state(), /^live/)
  time.advance(1)
  t.notMatch(state(), /^live/)
})

t.test('wall-clock time counts as silence while the steady clock stops, as on a suspended machine', async t => {
  const { state, hello, tickle, time } = await poolByHeartbeat(t)
  await hello(boot())
  time.nowMs += ASSUME_DEAD_MS
  time.advance(ASSUME_DEAD_MS - 1)
  t.match(state(), /^live/, 'noticed at the next check')
  time.advance(1)
  t.notMatch(state(), /^live/)
  await tickle(boot())
  t.match(state(), /^live/)
})

t.test('a clock change does not make a heartbeat older', async t => {
  const { state, hello, tickle, time } = await poolByHeartbeat(t)
  await hello(boot())
  time.advance(10_000)
  time.nowMs += 3_600_000
  await tickle({ ...boot(), since_answer_ms: '10000' })
  time.advance(ASSUME_DEAD_MS - 1)
  t.match(state(), /^live/)
})

t.test('without the option silence has no effect, and a host can still report its start and shutdown', async t => {
  const { state, hello, tickle, time, pool, ref } = await poolByHeartbeat(t, false)
  t.equal(state(), 'live enabled since 0, boot 0')
  await tickle()
  time.advance(86_400_000)
  t.equal(state(), 'live enabled since 0, boot 0')
  await tickle({ 'shutting-down': 'yes' })
  t.equal(state(), ', boot 0')
  t.equal(await hello(boot(4_000)), 'ok')
  t.equal(state(), 'live since 86400, boot 4000')
  pool.removeHost(ref)
  time.advance(86_400_000)
})

t.test('with boot ids a clock change is no reboot, and another boot id is', async t => {
  const { state, hello, tickle, goDown, url, session, ref, time, pool } = await poolByHeartbeat(t)
  const bootIdInSnapshot = () => firstOf(pool.poolSnapshot().hosts).bootId
  const ONE = { boot_id: '1f5c0c1e-0000-4000-8000-000000000001' }
  const TWO = { boot_id: '1f5c0c1e-0000-4000-8000-000000000002' }
  await hello({ ...ONE, ...boot() })
  time.advance(1_000)
  await ask(url, 'host.disable', session, ref)
  await hello({ ...ONE, ...boot(5) })
  time.advance(1_000)
  t.equal(state(), 'live since 0, boot 5', 'the host stays disabled; its boot time follows the new clock')
  await goDown()
  await hello({ ...ONE, ...boot(10) })
  await tickle({ ...ONE, ...boot(-3_600) })
  t.equal(state(), 'live leaving since 0, boot 5', 'it has an order and has not gone down')
  time.advance(30_000)
  await hello({ ...TWO, ...boot(5) })
  t.equal(state(), 'live since 32, boot 5', 'another boot with the same boot time')
  t.equal(bootIdInSnapshot(), TWO.boot_id, 'the snapshot has the new boot id, so older reports do not count')
  await hello(boot(5))
  t.equal(state(), 'live since 32, boot 5', 'without a boot id the boot time decides')
  await hello(boot(4_000))
  t.equal(state(), 'live since 32, boot 4000')
  t.equal(bootIdInSnapshot(), undefined)
  await tickle({ ...ONE, ...boot(4_000) })
  t.equal(state(), 'live since 32, boot 4000', 'no boot id is known after that')
  t.strictSame(await tickle({ boot_id: 'soon' }), ['VALUE_NOT_SUPPORTED', 'boot_id', 'soon', 'not a boot id'])
})

t.test('with a known boot id no boot time is needed', async t => {
  const { state, hello, tickle, time } = await poolByHeartbeat(t)
  const ONE = { boot_id: '1f5c0c1e-0000-4000-8000-000000000001' }
  await hello({ ...ONE, ...boot() })
  await tickle({ ...ONE, 'shutting-down': '1' })
  time.advance(10_000)
  await hello(ONE)
  time.advance(1_000)
  t.equal(state(), 'live enabled since 10, boot 0')
  time.advance(ASSUME_DEAD_MS)
  t.equal(state(), 'enabled, boot 0')
  await tickle(ONE)
  t.equal(state(), 'live enabled since 71, boot 0')
})

t.test('host.get_servertime is by the clock of the host, and fails while the host is not live', async t => {
  const { hello, tickle, time, url, session, ref } = await poolByHeartbeat(t)
  const servertime = () => ask(url, 'host.get_servertime', session, ref)
  t.strictSame(await servertime(), ['HOST_OFFLINE', ref])
  await hello(boot())
  t.equal(await servertime(), '20261122T16:00:00Z', 'the clock of the pool if the host has not sent its own')
  await tickle({ now: '2026-11-22T15:55:00.500Z' })
  t.equal(await servertime(), '20261122T15:55:00Z', 'five minutes behind')
  time.advance(10_000)
  t.equal(await servertime(), '20261122T15:55:10Z')
  await tickle({ now: '20261122T17:00:00Z' })
  t.equal(await servertime(), '20261122T17:00:00Z')
  t.strictSame(await tickle({ now: 'soon' }), ['VALUE_NOT_SUPPORTED', 'now', 'soon', 'not ISO 8601'])
  time.advance(ASSUME_DEAD_MS)
  t.strictSame(await servertime(), ['HOST_OFFLINE', ref])
})

t.test('a client that waits for a reboot notices it although the clock of the host is behind', async t => {
  const { hello, goDown, time, url, session, ref, pool } = await poolByHeartbeat(t)
  const hostNowS = () => Math.floor(time.nowMs / 1000) - 300
  const now = () => new Date(hostNowS() * 1000).toISOString()
  await hello({ ...boot(), now: now() })
  const before = String(await ask(url, 'host.get_servertime', session, ref))
  await goDown()
  time.advance(120_000)
  await hello({ boot_time: `${hostNowS() - 20}.`, agent_start_time: `${hostNowS()}.`, now: now() })
  const beforeS = Date.parse(before.replace(/^(\d{4})(\d\d)/, '$1-$2-')) / 1000
  t.ok(Number(pool.get('host', ref)?.other_config.agent_start_time) > beforeS)
})

t.test(
  'a host that is not live cannot be disabled; with auto_enable=false it stays disabled until host.enable',
  async t => {
    const { hello, tickle, time, url, session, ref, pool } = await poolByHeartbeat(t)
    const disable = (...further: readonly unknown[]) => ask(url, 'host.disable', session, ref, ...further)
    const rebooted = async (bootS: number) => {
      await tickle({ 'shutting-down': '1' })
      await hello(boot(bootS))
      time.advance(1_000)
      return pool.get('host', ref)?.enabled
    }
    t.strictSame(await disable(), ['HOST_OFFLINE', ref])
    await hello(boot())
    t.strictSame(await disable('no'), ['FIELD_TYPE_ERROR', 'auto_enable'])
    t.equal(await disable(true), '')
    t.equal(await rebooted(1_000), true, 'enabled again, as without the parameter')
    t.equal(await disable(false), '')
    t.equal(await rebooted(2_000), false)
    t.equal(await rebooted(3_000), false)
    t.equal(await disable(), '')
    t.equal(await rebooted(4_000), false, 'another host.disable changes nothing')
    t.equal(await ask(url, 'host.enable', session, ref), '')
    await disable()
    t.equal(await rebooted(5_000), true)
  },
)

t.test('the poll key of an agent is kept in memory and is in no record, answer or error', async t => {
  const { pool, url, session, ref, hello, tickle } = await poolByHeartbeat(t)
  const key = 'ab'.repeat(32)
  await hello(boot())
  t.equal(pool.pollKey(ref), null)
  await tickle({ ...boot(), poll_key: key })
  t.equal(pool.pollKey(ref), key)
  await tickle(boot())
  t.equal(pool.pollKey(ref), key, 'a heartbeat without a key keeps it')
  for (const cls of ['host', 'host_metrics', 'pool', 'PBD', 'task', 'session', 'message']) {
    t.notMatch(JSON.stringify(await ask(url, `${cls}.get_all_records`, session)), key, cls)
  }
  const wrong = await tickle({ poll_key: key.toUpperCase() })
  t.notMatch(JSON.stringify(wrong), key.toUpperCase())
  t.equal(pool.pollKey(ref), key)
  await hello({ ...boot(), poll_key: 'cd'.repeat(32) })
  t.equal(pool.pollKey(ref), 'cd'.repeat(32))
  await hello(boot())
  t.equal(pool.pollKey(ref), null, 'a hello without a key removes it')
})

t.test('a heartbeat counts from when it was sent, not from when it arrived', async t => {
  const { state, hello, tickle, time } = await poolByHeartbeat(t)
  await hello(boot())
  time.advance(13_000)
  await tickle({ ...boot(), since_answer_ms: '10000' })
  time.advance(ASSUME_DEAD_MS - 3_001)
  t.match(state(), /live/)
  time.advance(1)
  t.notMatch(state(), /live/, 'it was in transit for 3 s, in which the host may have died')
  time.advance(5_000)
  await tickle({ ...boot(), since_answer_ms: '0' })
  t.notMatch(state(), /live/, 'a heartbeat that was sent so long ago does not make the host live again')
  await tickle({ ...boot(), since_answer_ms: '0' })
  t.match(state(), /live/, 'the next heartbeat does')
  t.match(JSON.stringify(await tickle({ since_answer_ms: 'soon' })), /VALUE_NOT_SUPPORTED/)
})

t.test('a heartbeat names the reports that describe a past state', async t => {
  const { pool, ref, hello, tickle } = await poolByHeartbeat(t)
  const sr = '5c5c5c5c-0000-4000-8000-000000000001'
  const boot_id = 'b0b0b0b0-0000-4000-8000-000000000001'
  const changedSeqs = () => pool.poolSnapshot().changedSeqs?.get(ref)
  let changes = 0
  pool.subscribe(({ cls }) => {
    if (cls === 'host_metrics') changes += 1
  })
  await hello({ ...boot(), boot_id })
  t.equal(changedSeqs(), undefined)
  await tickle({ ...boot(), boot_id, sr_seq: `${sr}=42` })
  t.match(changedSeqs(), { bootId: boot_id, bySr: new Map([[sr, 42]]) })
  const before = changes
  await tickle({ ...boot(), boot_id, sr_seq: `${sr}=42` })
  t.equal(changes, before, 'an unchanged value makes no change')
  await tickle({ ...boot(), boot_id, sr_seq: `${sr}=43` })
  t.equal(changes, before + 1, 'subscribers are notified')
  await tickle({ ...boot(), boot_id, sr_seq: '' })
  t.match(changedSeqs(), { bySr: new Map() })
  for (const wrong of ['42', `${sr}=`, `${sr}=-1`, `${sr}=1e3`, `${sr}=9007199254740993`, `${sr}=1,,`]) {
    t.match(JSON.stringify(await tickle({ ...boot(), boot_id, sr_seq: wrong })), /VALUE_NOT_SUPPORTED/, wrong)
  }
})

t.test('a heartbeat that is answered with an error changes nothing', async t => {
  const { pool, ref, hello, tickle, state } = await poolByHeartbeat(t)
  const sr = '5c5c5c5c-0000-4000-8000-000000000001'
  const boot_id = 'b0b0b0b0-0000-4000-8000-000000000001'
  await hello({ ...boot(), boot_id, sr_seq: `${sr}=1` })
  for (const wrong of [{ boot_time: 'soon' }, { now: 'now' }, { agent_id: 'a', beat: 'x', last_order: '' }]) {
    const answer = await tickle({ ...boot(), boot_id, sr_seq: `${sr}=42`, 'shutting-down': '1', ...wrong })
    t.match(answer, ['VALUE_NOT_SUPPORTED'])
    t.match(pool.poolSnapshot().changedSeqs?.get(ref)?.bySr, new Map([[sr, 1]]))
    t.match(state(), /^live/)
  }
})
