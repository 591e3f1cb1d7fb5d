import { join } from 'node:path'
import t from 'tap'
import { AgentMetrics } from '../../src/metrics/agent-metrics.ts'
import type { SourceUpdate } from '../../src/sync-query/backend.ts'
import type { ProblemCode } from '../../src/sync-query/judge/problem.ts'
import { dumpOf, follow, recording, ScriptedHost } from '../drbd-adapter/follow/scripted-host.ts'
import { figures } from './parse-exposition.ts'

function metricsOfNoSr(): AgentMetrics {
  return new AgentMetrics({ snapshot: () => ({ srs: new Map(), notSynced: [] }) })
}

/** An update of a source without changes. */
const CONFIRMED: SourceUpdate<string> = {
  at: 1_000,
  changed: [],
  removed: [],
  doubt: null,
  problems: [],
  wholeAt: 1_000,
}

t.test('a source has series for its state, last event, complete readings and problems', async t => {
  const metrics = metricsOfNoSr()
  const figure = async (name: string) => figures(await metrics.render(), `resync_monitor_${name}`)
  const problem = (code: ProblemCode) => ({ device: null, code, text: code })
  const lastEvent = () => figure('source_last_event_timestamp_seconds')
  const lastFullRead = () => figure('source_last_full_read_timestamp_seconds')
  metrics.source('drbd', { ...CONFIRMED, doubt: 'not everything has been read yet', dumps: 0, wholeAt: null })
  t.strictSame(await figure('source_up'), { drbd: 0, md: 0 })
  t.strictSame([await lastEvent(), await lastFullRead()], [{}, {}])
  metrics.source('drbd', { ...CONFIRMED, at: 3_000, changed: ['a/0'], dumps: 2, wholeAt: 2_500 })
  metrics.source('md', { ...CONFIRMED, at: 4_000, wholeAt: 4_000 })
  t.strictSame(await figure('source_up'), { drbd: 1, md: 1 })
  t.strictSame(await lastEvent(), { drbd: 3, md: 4 }, 'a host without arrays is up, too')
  t.strictSame(await lastFullRead(), { drbd: 2.5, md: 4 })
  t.strictSame(await figure('source_full_reads_total'), { drbd: 2 })
  metrics.source('md', { ...CONFIRMED, at: 4_500, wholeAt: 4_500 })
  t.strictSame(
    [await lastEvent(), await lastFullRead()],
    [
      { drbd: 3, md: 4 },
      { drbd: 2.5, md: 4.5 },
    ],
  )
  const misread = [problem('unknown-word'), problem('bad-line')]
  metrics.source('md', { ...CONFIRMED, at: 5_000, doubt: 'unreadable', problems: misread, wholeAt: 4_500 })
  t.strictSame(await figure('source_up'), { drbd: 1, md: 0 })
  t.strictSame(
    [await lastEvent(), await lastFullRead()],
    [
      { drbd: 3, md: 5 },
      { drbd: 2.5, md: 4.5 },
    ],
  )
  metrics.sourceLost('drbd')
  metrics.sourceLost('drbd')
  t.strictSame(await figure('source_losses_total'), { drbd: 1, md: 1 }, 'a source that is down is not lost again')
  metrics.source('drbd', { ...CONFIRMED, at: 6_000, dumps: 1 })
  t.strictSame(await figure('source_full_reads_total'), { drbd: 3 }, 'another source starts at 0')
  t.strictSame(await figure('unknown_words_total'), { drbd: 0, md: 1 })
  const codes = new Map<ProblemCode, number>([['bad-line', 90]])
  metrics.source('md', { ...CONFIRMED, at: 7_000, removed: ['md0'], problems: misread, problemCounts: codes })
  t.match(await lastEvent(), { md: 7 })
  const counts = await figure('parse_problems_total')
  t.match(counts, { 'md unknown-word': 1, 'md bad-line': 91 }, 'counts include problems that are not listed')
  t.equal(counts['drbd bad-line'], 0, 'the series exists before its first increase')
  metrics.misread('drbd', [problem('file-unreadable')])
  t.match(await figure('parse_problems_total'), { 'drbd file-unreadable': 1 }, 'problems of a configuration count, too')
  t.strictSame(await figure('source_up'), { drbd: 1, md: 1 }, 'and do not affect the state of the source')
})

t.test('the lag of events, if their source has their times', async t => {
  const metrics = metricsOfNoSr()
  const figure = async (name: string) =>
    figures(await metrics.render(), `resync_monitor_source_event_lag_seconds${name}`)
  t.strictSame(await figure('_count'), {})
  metrics.source('drbd', { ...CONFIRMED, at: 3_000, eventAt: 2_960 })
  metrics.source('drbd', { ...CONFIRMED, at: 3_000, eventAt: 9_000 })
  metrics.source('drbd', { ...CONFIRMED, at: 3_000, eventAt: null })
  metrics.source('md', CONFIRMED)
  t.strictSame(await figure('_count'), { drbd: 1 }, 'an event from the future does not count: the clock was set back')
  t.strictSame(await figure('_sum'), { drbd: 0.04 })
})

t.test('the lag of a line of drbdsetup', async t => {
  const root = t.testdir({})
  const { dump } = dumpOf(recording('drbd9/peer-crash-and-resync.alpha.events2.txt'))
  const host = new ScriptedHost(root, {
    events: [{ print: dump }, { await: 'line' }, { file: join(root, 'line') }, { hang: true }],
    now: [],
  })
  const updates = await follow(host, ({ length }) => {
    if (length === 2 && !host.has('line')) {
      const stamp = new Date().toISOString().replace('Z', '000+00:00')
      host.write('line', `${stamp} change device name:mesh0 volume:0 disk:Failed\n`)
    }
    return length > 2
  })
  const metrics = metricsOfNoSr()
  for (const update of updates) metrics.source('drbd', update)
  const text = await metrics.render()
  t.strictSame(figures(text, 'resync_monitor_source_event_lag_seconds_count'), { drbd: 1 }, 'a dump is not an event')
  const { drbd: seconds = Number.NaN } = figures(text, 'resync_monitor_source_event_lag_seconds_sum')
  t.ok(seconds >= 0 && seconds < 60, `${seconds} s`)
})
