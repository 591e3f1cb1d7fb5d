import t from 'tap'
import { backoffMs, RestartBackoff } from '../../../src/platform/time/backoff.ts'

const BACKOFF = { firstRetryMs: 1_000, lastRetryMs: 8_000 }

t.test('the delay doubles up to the cap, less a jitter of at most half', async t => {
  for (const [failures, capMs] of [
    [1, 1_000],
    [2, 2_000],
    [4, 8_000],
    [5_000, 8_000],
  ] as const) {
    const delayMs = backoffMs(BACKOFF, failures)
    t.ok(delayMs >= capMs / 2 && delayMs <= capMs, `${delayMs} of ${capMs}`)
  }
})

t.test('a run that was healthy resets the delay of the next start', async t => {
  const restarts = new RestartBackoff(BACKOFF, 30_000)
  for (const [ranMs, capMs] of [
    [10, 1_000],
    [10, 2_000],
    [29_999, 4_000],
    [30_000, 1_000],
    [10, 2_000],
  ] as const) {
    const delayMs = restarts.delayMs(ranMs)
    t.ok(delayMs >= capMs / 2 && delayMs <= capMs, `${delayMs} of ${capMs}`)
  }
})
