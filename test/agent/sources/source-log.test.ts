import t from 'tap'
import { agentLog } from '../../../src/agent/agent-log.ts'
import { SourceLog } from '../../../src/agent/sources/source-log.ts'
import { AgentMetrics } from '../../../src/metrics/agent-metrics.ts'
import type { ProblemCode } from '../../../src/sync-query/judge/problem.ts'
import { dumpOf, follow, recording, ScriptedHost } from '../../drbd-adapter/follow/scripted-host.ts'
import { figures } from '../../metrics/parse-exposition.ts'

function logOf(backend: 'drbd' | 'md' = 'drbd') {
  const lines: string[] = []
  const log = new SourceLog(
    backend,
    agentLog(({ level, code, text }) => lines.push(`${level} ${code} ${text}`)),
  )
  const note = (at: number, doubt: string | null, problems: readonly [code: ProblemCode, text: string][] = []) =>
    log.note({
      at,
      doubt,
      isFault: doubt !== null,
      problems: problems.map(([code, text]) => ({ device: null, code, text })),
    })
  const taken = () => lines.splice(0)
  return { log, note, taken }
}

t.test('each cause of a source that does not answer is logged once per episode, and so is the end', t => {
  const { log, note, taken } = logOf()
  note(0, null)
  t.strictSame(taken(), [], 'a source that answers from the start')
  note(1_000, 'drbdsetup events2 exited 20: out of memory')
  note(2_000, 'drbdsetup events2 exited 20: out of memory')
  note(3_000, 'events2 hangs\x1b[2J\nerror forged')
  note(13_000, null)
  note(14_000, null)
  t.strictSame(taken(), [
    'warning source-silent drbd: the state of its mirrors is unknown: drbdsetup events2 exited 20: out of memory',
    'warning source-silent drbd: the state of its mirrors is unknown: events2 hangs [2J error forged',
    'info source-well drbd: the state of its mirrors is known again, after 12 s',
  ])
  note(20_000, 'drbdsetup events2 exited 20: out of memory')
  t.equal(taken().length, 1, 'the next episode')
  for (let index = 0; index < 50; index += 1) note(21_000, `cause ${index} ${'x'.repeat(1_000)}`)
  const many = taken()
  t.equal(many.length, 7, 'an episode has at most eight causes')
  t.ok(many.every(({ length }) => length < 400))
  note(30_000, null)
  taken()
  const absent = 'Neither /proc/mdstat nor /sys/block is there'
  note(31_000, absent, [['source-silent', absent]])
  t.strictSame(
    taken(),
    [`warning source-silent drbd: the state of its mirrors is unknown: ${absent}`],
    'the cause is not logged again as a problem',
  )
  note(32_000, null, [['source-silent', 'one array hangs']])
  t.strictSame(taken(), [
    'info source-well drbd: the state of its mirrors is known again, after 1 s',
    'warning source-misread drbd: source-silent: one array hangs',
  ])
  note(33_000, null)
  log.note({ at: 0, doubt: 'begun', isFault: false, problems: [], problemCounts: new Map() })
  t.strictSame(taken(), [], 'the start of a source is no fault')
  t.end()
})

t.test('input that is not understood is logged once per episode; each unknown word is logged', t => {
  const { log, note, taken } = logOf('md')
  const words = ['a', 'b', 'c', 'd'].map((word): [ProblemCode, string] => [
    'unknown-word',
    `Unknown word: state:${word}`,
  ])
  note(0, null, [...words, ['bad-line', 'Not a line: 1'], ['bad-line', 'Not a line: 1'], ['bad-line', 'Not a line: 2']])
  t.strictSame(taken(), [
    ...words.map(([code, text]) => `warning source-misread md: ${code}: ${text}`),
    'warning source-misread md: bad-line: Not a line: 1',
    'warning source-misread md: bad-line: Not a line: 2',
  ])
  for (let index = 3; index < 100; index += 1) note(index * 1_000, null, [['bad-line', `Not a line: ${index}`]])
  t.strictSame(taken(), ['warning source-misread md: bad-line: Not a line: 3 (more of this kind are only counted)'])
  log.tick(599_000)
  t.strictSame(taken(), [])
  log.tick(601_000)
  t.strictSame(taken(), ['info source-understood md: unknown-word: none for 10 min, 4 before that'])
  log.tick(99_000 + 600_000)
  t.strictSame(taken(), ['info source-understood md: bad-line: none for 10 min, 100 before that'])
  note(800_000, null, [['bad-line', 'Not a line: 1']])
  t.equal(taken().length, 1, 'the next episode')
  t.end()
})

t.test('all output of drbdsetup that is not understood is counted, and the log has excerpts', async t => {
  const { dump } = dumpOf(recording('drbd9/peer-crash-and-resync.alpha.events2.txt'))
  const host = new ScriptedHost(t.testdir({}), {
    events: [
      { print: dump },
      { repeat: 'change device name:mesh0 volume:0 disk:Encrypted\nwhatever this is\n', times: 700 },
      { await: 'read' },
      { complain: 'netlink: Bad\x1b[31m news' },
      { exit: 20 },
    ],
    now: [],
  })
  const metrics = new AgentMetrics({ snapshot: () => ({ srs: new Map(), notSynced: [] }) })
  const { log, taken } = logOf()
  const updates = await follow(host, received => {
    if (received.reduce((sum, { problemCounts }) => sum + (problemCounts.get('bad-line') ?? 0), 0) === 700)
      host.write('read', '')
    const isOver = received.at(-1)?.doubt?.includes('netlink') === true
    if (isOver) host.play({ events: [{ print: dump }, { hang: true }], now: [] })
    return received.some(({ doubt }) => doubt?.includes('netlink')) && received.at(-1)?.doubt === null
  })
  for (const update of updates) {
    metrics.source('drbd', update)
    log.note(update)
  }
  const exposition = await metrics.render()
  const counts = figures(exposition, 'resync_monitor_parse_problems_total')
  t.match(counts, { 'drbd unknown-word': 700, 'drbd bad-line': 700 })
  t.match(figures(exposition, 'resync_monitor_unknown_words_total'), { drbd: 700 })
  const lines = taken()
  t.match(lines, [
    'warning source-misread drbd: unknown-word: Unknown word: disk:Encrypted',
    'warning source-misread drbd: bad-line: Cannot be applied: whatever this is',
    /^warning source-silent drbd: the state of its mirrors is unknown: env events2 exited 20: netlink: Bad\[31m news$/,
    /^info source-well drbd: the state of its mirrors is known again, after \d+ s$/,
  ])
})
