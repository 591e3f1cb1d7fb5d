import t from 'tap'
import { RetrySchedule } from '../../src/xapi-notify/retry-schedule.ts'

t.test('a name that fails waits longer each time, until it succeeds', async t => {
  const schedule = new RetrySchedule({ firstRetryMs: 1_000, lastRetryMs: 8_000 })
  t.strictSame(schedule.due(['a', 'b'], 0), ['a', 'b'])
  t.equal(schedule.waitMs(0, 500), 500)
  let nowMs = 100
  // Jitter takes away at most half.
  for (const longestMs of [1_000, 2_000, 4_000, 8_000, 8_000]) {
    schedule.failed('a', nowMs)
    t.ok(schedule.hasFailed('a'))
    const waitMs = schedule.waitMs(nowMs, 60_000)
    t.ok(waitMs >= longestMs / 2 && waitMs <= longestMs, `${waitMs} of ${longestMs}`)
    t.strictSame(schedule.due(['a', 'b'], nowMs + waitMs - 1), ['b'])
    t.strictSame(schedule.due(['a', 'b'], nowMs + waitMs), ['b', 'a'], 'after what has not failed')
    t.equal(schedule.waitMs(nowMs + waitMs + 1, 60_000), 0)
    nowMs += 10_000
  }
  schedule.succeeded('a')
  t.notOk(schedule.hasFailed('a'))
  t.strictSame(schedule.due(['a', 'b'], nowMs), ['a', 'b'])
  schedule.failed('a', nowMs)
  t.ok(schedule.waitMs(nowMs, 60_000) <= 1_000)
})

t.test('if only one name is tried at a time and some always fail, each name is tried', async t => {
  const schedule = new RetrySchedule({ firstRetryMs: 1, lastRetryMs: 64 })
  const tries = new Map(['hangs', 'hangs too', 'refused'].map(name => [name, 0]))
  for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
    const [first] = schedule.due(tries.keys(), nowMs)
    if (first === undefined) continue
    tries.set(first, (tries.get(first) ?? 0) + 1)
    schedule.failed(first, nowMs)
  }
  const [least = 0, , most = 0] = [...tries.values()].toSorted((a, b) => a - b)
  t.ok(least > 100 && most < 1.5 * least, `${least} to ${most} tries`)
})
