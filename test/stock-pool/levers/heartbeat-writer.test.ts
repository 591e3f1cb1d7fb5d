import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import {
  encodeHeartbeat,
  GUARD_KEY,
  guardPresence,
  HEARTBEAT_EXPIRES_MS,
} from '../../../src/allowed-operations/pool/guard-heartbeat.ts'
import { type Clock, machineClock } from '../../../src/platform/time/clock.ts'
import { HeartbeatWriter } from '../../../src/stock-pool/levers/heartbeat-writer.ts'
import { XenApiClient } from '../../../src/xenapi-client/client.ts'
import { guardedPool, until } from '../guarded-pool.ts'

const NOW = Date.UTC(2026, 11, 1)
const HEARTBEAT = { machine: 'hostA', version: '0.1.0', atMs: NOW }

t.test('a heartbeat counts for three minutes', async t => {
  const text = encodeHeartbeat(HEARTBEAT)
  t.strictSame(guardPresence(text, NOW + HEARTBEAT_EXPIRES_MS), { state: 'acts', heartbeat: HEARTBEAT })
  t.match(guardPresence(text, NOW + HEARTBEAT_EXPIRES_MS + 1), { state: 'silent' })
  t.match(guardPresence(text, NOW - HEARTBEAT_EXPIRES_MS), { state: 'acts' }, 'the clock of the reader may be behind')
  t.match(guardPresence(text, NOW - HEARTBEAT_EXPIRES_MS - 1), { state: 'unclear', why: /future/ })
  t.strictSame(guardPresence(undefined, NOW), { state: 'never' })
  for (const other of ['', '{}', text.slice(0, -1), text.replace('"schema":1', '"schema":2'), ' '.repeat(2_000)]) {
    t.match(guardPresence(other, NOW), { state: 'unclear', why: /cannot be read/ }, other)
  }
})

t.test('a guard that acts writes its heartbeat, also through a member', async t => {
  const { pool, memberSocketPath, startGuard } = await guardedPool(t, { isGuarded: false })
  const stored = () => pool.list('pool')[0]?.[1].other_config[GUARD_KEY]
  t.equal(stored(), undefined)
  await startGuard(memberSocketPath).ready
  await until(t, 'there is a heartbeat', () => stored() !== undefined)
  t.match(guardPresence(stored(), Date.now()), { state: 'acts', heartbeat: { machine: 'a', version: '0.0.0' } })
})

/** A writer on a clock whose timers run only by `pass`. */
async function steppedWriter(t: Parameters<typeof guardedPool>[0]) {
  const { pool, socketPath } = await guardedPool(t, { isGuarded: false })
  const stored = () => pool.list('pool')[0]?.[1].other_config[GUARD_KEY]
  let nowMs = NOW
  const timers = new Set<{ readonly dueMs: number; readonly run: () => void }>()
  const clock: Clock = {
    ...machineClock,
    now: () => nowMs,
    after: (ms, run) => {
      const timer = { dueMs: nowMs + ms, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  const client = new XenApiClient({
    clock: machineClock,
    url: 'http://localhost',
    socketPath,
    user: 'root',
    password: '',
  })
  const guard = { machine: 'a', version: '1' }
  const writer = new HeartbeatWriter({ client, clock, guard, pool: () => pool.ref })
  t.teardown(async () => {
    await writer.close()
    await client.close()
  })
  const pass = async (ms: number) => {
    nowMs += ms
    for (const timer of timers) {
      if (timer.dueMs > nowMs) continue
      timers.delete(timer)
      timer.run()
    }
    await pause(100)
  }
  const atMs = () => {
    const presence = guardPresence(stored(), nowMs)
    return 'heartbeat' in presence ? presence.heartbeat.atMs - NOW : null
  }
  return { writer, pass, atMs, isWaiting: () => timers.size > 0 }
}

t.test('one heartbeat a minute while the guard decides, and none when it does not', async t => {
  const { writer, pass, atMs, isWaiting } = await steppedWriter(t)
  await pass(1_000)
  t.equal(atMs(), null, 'it has not decided')
  writer.decided()
  await until(t, 'the first heartbeat is written', isWaiting)
  t.equal(atMs(), 1_000)
  for (let second = 0; second < 3; second += 1) {
    writer.decided()
    await pass(1_000)
  }
  t.equal(atMs(), 1_000, 'not more than once a minute')
  await pass(57_000)
  await until(t, 'the next heartbeat is written', () => atMs() === 61_000 && isWaiting())
  await pass(60_000)
  t.equal(atMs(), 61_000, 'the guard has not decided since')
  writer.decided()
  await until(t, 'it decides again', () => atMs() === 121_000 && isWaiting())
})

t.test('after a new session, whose database may be older, the heartbeat is written at once', async t => {
  const { writer, pass, atMs, isWaiting } = await steppedWriter(t)
  writer.decided()
  await until(t, 'the first heartbeat is written', isWaiting)
  await pass(5_000)
  writer.sessionChanged()
  writer.decided()
  await until(t, 'the second heartbeat is written', () => atMs() === 5_000)
})
