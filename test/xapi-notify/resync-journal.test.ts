import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import type { SrStatus } from '../../src/sync-query/sr-state/sr-fold.ts'
import type { SyncState } from '../../src/sync-query/state.ts'
import type { Transition, TransitionKind } from '../../src/sync-query/transition.ts'
import { advanceEpisode, type Episode, type EpisodeEvent } from '../../src/xapi-notify/resync-episode.ts'
import {
  decodeJournal,
  dropOldEpisodes,
  encodeJournal,
  type Journal,
  pendingEvents,
} from '../../src/xapi-notify/resync-journal.ts'
import { openJournal, saveJournal } from '../../src/xapi-notify/resync-journal-file.ts'
import { parseMessageBody, resyncMessage } from '../../src/xapi-notify/resync-message.ts'

const HOST = { uuid: '3cbde0bc-8f2e-4a38-8b47-0f2d0f1f7a11', name: 'hostA' }
const BEGUN = Date.parse('2026-11-22T16:00:00Z')

function status(state: SyncState, outOfSyncBytes: number | null = null, since = BEGUN): SrStatus {
  const mirrors = { unknown: 0, degraded: 0, resyncing: state === 'resyncing' ? 3 : 0, synced: 9 }
  return { state, since, mirrors, outOfSyncBytes, progress: null, etaSeconds: null, reasons: [] }
}

function edge(kind: TransitionKind, to: SyncState, at = BEGUN): Transition {
  return { at, kind, from: null, to }
}

const OPEN: Episode = { id: 'open', startedAt: BEGUN, mostOutOfSyncBytes: 1000 }

t.test('how transitions and the state advance an episode', async t => {
  const cases: readonly (readonly [
    title: string,
    open: Episode | null,
    transitions: readonly Transition[],
    status: SrStatus,
    expected: readonly EpisodeEvent['event'][],
    after: 'open' | 'new' | null,
  ])[] = [
    ['in sync at the start', null, [], status('synced'), [], null],
    ['resyncing at the start', null, [], status('resyncing'), ['started'], 'new'],
    ['a resync starts', null, [edge('resync-started', 'resyncing')], status('resyncing'), ['started'], 'new'],
    ['progress', OPEN, [], status('resyncing'), [], 'open'],
    ['a resync that was open before a restart goes on', OPEN, [], status('resyncing'), [], 'open'],
    ['its end was missed', OPEN, [], status('synced'), ['finished'], null],
    ['it ends', OPEN, [edge('resync-finished', 'synced')], status('synced'), ['finished'], null],
    ['it ends after a restart', OPEN, [edge('recovered', 'synced')], status('synced'), ['finished'], null],
    ['degraded ends none', OPEN, [edge('degraded', 'degraded')], status('degraded'), [], 'open'],
    ['unknown ends none', OPEN, [edge('unknown', 'unknown')], status('unknown'), [], 'open'],
    ['it goes on after degraded', OPEN, [edge('resync-started', 'resyncing')], status('resyncing'), [], 'open'],
    ['degraded starts none', null, [edge('degraded', 'degraded')], status('degraded'), [], null],
    ['unknown starts none', null, [edge('unknown', 'unknown')], status('unknown'), [], null],
    ['degraded that recovers was no resync', null, [edge('recovered', 'synced')], status('synced'), [], null],
    ['a stall is part of it', OPEN, [edge('stalled', 'resyncing')], status('resyncing'), [], 'open'],
    [
      'all between two notes',
      OPEN,
      [edge('resync-finished', 'synced'), edge('resync-started', 'resyncing'), edge('resync-finished', 'synced')],
      status('synced'),
      ['finished', 'started', 'finished'],
      null,
    ],
  ]
  for (const [title, open, transitions, now, expected, after] of cases) {
    const result = advanceEpisode(open, transitions, now, () => 'new')
    t.strictSame([result.events.map(({ event }) => event), result.open?.id ?? null], [expected, after], title)
  }
})

t.test('the events of an episode', async t => {
  const end = edge('resync-finished', 'synced', BEGUN + 5_000)
  t.strictSame(advanceEpisode(OPEN, [end], status('synced'), () => 'new').events, [
    {
      event: 'finished',
      episode: 'open',
      at: BEGUN + 5_000,
      startedAt: BEGUN,
      watched: true,
      mostOutOfSyncBytes: 1000,
    },
  ])
  t.match(advanceEpisode(OPEN, [], status('synced', null, BEGUN + 9_000), () => 'new').events, [
    { at: BEGUN + 9_000, watched: false },
  ])
  t.strictSame(
    advanceEpisode(null, [], status('resyncing', 2000), () => 'new'),
    {
      open: { id: 'new', startedAt: BEGUN, mostOutOfSyncBytes: 2000 },
      events: [{ event: 'started', episode: 'new', at: BEGUN, resyncing: 3, mirrors: 12, outOfSyncBytes: 2000 }],
    },
  )
  const growth: readonly (readonly [before: number | null, now: number | null, after: number | null])[] = [
    [null, null, null],
    [null, 0, 0],
    [0, 0, 0],
    [0, 1, 1],
    [1000, 1050, 1000],
    [1000, 1200, 1200],
    [1000, 10, 1000],
    [1000, null, 1000],
  ]
  for (const [before, now, after] of growth) {
    const open = { ...OPEN, mostOutOfSyncBytes: before }
    const result = advanceEpisode(open, [], status('resyncing', now), () => 'new')
    t.equal(result.open?.mostOutOfSyncBytes, after, `${before}, now ${now}`)
    if (before === after) t.equal(result.open, open, 'nothing to write')
  }
})

t.test('messages: a sentence for people, a line for programs, at most 1 KiB', async t => {
  const start: EpisodeEvent = {
    event: 'started',
    episode: 'e1',
    at: BEGUN,
    resyncing: 3,
    mirrors: 12,
    outOfSyncBytes: 3 * 1024 ** 3,
  }
  const end: EpisodeEvent = {
    event: 'finished',
    episode: 'e1',
    at: BEGUN + 725_000,
    startedAt: BEGUN,
    watched: true,
    mostOutOfSyncBytes: 512,
  }
  const sentence = (event: Parameters<typeof resyncMessage>[1], omitted = 0) =>
    resyncMessage(HOST, event, omitted).body.split('\n')[0]
  t.strictSame(resyncMessage(HOST, start, 0), {
    name: 'RESYNC_STARTED',
    priority: 3,
    body: [
      'Host hostA resynchronises 3 of its 12 mirrors of this SR, 3.0 GiB out of sync. Do not take another host of this SR down until this has finished.',
      'resync-monitor: {"schema":1,"event":"started","episode":"e1","host":"3cbde0bc-8f2e-4a38-8b47-0f2d0f1f7a11","at":"2026-11-22T16:00:00.000Z","outOfSyncBytes":3221225472,"omitted":0}',
    ].join('\n'),
  })
  t.match(resyncMessage(HOST, end, 0), { name: 'RESYNC_FINISHED', priority: 4 })
  t.equal(sentence(end), 'Host hostA has resynchronised this SR in 12 min. At most about 512 B were out of sync.')
  t.match(sentence({ ...start, outOfSyncBytes: null }), /of this SR\. Do not/)
  t.equal(
    sentence({ ...end, at: BEGUN + 7_500_000, watched: false, mostOutOfSyncBytes: null }, 2),
    'Host hostA is in sync again. The resync took at most 2 h 5 min; its end was not observed. 2 more resyncs started and finished while the toolstack could not be reached; they have no messages.',
  )
  t.match(sentence({ ...end, at: BEGUN - 5_000 }), /in 0 s/, 'a clock that was set back')

  const nasty = { ...HOST, name: `\u0000\ud800\uffff\u2028${'宿'.repeat(500)}\n` }
  for (const event of [start, { ...end, watched: false, mostOutOfSyncBytes: 1e18 }]) {
    const { body } = resyncMessage(nasty, event, 9_999)
    t.ok(Buffer.byteLength(body) <= 1024, `${Buffer.byteLength(body)} bytes`)
    t.notMatch(body.replace('\n', ''), /[\p{Cc}\p{Cs}\p{Cn}]/u, 'nothing that XML cannot hold')
    t.strictSame(parseMessageBody(body), { event: event.event, episode: 'e1', omitted: 9_999 })
  }
  for (const foreign of [
    '',
    'a VM has crashed',
    'resync-monitor: {',
    'resync-monitor: {"event":"melted"}',
    'resync-monitor: 1',
  ]) {
    t.equal(parseMessageBody(foreign), null, foreign)
  }
})

const PLAIN = { noNullPrototype: true }
const bytes = fc.option(fc.nat(), { nil: null })
const event: fc.Arbitrary<EpisodeEvent> = fc.oneof(
  fc.record(
    {
      event: fc.constant('started' as const),
      episode: fc.uuid(),
      at: fc.nat(),
      resyncing: fc.nat(),
      mirrors: fc.nat(),
      outOfSyncBytes: bytes,
    },
    PLAIN,
  ),
  fc.record(
    {
      event: fc.constant('finished' as const),
      episode: fc.uuid(),
      at: fc.double({ min: 0, max: 8e15, noNaN: true }),
      startedAt: fc.nat(),
      watched: fc.boolean(),
      mostOutOfSyncBytes: bytes,
    },
    PLAIN,
  ),
  fc.record({ event: fc.constant('abandoned' as const), episode: fc.uuid() }, PLAIN),
)
const journals: fc.Arbitrary<Journal> = fc
  .uniqueArray(
    fc.record({
      sr: fc.uuid(),
      open: fc.option(fc.record({ id: fc.uuid(), startedAt: fc.nat(), mostOutOfSyncBytes: bytes }, PLAIN), {
        nil: null,
      }),
      outbox: fc.array(event, { maxLength: 5 }),
      omitted: fc.nat(),
    }),
    { maxLength: 4, selector: ({ sr }) => sr },
  )
  .map(srs => new Map(srs.map(({ sr, ...rest }) => [sr, rest])))

t.test('a journal is read as it was written, and a truncated journal is broken, not shorter', async t => {
  fc.assert(
    fc.property(journals, fc.double({ min: 0, max: 1, noNaN: true }), (journal, share) => {
      const text = encodeJournal(HOST.uuid, journal)
      t.strictSame(decodeJournal(HOST.uuid, text), { journal })
      const cut = text.slice(0, Math.floor(share * (text.length - 2)))
      if ('journal' in decodeJournal(HOST.uuid, cut)) t.fail(`read: ${cut}`)
    }),
    { numRuns: 50 },
  )
})

/** The events of a finished resync. */
function episode(id: string): readonly EpisodeEvent[] {
  return [
    { event: 'started', episode: id, at: 0, resyncing: 1, mirrors: 1, outOfSyncBytes: null },
    { event: 'finished', episode: id, at: 0, startedAt: 0, watched: true, mostOutOfSyncBytes: null },
  ]
}

t.test(
  'a journal is bounded: whole unsent episodes are dropped, the oldest of the SR with the most events first',
  async t => {
    const summary = (outbox: readonly EpisodeEvent[]) => outbox.map(({ event, episode: id }) => `${id} ${event}`)
    const journal: Journal = new Map([
      ['quiet', { open: null, outbox: [...episode('q')], omitted: 0 }],
      ['flapping', { open: null, outbox: ['0', '1', '2', '3'].flatMap(episode), omitted: 0 }],
    ])
    dropOldEpisodes(journal, 10)
    t.equal(pendingEvents(journal), 10, 'nothing goes without need')
    dropOldEpisodes(journal, 6)
    t.strictSame(summary(journal.get('quiet')?.outbox ?? []), ['q started', 'q finished'])
    const kept = ['0 started', '0 finished', '3 started', '3 finished']
    t.strictSame(summary(journal.get('flapping')?.outbox ?? []), kept, 'the first may be on its way')
    t.match(journal.get('flapping'), { omitted: 2 })
    dropOldEpisodes(journal, 1)
    t.equal(pendingEvents(journal), 4)

    // The start was sent; a new episode is open.
    const running: Journal = new Map([
      [
        'sr',
        { open: OPEN, outbox: [...episode('0').slice(1), ...episode('1'), ...episode('2').slice(0, 1)], omitted: 0 },
      ],
    ])
    dropOldEpisodes(running, 1)
    t.strictSame(summary(running.get('sr')?.outbox ?? []), ['0 finished', '2 started'])
    t.match(running.get('sr'), { omitted: 1 })

    const many: Journal = new Map(
      Array.from({ length: 10 }, (_, index) => [`${index}`, { open: null, outbox: [...episode('e')], omitted: 0 }]),
    )
    dropOldEpisodes(many, 1)
    t.equal(pendingEvents(many), 20, 'what may be on its way stays')
  },
)

t.test('the file is written as a whole, and renamed if it cannot be used', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'state', 'notify.json')
  const problems: string[] = []
  const open = () => openJournal(path, HOST.uuid, text => problems.push(text))
  t.strictSame(await open(), new Map(), 'no file yet')
  const journal: Journal = new Map([['sr', { open: OPEN, outbox: [...episode('1')], omitted: 3 }]])
  t.equal(await saveJournal(path, HOST.uuid, journal), null, 'the folder is made')
  t.strictSame(await open(), journal)
  t.strictSame(await readdir(join(folder, 'state')), ['notify.json'])
  t.strictSame(problems, [])

  const whole = await readFile(path, 'utf8')
  const broken: readonly (readonly [text: string, problem: string])[] = [
    ['', 'it is not JSON; perhaps it was truncated'],
    [whole.slice(0, 50), 'it is not JSON; perhaps it was truncated'],
    ['[]', 'the whole: expected an object'],
    ['{"schema":2}', 'it is not of schema 1'],
    [whole.replace(HOST.uuid, 'another'), 'it belongs to host another'],
    [whole.replace('"finished"', '"melted"'), 'srs[0].outbox[1].event: expected one of started, finished, abandoned'],
    [' '.repeat(5_000_000), 'the file has 5000000 bytes, more than 4194304'],
  ]
  for (const [text, problem] of broken) {
    await writeFile(path, text)
    t.strictSame(await open(), new Map())
    t.equal(problems.pop(), `${path}: ${problem}`)
    t.equal(await readFile(`${path}.broken`, 'utf8'), text, 'kept for inspection')
    t.strictSame(await open(), new Map(), 'and not met again')
    t.strictSame(problems, [])
  }
  await mkdir(path)
  t.strictSame(await open(), new Map())
  t.match(problems.pop(), /is a directory/)
  await mkdir(`${path}.new`)
  t.match(await saveJournal(path, HOST.uuid, journal), /is a directory/)
})
