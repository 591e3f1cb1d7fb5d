import fc from 'fast-check'
import t from 'tap'
import type { Events2Line } from '../../../src/drbd-adapter/events2/events2-line.ts'
import { Events2State } from '../../../src/drbd-adapter/events2/events2-state.ts'
import { parseProcDrbd } from '../../../src/drbd-adapter/status/parse-proc-drbd.ts'
import { parseStatusJson } from '../../../src/drbd-adapter/status/parse-status-json.ts'
import { parseStatusText } from '../../../src/drbd-adapter/status/parse-status-text.ts'
import { judgeDrbdVolume } from '../../../src/sync-query/judge/judge-drbd.ts'
import { capture, fold, namesOf, readStream, SETS, stateOf, statesOf } from '../captures.ts'

const STREAMS = SETS.flatMap(set => namesOf(set, '.events2.txt').map(name => ({ set, name, text: capture(set, name) })))

function isSynced(state: Events2State, mirror: string): boolean {
  const volume = state.volume(mirror)
  return volume !== null && stateOf(volume) === 'synced'
}

/** The states of each mirror whenever the time of the lines changes. `*` marks a verify. */
function statesThrough(stream: string): Map<string, { atMicros: number; state: string }[]> {
  const states = new Map<string, { atMicros: number; state: string }[]>()
  const tree = new Events2State()
  let atMicros = 0
  const flush = () => {
    for (const mirror of tree.takeChanged()) {
      const volume = tree.volume(mirror)
      const judged = volume === null ? null : judgeDrbdVolume(volume)
      const state = judged === null ? 'gone' : judged.activity === 'verify' ? `${judged.state}*` : judged.state
      const through = states.get(mirror) ?? []
      if (through.at(-1)?.state !== state) through.push({ atMicros, state })
      states.set(mirror, through)
    }
  }
  readStream([stream], line => {
    if (line.atMicros !== null && line.atMicros !== atMicros) flush()
    atMicros = line.atMicros ?? atMicros
    tree.apply(line)
  })
  flush()
  return states
}

/** The states that a mirror goes through in each scenario, by the driver's TIMELINE and the kernel's dmesg. */
const HISTORIES: readonly [name: string, mirror: string, states: string][] = [
  ['drbd84/initial-full-sync.alpha', 'r0/0', 'unknown degraded resyncing synced'],
  ['drbd84/initial-full-sync.bravo', 'r2/0', 'degraded resyncing synced'],
  ['drbd84/skip-initial-sync.alpha', 'r0/0', 'unknown degraded synced'],
  ['drbd84/peer-crash-and-resync.alpha', 'r0/0', 'unknown synced degraded resyncing synced'],
  ['drbd84/connection-lost-in-resync.bravo', 'r0/0', 'unknown synced resyncing degraded resyncing synced'],
  ['drbd84/network-cut-and-resync.alpha', 'r0/0', 'unknown synced degraded'],
  ['drbd84/disconnect-connect.bravo', 'r0/0', 'unknown synced degraded resyncing synced'],
  ['drbd84/split-brain.alpha', 'r0/0', 'unknown synced degraded resyncing synced'],
  ['drbd84/detach-attach.alpha', 'r0/0', 'unknown synced degraded resyncing synced degraded resyncing synced'],
  [
    'drbd84/lower-disk-io-error.bravo',
    'r2/0',
    'unknown synced degraded gone degraded resyncing synced degraded resyncing synced',
  ],
  ['drbd84/online-verify.alpha', 'r0/0', 'unknown synced synced* synced'],
  ['drbd84/online-verify.alpha', 'r2/0', 'unknown synced synced* synced degraded resyncing synced'],
  ['drbd84/invalidate-pause-resume.alpha', 'r0/0', 'unknown resyncing synced'],
  ['drbd84/down-while-events2.alpha', 'r1/1', 'unknown synced degraded gone'],
  ['drbd84/demote-promote.bravo', 'r1/0', 'unknown synced'],
  ['drbd9/initial-full-sync.charlie', 'mesh0/0', 'degraded resyncing synced'],
  // A client has no disk to resync; it waits until the disks of the others are good.
  ['drbd9/initial-full-sync.charlie', 'client/0', 'degraded synced'],
  ['drbd9/peer-crash-and-resync.alpha', 'mesh0/0', 'unknown synced degraded resyncing synced'],
  // The third node has no event for a resync between the two others; it has an Inconsistent peer disk.
  ['drbd9/peer-crash-and-resync.bravo', 'mesh0/0', 'unknown synced degraded resyncing degraded synced'],
  ['drbd9/peer-crash-and-resync.alpha', 'pair/0', 'unknown synced'],
  ['drbd9/connection-lost-in-resync.charlie', 'mesh0/0', 'unknown synced resyncing degraded resyncing synced'],
  // After a reconnect nothing was copied: the amount that the verify found disappeared (9.2.18).
  ['drbd9/online-verify.alpha', 'pair/0', 'unknown synced synced* synced degraded synced'],
  ['drbd9/quorum-loss.alpha', 'mesh0/0', 'unknown synced degraded resyncing synced'],
  ['drbd9/demote-promote.charlie', 'client/0', 'unknown synced'],
  ['drbd9/down-while-events2.charlie', 'mesh1/0', 'unknown synced degraded gone'],
]

t.test('mirrors go through the states of the scenario', t => {
  for (const [name, mirror, expected] of HISTORIES) {
    const stream = STREAMS.find(each => `${each.set}/${each.name}` === `${name}.events2.txt`)
    const through = stream === undefined ? [] : (statesThrough(stream.text).get(mirror) ?? [])
    t.equal(through.map(({ state }) => state).join(' '), expected, `${name} ${mirror}`)
  }
  t.end()
})

t.test('every stream is understood to its end, with any options of drbdsetup', t => {
  // The recording ends with a line of the driver. A `change` overtook the dump that announces its connection.
  const known: Record<string, Record<string, number>> = {
    'down-while-events2-poll.alpha.events2.txt': { 'bad-line': 1 },
    'skip-initial-sync.bravo.events2.txt': { unannounced: 1 },
  }
  for (const { set, name, text } of STREAMS) {
    const state = fold(text)
    t.strictSame(Object.fromEntries(state.problems.counts), known[name] ?? {}, `${set}/${name}`)
    const family = new Set(state.volumes().map(volume => volume.family))
    t.ok(family.size === 0 || (family.size === 1 && family.has(set === 'drbd84' ? '8.4' : '9')), `family of ${name}`)
  }
  t.end()
})

t.test('a change that overtook its dump needs a new dump, until later lines repeat the doubted words', t => {
  const stream = capture('drbd84', 'skip-initial-sync.bravo.events2.txt')
  const dumped = stream.indexOf('\n', stream.indexOf('exists -')) + 1
  const state = fold(stream.slice(0, dumped))
  t.strictSame([state.complete, state.hasLost, state.hasOvertaken], [true, false, true])
  readStream([stream.slice(dumped)], line => state.apply(line))
  t.strictSame(statesOf(state.volumes()), {
    'r0/0': 'synced',
    'r1/0': 'degraded',
    'r1/1': 'degraded',
    'r2/0': 'synced',
  })
  t.strictSame([state.complete, state.hasLost, state.hasOvertaken], [true, false, false])
  readStream([capture('drbd84', 'detach-attach.bravo.5-done.events2-now.txt')], line => state.apply(line))
  t.strictSame(statesOf(state.volumes()), { 'r0/0': 'synced', 'r1/0': 'synced', 'r1/1': 'synced', 'r2/0': 'synced' })
  t.equal(state.hasOvertaken, false)
  t.end()
})

t.test('all forms of one stream end in the same state (--diff, --full, without --statistics)', t => {
  const wordsAt = (name: string) =>
    fold(capture('drbd9', `${name}.alpha.events2.txt`))
      .volumes()
      // `--diff` omits an existing quorum.
      .map(({ sizeBytes, quorum, peers, ...volume }) => ({
        ...volume,
        peers: peers.map(({ outOfSyncBytes, movedBytes, progress, totalBytes, etaSeconds, ...words }) => words),
      }))
  const expected = wordsAt('initial-full-sync')
  for (const form of ['all-arg', 'diff', 'full', 'plain'])
    t.strictSame(wordsAt(`initial-full-sync-${form}`), expected, form)
  t.end()
})

t.test('progress of a resync on 9: bytes, fraction and estimate, absent after its end', t => {
  const seen: unknown[] = []
  const state = new Events2State()
  readStream([capture('drbd9', 'peer-crash-and-resync.bravo.events2.txt')], line => {
    state.apply(line)
    const volume = state.takeChanged().has('mesh0/0') ? state.volume('mesh0/0') : null
    const judged = volume === null ? null : judgeDrbdVolume(volume)
    if (judged?.moving) seen.push([judged.progress, judged.doneBytes, judged.totalBytes, judged.etaSeconds])
  })
  t.strictSame(
    seen.at(0),
    [0, 0, 25_952_256, null],
    'the total is the out-of-sync amount at the start, the estimate is nan',
  )
  t.ok(seen.length > 3, 'several reports')
  const last = state
    .volumes()
    .map(volume => judgeDrbdVolume(volume))
    .find(({ mirror }) => mirror === 'mesh0/0')
  t.match(last, { progress: null, totalBytes: null, etaSeconds: null, moving: false })
  t.end()
})

t.test(
  'a split brain is remembered from the helper to the next handshake, also when 8.4 destroys the connection',
  t => {
    const seen: string[] = []
    const state = new Events2State()
    readStream([capture('drbd84', 'split-brain.alpha.events2.txt')], line => {
      state.apply(line)
      const volume = state.volume('r0/0')
      const judged = volume === null ? [] : judgeDrbdVolume(volume).reasons.map(({ code }) => code)
      const code = judged.find(each => each === 'split-brain' || each === 'stand-alone' || each === 'resync-running')
      if (code !== undefined && seen.at(-1) !== code) seen.push(code)
    })
    t.strictSame(seen, ['split-brain', 'resync-running'])
    t.end()
  },
)

/** Stream and snapshots have the same clock, but reading a stage took some seconds. */
const STAGE_MICROS = 3_000_000

/** Mirrors of the minors in /proc/drbd (drbd.conf). */
const MINORS = new Map([
  ['drbd0', 'r0/0'],
  ['drbd1', 'r1/0'],
  ['drbd2', 'r1/1'],
  ['drbd3', 'r2/0'],
])

t.test('at each stage every snapshot format agrees with the stream', t => {
  let agreeing = 0
  let compared = 0
  for (const set of SETS) {
    for (const name of namesOf(set, '.events2-now.txt')) {
      const stage = name.slice(0, -'.events2-now.txt'.length)
      const [stream] = STREAMS.filter(
        each => each.set === set && stage.startsWith(each.name.slice(0, -'events2.txt'.length)),
      )
      if (stream === undefined) continue
      const now = new Events2State()
      let atMicros = 0
      readStream([capture(set, name)], line => {
        atMicros = line.atMicros ?? atMicros
        now.apply(line)
      })
      const snapshots = [
        now.volumes(),
        ...namesOf(set, `${stage}.status.json`).map(file => parseStatusJson(capture(set, file)).volumes),
        ...namesOf(set, `${stage}.status.txt`).map(file => parseStatusText(capture(set, file)).volumes),
        ...namesOf(set, `${stage}.drbdadm-status.txt`).map(file => parseStatusText(capture(set, file)).volumes),
        ...namesOf(set, `${stage}.proc-drbd.txt`).map(file => parseProcDrbd(capture(set, file)).volumes),
      ]
      const through = statesThrough(stream.text)
      for (const [index, volumes] of snapshots.entries()) {
        for (const volume of volumes) {
          const history = through.get(MINORS.get(volume.mirror) ?? volume.mirror) ?? []
          const before = history.findLast(each => each.atMicros <= atMicros - STAGE_MICROS)
          const during = history.filter(each => Math.abs(each.atMicros - atMicros) < STAGE_MICROS)
          const states = [...(before === undefined ? [] : [before]), ...during].map(({ state }) =>
            state.replace('*', ''),
          )
          const state = stateOf(volume)
          compared += 1
          if (state === history.findLast(each => each.atMicros <= atMicros)?.state.replace('*', '')) agreeing += 1
          if (!states.includes(state)) t.fail(`${set} ${stage} ${volume.mirror}`, { state, states, index })
        }
      }
    }
  }
  t.ok(compared > 1000, `${compared} volumes were compared`)
  t.ok(agreeing / compared > 0.95, `${agreeing} of them were in the very same state`)
  t.end()
})

const SOME_STREAM = fc.constantFrom(...STREAMS.filter(({ text }) => text.length < 20_000))

function linesOf(chunks: Iterable<string | Uint8Array>): Events2Line[] {
  const lines: Events2Line[] = []
  readStream(chunks, line => lines.push(line))
  return lines
}

t.test('any division into chunks, of bytes or text, with or without CRLF, gives the same lines', t => {
  fc.assert(
    fc.property(
      SOME_STREAM,
      fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1 }),
      fc.boolean(),
      (stream, sizes, asBytes) => {
        const expected = linesOf([stream.text])
        const text = asBytes ? stream.text.replaceAll('\n', '\r\n') : stream.text
        const whole = asBytes ? Buffer.from(text) : text
        const chunks: (string | Uint8Array)[] = []
        let index = 0
        for (let start = 0; start < whole.length; index += 1) {
          const end = start + (sizes[index % sizes.length] ?? 1)
          chunks.push(typeof whole === 'string' ? whole.slice(start, end) : whole.subarray(start, end))
          start = end
        }
        t.equal(JSON.stringify(linesOf(chunks)), JSON.stringify(expected))
      },
    ),
    { numRuns: 60 },
  )
  t.end()
})

/** The synced mirrors after each line of the stream. */
function syncedAfter(stream: string, encoding: BufferEncoding = 'utf8'): Set<string>[] {
  const state = new Events2State()
  const now = new Set<string>()
  const after = [new Set<string>()]
  readStream([Buffer.from(stream, encoding)], line => {
    state.apply(line)
    for (const mirror of state.takeChanged()) {
      if (isSynced(state, mirror)) now.add(mirror)
      else now.delete(mirror)
    }
    after.push(new Set(now))
  })
  return after
}

const SYNCED_AFTER = new Map(STREAMS.map(({ text }) => [text, syncedAfter(text)]))

t.test('a stream truncated at any byte has no synced mirror that is not synced there in the complete stream', t => {
  fc.assert(
    fc.property(SOME_STREAM, fc.nat(), ({ text }, where) => {
      const cut = text.slice(0, where % (text.length + 1))
      const whole =
        SYNCED_AFTER.get(text)?.[cut.endsWith('exists -') ? cut.split('\n').length : cut.split('\n').length - 1]
      const state = fold(cut)
      return state.volumes().every(volume => stateOf(volume) !== 'synced' || whole?.has(volume.mirror))
    }),
    { numRuns: 400 },
  )
  t.end()
})

/** The object of a line. No parser can detect damage that turns it into another known object. */
function aboutOf(line: string): string {
  const [parsed] = linesOf([`${line}\n`])
  if (parsed?.kind !== 'change') return ''
  return [parsed.resource, parsed.volume, parsed.peerNodeId].join(' ')
}

t.test('after a line with one changed byte, or a doubled line, no mirror is synced that was not synced there', t => {
  fc.assert(
    fc.property(
      SOME_STREAM,
      fc.boolean(),
      fc.nat(),
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      ({ text }, double, nth, place, byte) => {
        const lines = text.split('\n').slice(0, -1)
        const at = nth % lines.length
        const line = lines[at] ?? ''
        const bytes = Buffer.from(line)
        bytes[place % bytes.length] = byte
        const garbled = bytes.toString('latin1')
        const about = aboutOf(garbled)
        fc.pre(double || about === '' || about === aboutOf(line) || !lines.some(each => aboutOf(each) === about))
        lines.splice(at, 1, ...(double ? [line, line] : [garbled]))
        const damaged = syncedAfter(`${lines.join('\n')}\n`, 'latin1')
        const whole = SYNCED_AFTER.get(text) ?? []
        const after = whole.slice(at + 1)
        // A byte that becomes a newline divides the line in two.
        return damaged
          .slice(-after.length)
          .every((synced, index) => [...synced].every(mirror => after[index]?.has(mirror)))
      },
    ),
    { numRuns: 800 },
  )
  t.end()
})

/**
 * Two mirrors in sync, and lines that end that for one of them. (A `destroy` never does: the lines before it did, and a destroy of an unknown
 * object is only counted.)
 */
const PAIR = `exists resource name:r0 role:Primary suspended:no
exists connection name:r0 peer-node-id:1 conn-name:bravo connection:Connected role:Secondary
exists device name:r0 volume:0 minor:0 backing_dev:/dev/vda disk:UpToDate client:no quorum:yes
exists peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no
exists path name:r0 peer-node-id:1 conn-name:bravo local:ipv4:10.9.9.1:7788 peer:ipv4:10.9.9.2:7788 established:yes
exists -
`
const ENDINGS = [
  'change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:SyncSource done:0.00 received:0 out-of-sync:61440',
  'change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 peer-disk:Outdated received:0 sent:0',
  'change connection name:r0 peer-node-id:1 conn-name:bravo connection:NetworkFailure role:Unknown',
  'change device name:r0 volume:0 minor:0 disk:Failed size:98264 read:1280 written:54528',
  'change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:Off peer-disk:DUnknown',
]

t.test('a changed byte anywhere in a line that ends the synced state still ends it', t => {
  t.strictSame(statesOf(fold(PAIR).volumes()), { 'r0/0': 'synced' })
  for (const line of ENDINGS) {
    const survivors: string[] = []
    for (let place = 0; place < line.length; place += 1) {
      for (const other of [...' :->\n\r\x019aAST', '\u00e9']) {
        if (line[place] === other) continue
        const damaged = `${line.slice(0, place)}${other}${line.slice(place + 1)}\n`
        if (
          fold(PAIR + damaged)
            .volumes()
            .some(volume => stateOf(volume) === 'synced')
        )
          survivors.push(damaged)
      }
    }
    t.strictSame(survivors, [], line)
  }
  t.end()
})

t.test('after a dropped line no mirror is synced that never was', t => {
  fc.assert(
    fc.property(SOME_STREAM, fc.nat(), ({ text }, nth) => {
      const lines = text.split('\n').slice(0, -1)
      lines.splice(nth % lines.length, 1)
      const ever = new Set((SYNCED_AFTER.get(text) ?? []).flatMap(each => [...each]))
      return syncedAfter(`${lines.join('\n')}\n`).every(synced => [...synced].every(mirror => ever.has(mirror)))
    }),
    { numRuns: 200 },
  )
  t.end()
})
