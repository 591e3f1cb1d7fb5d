import t from 'tap'
import { START_MS, settle } from '../platform/time/virtual-clock.ts'
import {
  LEASE_MS,
  POLL_EVERY_MS,
  POLL_TIMEOUT_MS,
  type Tap,
  type WatchedPool,
  type WatchedPoolOptions,
  watchedPool,
} from './watched-pool.ts'

type Answer = NonNullable<WatchedPoolOptions['answer']>

/** Never answers, not even after an abort. */
const hangs: Answer = () => new Promise(() => undefined)

/** A pool whose hosts answer polls as in `answers`, by index; a poll of another host fails at once. */
async function polledPool(t: Tap, options: WatchedPoolOptions = {}) {
  const answers = new Map<number, Answer>()
  const fails: Answer = () => Promise.reject(new Error('XENAPI_PLUGIN_FAILURE'))
  const pool = await watchedPool(t, {
    answer: (index, signal) => (answers.get(index) ?? fails)(index, signal),
    ...options,
  })
  const saysSynced: Answer = async index => pool.report(index, 'synced')
  for (const index of [0, 1, 2]) answers.set(index, saysSynced)
  return { pool, answers, saysSynced }
}

/** When a host was polled, in milliseconds since the start. */
function timesOf(pool: WatchedPool, host: number): number[] {
  return pool.asked.filter(each => each.host === host).map(({ atMs }) => atMs - START_MS)
}

t.test('every host is polled at the start and then periodically', async t => {
  const { pool } = await polledPool(t)
  pool.updater().start()
  await settle()
  t.equal(pool.mayReboot(), 'ABC')
  await pool.time.advanceAsync(2.5 * POLL_EVERY_MS)
  for (const index of [0, 1, 2]) t.strictSame(timesOf(pool, index), [0, POLL_EVERY_MS, 2 * POLL_EVERY_MS])
  t.equal(pool.changes.filter(({ left }) => left.length > 0).length, 0, 'hosts without news never block')
})

t.test('a host that hangs has one poll under way and delays no other; a failed poll confirms nothing', async t => {
  const { pool, answers, saysSynced } = await polledPool(t)
  answers.set(1, hangs)
  answers.delete(2)
  pool.updater().start()
  await settle()
  t.strictSame(pool.reasonsFor(0), ['no-report', 'no-report'])
  for (let notices = 0; notices < 20; notices += 1) {
    pool.notice()
    await pool.time.advanceAsync(POLL_TIMEOUT_MS / 20 - 1)
  }
  t.strictSame(timesOf(pool, 1), [0], 'one poll until its timeout')
  await pool.time.advanceAsync(20)
  t.strictSame(timesOf(pool, 1), [0, POLL_TIMEOUT_MS])
  t.equal(pool.asked.find(({ host }) => host === 1)?.signal.aborted, true)
  t.strictSame(timesOf(pool, 2), [0, 1_000, 3_000, 7_000], 'each pause is twice the previous one')
  answers.set(2, async () => 'no JSON')
  await pool.time.advanceAsync(POLL_EVERY_MS)
  t.strictSame(pool.reasonsFor(0), ['no-report', 'report-unreadable'])
  answers.set(1, saysSynced).set(2, saysSynced)
  await pool.time.advanceAsync(POLL_EVERY_MS)
  t.equal(pool.mayReboot(), 'ABC')
})

t.test('a poll that takes longer than the interval is not repeated', async t => {
  const { pool, answers } = await polledPool(t, { pollEveryMs: 1_000 })
  answers.set(0, hangs)
  pool.updater().start()
  await pool.time.advanceAsync(POLL_TIMEOUT_MS - 1)
  t.strictSame(timesOf(pool, 0), [0])
  t.equal(timesOf(pool, 1).length, 10)
})

t.test('pauses after failures grow up to the interval', async t => {
  const { pool, answers } = await polledPool(t)
  answers.clear()
  pool.updater().start()
  await pool.time.advanceAsync(10 * POLL_EVERY_MS)
  const times = timesOf(pool, 0)
  const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0))
  t.strictSame(pauses.slice(0, 7), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
})

t.test('a host that has just become live is polled at once, although an earlier poll hangs', async t => {
  const { pool, answers, saysSynced } = await polledPool(t)
  const ref = pool.hosts[1] ?? ''
  answers.set(1, hangs)
  pool.updater().start()
  await pool.time.advanceAsync(5_000)
  pool.embedded.hostLeft(ref)
  await settle()
  t.equal(pool.asked.find(({ host }) => host === 1)?.signal.aborted, true, 'the poll of a host that is down is aborted')
  await pool.time.advanceAsync(POLL_EVERY_MS)
  t.strictSame(timesOf(pool, 1), [0], 'and not repeated')
  answers.set(1, saysSynced)
  pool.embedded.hostReturned(ref, { bootTimeMs: pool.time.now() })
  await settle()
  t.strictSame(timesOf(pool, 1), [0, 5_000 + POLL_EVERY_MS])
  t.equal(pool.mayReboot(), 'ABC')
  await pool.time.advanceAsync(1)
  pool.embedded.hostLeft(ref)
  pool.embedded.hostReturned(ref, { bootTimeMs: pool.time.now() })
  await settle()
  t.strictSame(timesOf(pool, 1).slice(2), [5_001 + POLL_EVERY_MS], 'also if no computation saw it down')
})

t.test(
  'a host whose clock is a little behind is polled again soon: its first report is dated before its return',
  async t => {
    const { pool, answers } = await polledPool(t)
    const ref = pool.hosts[1] ?? ''
    pool.updater().start()
    await settle()
    pool.embedded.hostLeft(ref)
    await pool.time.advanceAsync(POLL_EVERY_MS)
    answers.set(1, async () => pool.report(1, 'synced', { at: new Date(pool.time.now() - 20).toISOString() }))
    const returnedAtMs = pool.time.now()
    pool.embedded.hostReturned(ref, { bootTimeMs: returnedAtMs - 10_000 })
    await settle()
    t.strictSame(pool.reasonsFor(0), ['report-before-live'])
    await pool.time.advanceAsync(1_000)
    t.equal(pool.mayReboot(), 'ABC')
    await pool.time.advanceAsync(POLL_EVERY_MS)
    t.strictSame(
      timesOf(pool, 1).map(atMs => START_MS + atMs - returnedAtMs),
      [-POLL_EVERY_MS, 0, 1_000, 1_000 + POLL_EVERY_MS],
      'then periodically',
    )
  },
)

t.test('a host that gets a PBD is polled at once, one that loses it no longer', async t => {
  const { pool } = await polledPool(t)
  pool.updater().start()
  const [[pbd = ''] = []] = pool.embedded.list('PBD')
  pool.embedded.removePbd(pbd)
  await pool.time.advanceAsync(3 * POLL_EVERY_MS)
  t.strictSame(timesOf(pool, 0), [0])
  pool.embedded.addPbd({ host: pool.hosts[0] ?? '', sr: pool.sr, attached: true })
  await settle()
  t.strictSame(timesOf(pool, 0), [0, 3 * POLL_EVERY_MS])
})

t.test('a report is polled before its lease expires, so that a healthy host without news never blocks', async t => {
  const { pool } = await polledPool(t, { pollEveryMs: 100 * LEASE_MS })
  pool.updater().start()
  await settle()
  pool.changes.length = 0
  await pool.time.advanceAsync(5 * LEASE_MS)
  t.strictSame(timesOf(pool, 0).slice(0, 3), [0, 60_000, 120_000])
  t.strictSame(pool.changes, [])
})

t.test('an answer that comes after a newer push changes nothing', async t => {
  const { pool, answers } = await polledPool(t)
  pool.updater().start()
  await settle()
  const late = Promise.withResolvers<string>()
  const saidBefore = pool.report(1, 'synced')
  answers.set(1, () => late.promise)
  await pool.time.advanceAsync(POLL_EVERY_MS)
  await pool.push(1, 'resyncing')
  t.equal(pool.mayReboot(), '')
  late.resolve(saidBefore)
  await settle()
  t.equal(pool.mayReboot(), '')
  t.strictSame(pool.reasonsFor(0), ['not-synced'])
})

t.test('another coordinator polls again; answers to earlier polls are ignored', async t => {
  const { pool, answers, saysSynced } = await polledPool(t)
  const late = Promise.withResolvers<string>()
  answers.set(1, () => late.promise)
  pool.updater().start()
  await settle()
  answers.delete(1)
  pool.setCoordinator('another')
  await settle()
  t.equal(pool.asked.filter(({ host }) => host === 0).length, 2)
  late.resolve(pool.report(1, 'synced'))
  await settle()
  t.strictSame(pool.reasonsFor(0), ['no-report'])
  answers.set(1, saysSynced)
  await pool.time.advanceAsync(1_000)
  t.equal(pool.mayReboot(), 'ABC')
})

t.test('after a clock was set back every host is polled at once', async t => {
  const { pool } = await polledPool(t)
  pool.updater().start()
  await settle()
  const hourMs = 3_600_000
  pool.time.nowMs = START_MS - hourMs
  pool.notice()
  await settle()
  t.strictSame(timesOf(pool, 0), [0, -hourMs])
})

t.test('close aborts the polls under way', async t => {
  const { pool, answers } = await polledPool(t)
  answers.set(0, hangs).set(1, hangs).set(2, hangs)
  pool.updater().start()
  await pool.updater().close()
  t.strictSame(
    pool.asked.map(({ signal }) => signal.aborted),
    [true, true, true],
  )
  await pool.time.advanceAsync(10 * POLL_EVERY_MS)
  t.equal(pool.asked.length, 3)
})

t.test('a report of nested brackets, pushed or polled, is unreadable and does no harm', async t => {
  const deep = '['.repeat(5_000) + ']'.repeat(5_000)
  const { pool, answers, saysSynced } = await polledPool(t)
  for (const text of [deep, `{"schema":${deep}}`, `{"schema":1,"reasons":${deep}}`]) {
    answers.set(1, async () => text)
    if (pool.asked.length === 0) pool.updater().start()
    await pool.time.advanceAsync(POLL_EVERY_MS)
    t.strictSame(pool.reasonsFor(0), ['report-unreadable'], 'polled')
    await pool.push(1, 'synced')
    await settle()
    await pool.pushText(pool.embedded.get('host', pool.hosts[1] ?? '')?.PBDs[0] ?? '', text)
    await settle()
    t.strictSame(pool.reasonsFor(0), ['report-unreadable'], 'pushed')
    answers.set(1, saysSynced)
    await pool.time.advanceAsync(POLL_EVERY_MS)
    t.equal(pool.mayReboot(), 'ABC', 'and the next report is valid')
  }
})
