import t from 'tap'
import { PoolQuestions } from '../../../src/agent/pool/pool-questions.ts'
import { encodeHeartbeat, GUARD_KEY } from '../../../src/allowed-operations/pool/guard-heartbeat.ts'
import { OVERRIDE_KEY } from '../../../src/allowed-operations/pool/override.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { XenApiClient } from '../../../src/xenapi-client/client.ts'
import { guardedPool, until } from '../../stock-pool/guarded-pool.ts'

const soon = () => AbortSignal.timeout(30_000)

/** A stock pool, and what the agent of a member asks of it. */
async function stockPool(t: Parameters<typeof guardedPool>[0], options: Parameters<typeof guardedPool>[1] = {}) {
  const guarded = await guardedPool(t, options)
  const { pool, memberSocketPath: socketPath } = guarded
  const endpoint = { url: 'http://localhost', socketPath, user: 'root', password: '' }
  const client = new XenApiClient({ clock: machineClock, ...endpoint })
  t.teardown(() => client.close())
  const uuidOf = (host: string) => pool.get('host', host)?.uuid ?? ''
  const questions = new PoolQuestions(uuidOf(guarded.b), machineClock, { client })
  const poolConfig = () => pool.list('pool')[0]?.[1].other_config ?? {}
  const give = (host: string, expiresInSeconds = 60) =>
    questions.setOverride({ host: uuidOf(host), reason: 'disk swap', by: 'ada', expiresInSeconds }, soon())
  const stored = (host: string) => pool.get('host', host)?.other_config[OVERRIDE_KEY]
  return { ...guarded, questions, give, stored, uuidOf, poolConfig }
}

t.test('with a guard an override lifts the block while every other host is enabled', async t => {
  const { a, b, c, call, push, isBlocked, give, uuidOf, poolConfig } = await stockPool(t)
  await until(t, 'there is a heartbeat', () => GUARD_KEY in poolConfig())
  await push(b, 'degraded')
  await until(t, 'the guard blocks', isBlocked)
  await call('host.disable', b)
  await call('host.disable', c)
  t.match(await give(b), {
    by: 'ada',
    inForce: false,
    guard: { waitsFor: [{ uuid: uuidOf(c), name: 'c' }], otherOverrides: [] },
  })
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED', 'it has no effect, as the answer says')
  await call('host.enable', c)
  await until(t, 'the block is lifted', () => !isBlocked())
  t.match(await give(b), { inForce: true, guard: { waitsFor: [], otherOverrides: [] } })
  t.match(await give(a), { inForce: false, guard: { waitsFor: [{ name: 'b' }], otherOverrides: [{ name: 'b' }] } })
})

t.test('without a guard the override is refused, and not written', async t => {
  const { b, give, stored, questions, call, pool } = await stockPool(t, { isGuarded: false })
  const refusal = { name: 'PoolRefusal', kind: 'noGate' }
  await t.rejects(give(b), { ...refusal, message: /no guard acts; .*; the override was not written/ })
  const beat = async (text: string) => {
    await call('pool.remove_from_other_config', pool.ref, GUARD_KEY)
    await call('pool.add_to_other_config', pool.ref, GUARD_KEY, text)
  }
  const heartbeat = (atMs: number) => encodeHeartbeat({ machine: 'a', version: '0.1.0', atMs })
  await beat(heartbeat(Date.now() - 200_000))
  await t.rejects(give(b), { ...refusal, message: /the heartbeat of its guard has expired/ })
  await beat('{"schema":2}')
  await t.rejects(give(b), { ...refusal, message: /it is not known whether a guard acts/ })
  t.equal(stored(b), undefined)
  await questions.clearOverride('b', soon())
  setTimeout(() => void beat(heartbeat(Date.now())), 500)
  await call('pool.remove_from_other_config', pool.ref, GUARD_KEY)
  t.match(await give(b), { guard: {} }, 'a heartbeat that is just being replaced')
  t.type(stored(b), 'string')
})
