import t from 'tap'
import { LiveSince } from '../../src/updater/pool-observer.ts'
import { host } from '../allowed-operations/pool-of-three.ts'
import { START_MS, settle } from '../platform/time/virtual-clock.ts'
import { type Tap, type WatchedPoolOptions, watchedPool } from './watched-pool.ts'

const HOUR_MS = 3_600_000

/** A pool of hosts that have been up for long and have just become live for the coordinator. */
async function poolOfHostsLongUp(t: Tap, options: WatchedPoolOptions) {
  const pool = await watchedPool(t, options)
  for (const ref of pool.hosts) pool.embedded.hostReturned(ref, { bootTimeMs: START_MS - 2 * HOUR_MS })
  return pool
}

t.test('the coordinator’s clock is set back by an hour: new reports are valid at once', async t => {
  const pool = await poolOfHostsLongUp(t, { answer: async index => pool.report(index, 'synced') })
  pool.updater().start()
  await settle()
  t.equal(pool.mayReboot(), 'ABC')
  pool.time.nowMs = START_MS - HOUR_MS
  pool.notice()
  await settle()
  t.equal(pool.mayReboot(), 'ABC', 'each was polled again')
  await pool.time.advanceAsync(2 * HOUR_MS)
  t.equal(pool.mayReboot(), 'ABC', 'nothing changes when the clock has caught up')
})

t.test('a report from before a host went down is not valid after a small step of the clock', async t => {
  const pool = await poolOfHostsLongUp(t, { policy: { leaseMs: HOUR_MS }, pollEveryMs: HOUR_MS })
  pool.updater().start()
  for (const index of [0, 1, 2]) await pool.push(index, 'synced')
  await pool.time.advanceAsync(10_000)
  pool.embedded.hostLeft(pool.hosts[1] ?? '')
  pool.embedded.hostReturned(pool.hosts[1] ?? '', { bootTimeMs: START_MS - 2 * HOUR_MS })
  await settle()
  t.strictSame(pool.reasonsFor(0), ['report-before-live'])
  pool.time.nowMs = START_MS - 20_000
  pool.notice()
  await settle()
  // The reports of the others were made after they became live, and confirmed within the clock skew.
  t.ok(pool.reasonsFor(0).includes('no-report'))
  t.equal(pool.mayReboot(), '')
  for (const index of [0, 1, 2]) await pool.push(index, 'synced')
  t.equal(pool.mayReboot(), 'ABC')
})

t.test('the moment of a host is corrected once for each step, as long as the pool states it', async t => {
  const liveSince = new LiveSince()
  const look = (saidMs: number | null, now: number) => {
    const { hosts, renewed } = liveSince.correct([host('a', { liveSinceMs: saidMs })], now)
    return [hosts[0]?.liveSinceMs, renewed.length]
  }
  t.strictSame(look(null, 100), [null, 0])
  t.strictSame(look(100, 100), [100, 0])
  t.strictSame(look(100, 50), [50, 1])
  t.strictSame(look(100, 60), [50, 0])
  t.strictSame(look(100, 200), [50, 0], 'the clock has caught up')
  t.strictSame(look(100, 40), [40, 1], 'another step')
  t.strictSame(look(200, 210), [200, 0], 'another return of the host')
  t.strictSame(look(100, 210), [100, 0])
})
