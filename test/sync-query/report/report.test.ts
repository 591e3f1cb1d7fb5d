import fc from 'fast-check'
import t from 'tap'
import type { MirrorListEntry, Report, ReportReason } from '../../../src/sync-query/report/report.ts'
import { REPORT_BOUNDS } from '../../../src/sync-query/report/report-bounds.ts'
import { boundedReport, encodePollAnswer, encodeReport } from '../../../src/sync-query/report/report-encode.ts'
import { parseReport } from '../../../src/sync-query/report/report-parse.ts'

const RUNNING: ReportReason = {
  code: 'resync-running',
  mirror: 'vol-7/0',
  clearedBy: 'time',
  peer: 'hostB',
  progress: 0.42,
}

/** The report of DESIGN section 5. */
const REPORT: Report = {
  schema: 1,
  host: 'uuid-a',
  sr: 'uuid-sr',
  bootId: '0c1e5b7e-66a5-4b0c-8d36-0de5b4d3c0aa',
  seq: 42,
  at: '2026-11-22T16:19:05.161Z',
  state: 'resyncing',
  since: '2026-11-22T16:10:00Z',
  mirrors: { synced: 9, resyncing: 3, degraded: 0, unknown: 0 },
  outOfSyncBytes: 33_513_472,
  progress: 0.42,
  etaSeconds: 130,
  reasons: [RUNNING],
}

const SYNCED = {
  ...REPORT,
  state: 'synced',
  mirrors: { synced: 12, resyncing: 0, degraded: 0, unknown: 0 },
  outOfSyncBytes: 0,
  progress: null,
  etaSeconds: null,
  reasons: [],
} as const satisfies Report

const LIST: readonly MirrorListEntry[] = [
  {
    state: 'synced',
    count: 9,
    quorum: true,
    replicas: [
      { peer: 'self', current: true },
      { peer: 'hostB', current: true, connected: true },
      { peer: 'hostC', current: false, connected: true, diskless: true },
      { peer: 'hostE', current: false, connected: true, diskless: true, votes: false },
      { peer: 'hostD', current: false },
    ],
  },
  { state: 'resyncing', count: 3, mirrors: ['v/0', 'v/1', 'w/0'], quorum: false, replicas: [] },
]

t.test('the parser returns a valid report as it was written', async t => {
  const every: ReportReason = {
    ...RUNNING,
    word: 'SyncTarget',
    field: 'replication',
    side: 'target',
    outOfSyncBytes: 1,
    missing: 2,
    waitsFor: 'vol-8/0',
  }
  const table: readonly [title: string, report: Report][] = [
    ['during a resync', REPORT],
    ['in sync', SYNCED],
    ['with every field of a reason', { ...REPORT, reasons: [every], reasonsOmitted: 3 }],
    ['with a mirror list', { ...REPORT, listSeq: 40, mirrorList: LIST }],
    ['of an SR without mirrors', { ...SYNCED, mirrors: { synced: 0, resyncing: 0, degraded: 0, unknown: 0 } }],
    ['in sync with a warning', { ...SYNCED, reasons: [{ ...RUNNING, code: 'drift' }], reasonsOmitted: 1 }],
    ['with a code of a later version', { ...SYNCED, reasons: [{ ...RUNNING, code: 'code-of-2030' }] }],
    ['of a source that has reported nothing', { ...SYNCED, state: 'unknown' }],
    ['with a time in another zone', { ...REPORT, at: '2026-11-22T17:19:05+01:00' }],
  ]
  for (const [title, report] of table) {
    t.strictSame(parseReport(JSON.stringify(report)), { report }, title)
    t.strictSame(parseReport(report), { report }, `${title}: not as text`)
  }
  t.strictSame(parseReport({ ...REPORT, note: 'of a newer version' }), { report: REPORT }, 'unknown keys are ignored')
  t.strictSame(
    parseReport({
      ...REPORT,
      mirrorList: [
        { ...LIST[0], replicas: [{ peer: 'x', current: true, connected: false, diskless: false }] },
        LIST[1],
      ],
    }),
    { report: { ...REPORT, mirrorList: [{ ...LIST[0], replicas: [{ peer: 'x', current: true }] }, LIST[1]] } },
  )
})

t.test('an invalid report is a problem', async t => {
  const text = JSON.stringify(REPORT)
  const reason = (changes: object) => ({ ...REPORT, reasons: [{ ...RUNNING, ...changes }] })
  const table: readonly [title: string, input: unknown, code: string, sentence: string][] = [
    ['blank', '', 'not-json', 'The report is not JSON: '],
    ['cut', text.slice(0, 40), 'not-json', `The report is not JSON: ${text.slice(0, 40)}`],
    ['absent', undefined, 'bad-value', 'The report has an invalid value: the whole: expected an object'],
    ['a list', [], 'bad-value', 'The report has an invalid value: the whole: expected an object'],
    [
      'larger than any report',
      `"${'x'.repeat(REPORT_BOUNDS.answerBytes)}"`,
      'too-large',
      'The report is larger than 64 KiB: 65538 characters',
    ],
    [
      'larger in bytes than in characters',
      `"${'€'.repeat(30_000)}"`,
      'too-large',
      'The report is larger than 64 KiB: 30002 characters',
    ],
    ['of another schema', { ...REPORT, schema: 2 }, 'unknown-schema', 'The report has an unknown schema: 2'],
    ['of no schema', {}, 'unknown-schema', 'The report has an unknown schema: undefined'],
    [
      'the values of another schema are not checked',
      { schema: '1', at: 5 },
      'unknown-schema',
      'The report has an unknown schema: 1',
    ],
    [
      'no host',
      { ...REPORT, host: '' },
      'bad-value',
      'The report has an invalid value: host: expected a string that is not empty',
    ],
    [
      'a negative number',
      { ...REPORT, seq: -1 },
      'bad-value',
      'The report has an invalid value: seq: expected a whole number that is not negative',
    ],
    [
      'a fraction',
      { ...REPORT, seq: 1.5 },
      'bad-value',
      'The report has an invalid value: seq: expected a whole number that is not negative',
    ],
    [
      'a number as text',
      { ...REPORT, seq: '42' },
      'bad-value',
      'The report has an invalid value: seq: expected a whole number that is not negative',
    ],
    [
      'an invalid time',
      { ...REPORT, at: '2026-13-99T00:00:00Z' },
      'bad-value',
      'The report has an invalid value: at: expected an ISO 8601 time with a zone, such as 2026-11-22T16:19:05Z',
    ],
    [
      'a time without a zone',
      { ...REPORT, since: '2026-11-22T16:10:00' },
      'bad-value',
      'The report has an invalid value: since: expected an ISO 8601 time with a zone, such as 2026-11-22T16:19:05Z',
    ],
    [
      'an unknown state',
      { ...REPORT, state: 'fine' },
      'bad-value',
      'The report has an invalid value: state: expected one of unknown, degraded, resyncing, synced',
    ],
    [
      'no counts',
      { ...REPORT, mirrors: null },
      'bad-value',
      'The report has an invalid value: mirrors: expected an object',
    ],
    [
      'an empty text as progress',
      { ...REPORT, progress: '' },
      'bad-value',
      'The report has an invalid value: progress: expected a number from 0 to 1',
    ],
    [
      'progress beyond the end',
      { ...REPORT, progress: 1.1 },
      'bad-value',
      'The report has an invalid value: progress: expected a number from 0 to 1',
    ],
    [
      'NaN',
      { ...REPORT, progress: Number.NaN },
      'bad-value',
      'The report has an invalid value: progress: expected a number from 0 to 1',
    ],
    [
      'a negative ETA',
      { ...REPORT, etaSeconds: -1 },
      'bad-value',
      'The report has an invalid value: etaSeconds: expected a number from 0 to 987654320',
    ],
    [
      "DRBD's value for an unknown ETA",
      { ...REPORT, etaSeconds: 987_654_321 },
      'bad-value',
      'The report has an invalid value: etaSeconds: expected a number from 0 to 987654320',
    ],
    [
      'an infinite number of bytes',
      { ...REPORT, outOfSyncBytes: Number.POSITIVE_INFINITY },
      'bad-value',
      'The report has an invalid value: outOfSyncBytes: expected a number from 0 to 1.7976931348',
    ],
    [
      'no reasons',
      { ...REPORT, reasons: undefined },
      'bad-value',
      'The report has an invalid value: reasons: expected a list',
    ],
    [
      'a reason that is no object',
      { ...REPORT, reasons: ['x'] },
      'bad-value',
      'The report has an invalid value: reasons[0]: expected an object',
    ],
    [
      'an unknown clearedBy',
      reason({ clearedBy: 'magic' }),
      'bad-value',
      'The report has an invalid value: reasons[0].clearedBy: expected one of operator, time',
    ],
    [
      'an unknown side',
      reason({ side: 'middle' }),
      'bad-value',
      'The report has an invalid value: reasons[0].side: expected one of source, target',
    ],
    [
      'a list entry that is no object',
      { ...REPORT, mirrorList: [null] },
      'bad-value',
      'The report has an invalid value: mirrorList[0]: expected an object',
    ],
    [
      'state and counts disagree',
      { ...REPORT, state: 'synced', reasons: [] },
      'contradiction',
      'The report contradicts itself: state is synced, its counts are resyncing',
    ],
    [
      'the counts are better than the state',
      { ...SYNCED, state: 'degraded' },
      'contradiction',
      'The report contradicts itself: state is degraded, its counts are synced',
    ],
    [
      'state and reasons disagree',
      { ...SYNCED, reasons: [RUNNING] },
      'contradiction',
      'The report contradicts itself: state is synced, its reasons have resync-running',
    ],
    [
      'list and counts disagree',
      { ...REPORT, mirrorList: LIST.slice(0, 1) },
      'contradiction',
      'The report contradicts itself: 3 mirrors are counted as resyncing, 0 are listed',
    ],
  ]
  for (const [title, input, code, sentence] of table) {
    const parsed = parseReport(input)
    if (!('problem' in parsed)) t.fail(title)
    else {
      t.strictSame(
        { ...parsed.problem, text: parsed.problem.text.slice(0, sentence.length) },
        { device: null, code, text: sentence },
        title,
      )
      t.ok(parsed.problem.text.length <= 200, `${title}: short`)
    }
  }
})

t.test('a stored report has no mirror list', async t => {
  t.strictSame(parseReport(encodeReport({ ...REPORT, mirrorList: LIST })), { report: REPORT })
  t.strictSame(parseReport(encodePollAnswer({ ...REPORT, mirrorList: LIST })), {
    report: { ...REPORT, mirrorList: LIST },
  })
})

t.test('a stored report that is too large omits reasons from the end and counts them', async t => {
  const reasons = Array.from({ length: 100 }, (_, index) => ({ ...RUNNING, mirror: `vol-${index}/0` }))
  const parsed = parseReport(encodeReport({ ...REPORT, reasons }))
  if ('problem' in parsed) return t.fail(parsed.problem.text)
  const { reasons: kept, reasonsOmitted = 0 } = parsed.report
  t.ok(kept.length > 30, 'a stored report holds more than thirty reasons')
  t.strictSame(kept, reasons.slice(0, kept.length))
  t.equal(kept.length + reasonsOmitted, 100)
})

t.test('a mirror list that does not fit is left out as a whole', async t => {
  const mirrors = Array.from({ length: 3000 }, (_, index) => `a-volume-with-a-long-name-${index}/0`)
  const [, second] = LIST
  if (second === undefined) return t.fail()
  const large = {
    ...REPORT,
    mirrors: { ...REPORT.mirrors, synced: 0, resyncing: 3000 },
    mirrorList: [{ ...second, count: 3000, mirrors }],
  }
  const { mirrorList: _, ...rest } = large
  t.strictSame(parseReport(encodePollAnswer(large)), { report: rest })
})

t.test('property: a stored report has at most 4096 bytes, and its reasons are present or counted', async t => {
  const reasons = fc.array(
    fc.record({
      code: fc.constantFrom('resync-running', 'stand-alone', 'code-of-2030'),
      mirror: fc.string({ unit: 'binary', maxLength: 200 }),
      clearedBy: fc.constantFrom('time' as const, 'operator' as const),
      peer: fc.string({ unit: 'grapheme', maxLength: 60 }),
    }),
    { maxLength: 60, size: 'max' },
  )
  fc.assert(
    fc.property(reasons, fc.nat(100), (all, reasonsOmitted) => {
      const report = { ...REPORT, reasons: all, reasonsOmitted }
      const text = encodeReport(report)
      const parsed = parseReport(text)
      if ('problem' in parsed || Buffer.byteLength(text) > 4096) return false
      const kept = parsed.report.reasons.length
      const next = Buffer.byteLength(JSON.stringify(all[kept] ?? ''))
      const isFull = kept === all.length || Buffer.byteLength(text) + next > 4096 - 10
      return isFull && kept + (parsed.report.reasonsOmitted ?? 0) === all.length + reasonsOmitted
    }),
  )
  t.pass()
})

t.test('property: the parser returns a report or a problem for any input', async t => {
  const almost = fc.record(
    Object.fromEntries(
      Object.keys(REPORT).map(key => [
        key,
        fc.oneof(fc.jsonValue(), fc.constant(Object.entries(REPORT).find(([name]) => name === key)?.[1])),
      ]),
    ),
    { requiredKeys: [] },
  )
  const hasResult = (input: unknown) => {
    const parsed = parseReport(input)
    return 'problem' in parsed ? parsed.problem.text.length <= 200 : parsed.report.schema === 1
  }
  fc.assert(fc.property(fc.oneof(fc.anything(), fc.string(), fc.json()), hasResult))
  fc.assert(fc.property(almost, part => hasResult({ ...REPORT, ...part })))
  t.pass()
})

t.test('deep nesting is a problem and never crashes the program', async t => {
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
  t.match(parseReport(deep), { problem: { code: 'too-deep' } })
  t.match(parseReport(`{"schema":${deep}}`), {
    problem: { code: 'too-deep', text: /^The report is nested too deep: / },
  })
  let value: unknown = 1
  for (let depth = 0; depth < 100_000; depth += 1) value = { a: value }
  t.match(parseReport({ schema: value }), { problem: { code: 'unknown-schema', text: /: an object$/ } })
  t.match(parseReport({ ...REPORT, reasons: value }), { problem: { code: 'bad-value' } })
  t.match(parseReport({ ...REPORT, note: value }), { report: { seq: 42 } }, 'unknown keys are ignored')
})

t.test('property: the parser accepts every report that the encoder writes', async t => {
  const number = fc.oneof(
    fc.double(),
    fc.constantFrom(
      null,
      -1,
      0,
      1,
      987_654_320,
      987_654_321,
      1e308,
      Number.MAX_VALUE,
      Number.NaN,
      Number.POSITIVE_INFINITY,
    ),
  )
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', '?', 'x'.repeat(4096), 'y'.repeat(4097), '€'.repeat(5_000), '\ud800', '\0'),
  )
  const reason = fc.record(
    {
      code: fc.constantFrom('resync-running', 'code-of-2030'),
      mirror: text,
      clearedBy: fc.constantFrom('time', 'operator'),
      peer: text,
      word: text,
      field: text,
      side: fc.constantFrom('source', 'target'),
      progress: number,
      outOfSyncBytes: number,
      missing: number,
      waitsFor: text,
    },
    { requiredKeys: ['code', 'mirror', 'clearedBy'] },
  )
  const replica = fc.record(
    { peer: text, current: fc.boolean(), connected: fc.constant(true), diskless: fc.constant(true) },
    { requiredKeys: ['peer', 'current'] },
  )
  const entry = fc.record(
    {
      state: fc.constantFrom('degraded', 'resyncing'),
      count: fc.nat(10_000),
      mirrors: fc.array(text),
      quorum: fc.boolean(),
      replicas: fc.oneof(
        fc.array(replica),
        replica.map(each => Array.from({ length: 1_100 }, () => each)),
      ),
    },
    { requiredKeys: ['state', 'count', 'quorum', 'replicas'] },
  )
  const given = fc.record({
    at: fc.date({ noInvalidDate: true }),
    outOfSyncBytes: number,
    progress: number,
    etaSeconds: number,
    reasons: fc.oneof(
      fc.array(reason),
      reason.map(each => Array.from({ length: 1_100 }, () => each)),
    ),
    list: fc.option(
      fc.oneof(
        fc.array(entry),
        entry.map(each => Array.from({ length: 5_000 }, () => each)),
      ),
    ),
  })
  fc.assert(
    fc.property(given, ({ at, list, ...rest }) => {
      const listed = { degraded: 0, resyncing: 0 }
      for (const each of list ?? []) listed[each.state] += each.count
      const report = {
        ...REPORT,
        ...rest,
        at: at.toISOString(),
        since: at.toISOString(),
        state: listed.degraded > 0 ? 'degraded' : 'resyncing',
        mirrors: { synced: 0, unknown: 0, ...(list === null ? { degraded: 0, resyncing: 1 } : listed) },
        ...(list === null ? {} : { mirrorList: list }),
      } as Report
      if (list !== null && listed.degraded + listed.resyncing === 0) return
      for (const written of [encodeReport(report), encodePollAnswer(report), boundedReport(report)]) {
        const parsed = parseReport(written)
        if ('problem' in parsed) throw new Error(parsed.problem.text)
      }
      if (Buffer.byteLength(encodeReport(report)) > REPORT_BOUNDS.storedBytes) throw new Error('too large to be stored')
      if (Buffer.byteLength(encodePollAnswer(report)) > REPORT_BOUNDS.answerBytes)
        throw new Error('too large an answer')
    }),
    { numRuns: 100 },
  )
  const huge = boundedReport({ ...REPORT, etaSeconds: 1e12 })
  t.equal(huge.etaSeconds, null, 'an estimate beyond the bound is unknown')
})

t.test(
  'a report as data has at most the number of reasons that the parser accepts, and counts the omitted ones',
  async t => {
    t.strictSame(boundedReport(REPORT), REPORT)
    const [first] = REPORT.reasons
    if (first === undefined) throw new Error('the report has a reason')
    const reasons = Array.from({ length: 1030 }, () => first)
    const few = boundedReport({ ...REPORT, reasons })
    t.match(few, { reasons: { length: 1024 }, reasonsOmitted: 6 })
    t.match(parseReport(few), { report: { reasonsOmitted: 6 } })
    t.equal(boundedReport({ ...REPORT, reasons, reasonsOmitted: 4 }).reasonsOmitted, 10)
  },
)
