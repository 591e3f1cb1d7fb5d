import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import t from 'tap'
import { AbandonedProcesses } from '../../../src/drbd-adapter/follow/abandoned-processes.ts'
import { DEFAULT_DRBD_PACE } from '../../../src/drbd-adapter/follow/pace.ts'
import type { DrbdUpdate } from '../../../src/drbd-adapter/follow/pending-update.ts'
import { readDump } from '../../../src/drbd-adapter/follow/read-dump.ts'
import { stateDifference } from '../../../src/drbd-adapter/follow/state-difference.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { capture, fold, namesOf, SETS } from '../captures.ts'
import { dumpOf, follow, recording, type Script, ScriptedHost, type Step } from './scripted-host.ts'

const KIB = 1024

/** The part of a recorded stream up to a moment of its clock, and what came later. */
function cutAt(stream: string, moment: string): [before: string, after: string] {
  const isBefore = (line: string) => line.slice(0, moment.length) <= moment
  const lines = stream.trimEnd().split('\n')
  const text = (part: string[]) => `${part.join('\n')}\n`
  return [text(lines.filter(isBefore)), text(lines.filter(line => !isBefore(line)))]
}

const peerOf = (update: DrbdUpdate | undefined, mirror: string) =>
  update?.changed.find(each => each.mirror === mirror)?.peers.find(({ peer }) => peer === 'peer' || peer === 'charlie')

const STREAM_84 = recording('drbd84/peer-crash-and-resync.alpha.events2.txt')
const stage84 = (stage: string) => recording(`drbd84/peer-crash-and-resync.alpha.${stage}.txt`)

t.test(
  '8.4 says nothing while data moves: its figures are read, and a figure that stands still is told as well',
  async t => {
    const [before, after] = cutAt(STREAM_84, '2026-11-22T17:03:56.75')
    const events: Step[] = [{ print: before }, { await: 'over' }, { print: after }, { hang: true }]
    const host = new ScriptedHost(t.testdir({}), { events, now: [] }, '8.4.11')
    const halfway = stage84('4-resync-start.proc-drbd')
    const further = halfway.replaceAll('11416', '5000').replace('0:00:04', '0:00:02')
    const seen: unknown[] = []
    await follow(
      host,
      so => {
        const r0 = peerOf(so.at(-1), 'r0/0')
        if (r0 !== undefined && seen.at(-1) !== r0) seen.push(r0)
        if (seen.length === 1) host.write('proc/drbd', halfway)
        if (seen.length === 4) host.write('proc/drbd', further)
        if (r0?.outOfSyncBytes === 5000 * KIB) host.write('over', '')
        return r0?.replication === 'Established'
      },
      { progressEveryMs: 20 },
    )
    const atStart = { replication: 'SyncSource', outOfSyncBytes: 13568 * KIB, progress: null, etaSeconds: null }
    const first = { outOfSyncBytes: 11416 * KIB, totalBytes: 13568 * KIB, progress: 1 - 11416 / 13568, etaSeconds: 4 }
    t.match(seen[0], atStart, 'all that the events said')
    t.match(seen[2], seen[1], 'a figure that stands still')
    t.match(
      seen.find(each => each !== seen[0] && each !== seen[1]),
      first,
    )
    t.match(seen.at(-2), { outOfSyncBytes: 5000 * KIB, totalBytes: 13568 * KIB, etaSeconds: 2 })
    t.match(seen.at(-1), { replication: 'Established', outOfSyncBytes: 0, progress: null, totalBytes: null })
    t.strictSame(host.questions, ['events2 --timestamps --statistics'], 'no process is started for it')
  },
)

t.test('what grows out of sync while a peer is away is read: from /proc/drbd on 8.4, from a look on 9', async t => {
  const root = t.testdir({ old: {}, new: {} })
  const [before] = cutAt(STREAM_84, '2026-11-22T17:03:30')
  const old = new ScriptedHost(`${root}/old`, { events: [{ print: before }, { hang: true }], now: [] }, '8.4.11')
  const toldByOld = await follow(
    old,
    so => {
      if (so.length === 2) old.write('proc/drbd', stage84('3-oos-grown.proc-drbd'))
      return peerOf(so.at(-1), 'r0/0')?.outOfSyncBytes === 13568 * KIB
    },
    { progressEveryMs: 20, awayEveryMs: 20 },
  )
  t.equal(peerOf(toldByOld[1], 'r0/0')?.outOfSyncBytes, 0, 'the events had said 0')

  const stream = recording('drbd9/peer-crash-and-resync.alpha.events2.txt')
  const grown = recording('drbd9/peer-crash-and-resync.alpha.3-oos-grown.events2-now.txt')
  const [lost] = cutAt(stream, grown.slice(0, 26))
  const now: Step[] = [{ await: 'told' }, { print: grown }]
  const host = new ScriptedHost(`${root}/new`, { events: [{ print: lost }, { hang: true }], now })
  const told = await follow(
    host,
    so => {
      if (so.length === 2) host.write('told', '')
      return (peerOf(so.at(-1), 'mesh0/0')?.outOfSyncBytes ?? 0) > 0
    },
    { awayEveryMs: 20 },
  )
  t.equal(peerOf(told[1], 'mesh0/0')?.outOfSyncBytes, 0, 'the events had said 0')
  t.ok(told.slice(1).every(({ doubt, dumps }) => doubt === null && dumps === 1))
})

t.test('8.4 that has given up its peer shows none: what changes here since is read all the same', async t => {
  const stream = recording('drbd84/disconnect-connect.bravo.events2.txt')
  const end = stream.indexOf('\n', stream.indexOf(' destroy connection name:r0')) + 1
  const host = new ScriptedHost(
    t.testdir({}),
    { events: [{ print: stream.slice(0, end) }, { hang: true }], now: [] },
    '8.4.11',
  )
  const isAlone = (change: string) =>
    recording('drbd84/disconnect-connect.bravo.2-written.proc-drbd.txt').replace(/oos:0/, change)
  host.write('proc/drbd', isAlone('oos:512'))
  const owed = (told: readonly DrbdUpdate[]) =>
    told.flatMap(({ changed }) => changed).findLast(({ mirror }) => mirror === 'r0/0')
  const told = await follow(
    host,
    so => {
      if (owed(so)?.aloneOutOfSyncBytes === 512 * KIB) host.write('proc/drbd', isAlone('oos:2048'))
      return owed(so)?.aloneOutOfSyncBytes === 2048 * KIB
    },
    { progressEveryMs: 20, awayEveryMs: 20 },
  )
  t.match(owed(told), { peers: [] })
  const back = end + stream.slice(end).indexOf('name:r0 peer-node-id:0 conn-name:peer connection:Connected')
  t.match(fold(stream.slice(0, stream.indexOf('\n', back) + 1)).volume('r0/0'), { aloneOutOfSyncBytes: null })
})

const STREAM_9 = recording('drbd9/peer-crash-and-resync.alpha.events2.txt')
const { dump: DUMP } = dumpOf(STREAM_9)
/** The same dump, in which `pair` is being resynchronised. */
const RESYNCING = DUMP.replace(
  /( name:pair peer-node-id:1 conn-name:bravo volume:0) replication:Established peer-disk:UpToDate/,
  '$1 replication:SyncSource peer-disk:Inconsistent',
)
const LOST = /^events were lost: pair\/0 peer 1 replication is SyncSource, events reported Established$/

t.test(
  'a tool that was stopped says nothing and does not end: that the truth moved on is seen, and it is killed',
  async t => {
    const host = new ScriptedHost(t.testdir({}), {
      events: [{ print: DUMP }, { hang: true }],
      now: [{ print: RESYNCING }],
    })
    const told = await follow(
      host,
      so => {
        const [child] = host.processes
        if (so.length === 2 && child !== undefined) {
          process.kill(child, 'SIGSTOP')
          host.play({ events: [{ print: RESYNCING }, { hang: true }], now: [{ print: RESYNCING }] })
        }
        return so.at(-1)?.dumps === 2
      },
      { verifyEveryMs: 20, killAfterMs: 20 },
    )
    const doubts = told.map(({ doubt }) => doubt)
    t.match(
      doubts.findLast(doubt => doubt !== null),
      LOST,
    )
    const [pair] = told.at(-1)?.changed.filter(({ mirror }) => mirror === 'pair/0') ?? []
    t.equal(pair?.peers[0]?.replication, 'SyncSource')
    t.strictSame(host.living, [])
  },
)

t.test(
  'a difference that a second look does not find is none, nor is one in what an event touched meanwhile',
  async t => {
    const root = t.testdir({ once: {}, touched: {} })
    const looks = (file: string): Step[] => [{ file }, { mark: 'looked' }]

    const once = new ScriptedHost(`${root}/once`, {
      events: [{ print: DUMP }, { hang: true }],
      now: looks(`${root}/once/now`),
    })
    once.write('now', RESYNCING)
    const pace = { verifyEveryMs: 20, confirmAfterMs: 200 }
    const isConfirmed = (so: readonly DrbdUpdate[]) => so.length > 2 && so.at(-1)?.wholeAt !== so[1]?.wholeAt
    const toldOnce = await follow(
      once,
      so => {
        if (once.looks > 0) once.write('now', DUMP)
        return isConfirmed(so)
      },
      pace,
    )
    t.ok(toldOnce.slice(1).every(({ doubt, dumps }) => doubt === null && dumps === 1))

    const touch = 'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:Established\n'
    const events: Step[] = [{ print: DUMP }, { await: 'looked' }, { print: touch }, { hang: true }]
    const touched = new ScriptedHost(`${root}/touched`, { events, now: looks(`${root}/touched/now`) })
    touched.write('now', RESYNCING)
    const toldTouched = await follow(
      touched,
      so => {
        if (touched.looks > 1) touched.write('now', DUMP)
        return isConfirmed(so)
      },
      pace,
    )
    t.ok(toldTouched.slice(1).every(({ doubt }) => doubt === null))
  },
)

t.test(
  'a lost event is found although the mirror is written to all the time: figures say nothing of its state',
  async t => {
    const figures = 'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 received:1\n'
    const root = t.testdir({})
    const events: Step[] = [{ print: DUMP }, { await: 'looked' }, { print: figures }, { hang: true }]
    const host = new ScriptedHost(root, { events, now: [{ mark: 'looked' }, { print: RESYNCING }] })
    const told = await follow(host, so => so.length > 2 && so.at(-1)?.doubt !== null, {
      verifyEveryMs: 20,
      confirmAfterMs: 200,
    })
    t.match(told.at(-1)?.doubt, LOST)
    t.ok(host.looks >= 2)
  },
)

t.test('a lost event is found although what is out of sync with another peer grows at each look', async t => {
  const root = t.testdir({})
  const away = / name:mesh0 peer-node-id:2 conn-name:charlie connection:Connected role:\w+/
  const [live, now] = [DUMP, DUMP].map(dump =>
    dump.replace(away, ' name:mesh0 peer-node-id:2 conn-name:charlie connection:Connecting role:Unknown'),
  )
  const lost = (now ?? '').replace(
    / name:mesh0 peer-node-id:1 conn-name:bravo volume:0 replication:Established/,
    ' name:mesh0 peer-node-id:1 conn-name:bravo volume:0 replication:SyncSource',
  )
  const grown = (kib: number) =>
    lost.replace(/( name:mesh0 peer-node-id:2 conn-name:charlie volume:0 .*)out-of-sync:0/, `$1out-of-sync:${kib}`)
  const looks: Step[] = [{ file: `${root}/now` }, { mark: 'looked' }]
  const host = new ScriptedHost(root, { events: [{ print: live ?? '' }, { hang: true }], now: looks })
  host.write('now', grown(4))
  const told = await follow(
    host,
    so => {
      host.write('now', grown(8 + host.looks * 4))
      return so.length > 2 && so.at(-1)?.doubt !== null
    },
    { awayEveryMs: 20, confirmAfterMs: 50 },
  )
  t.match(told.at(-1)?.doubt, 'events were lost: mesh0/0 peer 1 replication is SyncSource, events reported Established')
})

t.test(
  'a peer that was removed is missed until the next look finds it so; a diskless client is not missed at all',
  async t => {
    const { dump, rest } = dumpOf(recording('drbd9/down-while-events2.alpha.events2.txt'))
    const isOf = (name: string) => (line: string) => line.includes(` name:${name} peer-node-id:`)
    const text = (lines: readonly string[]) => `${lines.join('\n')}\n`
    const lines = rest.trimEnd().split('\n')
    const toPair = lines.filter(isOf('pair'))
    const toClients = lines.filter(isOf('client'))
    const now = text(
      dump
        .trimEnd()
        .split('\n')
        .filter(line => !isOf('pair')(line) && !isOf('client')(line)),
    )
    const host = new ScriptedHost(t.testdir({}), {
      events: [{ print: dump }, { await: 'told' }, { print: text([...toPair, ...toClients]) }, { hang: true }],
      now: [{ await: 'look' }, { print: now }],
    })
    const last = (told: readonly DrbdUpdate[], mirror: string) =>
      told.flatMap(({ changed }) => changed).findLast(each => each.mirror === mirror)
    const missing: unknown[] = []
    const told = await follow(
      host,
      so => {
        if (so.length > 0) host.write('told', '')
        if (last(so, 'pair/0')?.removedPeers.length === 1 && last(so, 'client/0')?.peers.length === 0) {
          missing.push(last(so, 'client/0')?.removedPeers)
          host.write('look', '')
        }
        return host.has('look') && last(so, 'pair/0')?.removedPeers.length === 0
      },
      { awayEveryMs: 20 },
    )
    t.strictSame(missing[0], ['bravo'], 'of a peer with a disk and a client')
    t.match(last(told, 'client/0'), { peers: [], removedPeers: [] })
    t.equal(told.at(-1)?.doubt, null, 'nothing was read anew for it')
  },
)

t.test('on 8.4 a word of /proc/drbd that lastingly differs makes everything be compared at once', async t => {
  const [before] = cutAt(STREAM_84, '2026-11-22T17:03:56.75')
  const now = [{ print: stage84('6-resync-done.events2-now') }]
  const host = new ScriptedHost(t.testdir({}), { events: [{ print: before }, { hang: true }], now }, '8.4.11')
  host.write('proc/drbd', stage84('6-resync-done.proc-drbd'))
  const told = await follow(host, so => so.length > 2 && so.at(-1)?.doubt !== null, { progressEveryMs: 20 })
  t.match(told.at(-1)?.doubt, /^events were lost: r\d\/\d .* is Established, events reported \w+$/)
})

t.test('a tool that hangs or fails whenever it is asked leaves nothing to rely on', async t => {
  const root = t.testdir({ hangs: {}, fails: {} })
  const events: Step[] = [{ print: DUMP }, { hang: true }]
  const pace = { confirmEveryMs: 20, checkTimeoutMs: 5_000, killAfterMs: 20 }
  const table: [string, Step[]][] = [
    ['hangs', [{ print: DUMP.slice(0, 500) }, { hang: true }]],
    ['fails', [{ complain: 'netlink is busy' }, { exit: 20 }]],
  ]
  await Promise.all(
    table.map(async ([name, now]) => {
      const host = new ScriptedHost(`${root}/${name}`, { events, now })
      const told = await follow(host, so => so.length > 2 && so.at(-1)?.doubt !== null, pace)
      t.match(told.at(-1)?.doubt, name === 'hangs' ? 'events2 --now hangs' : 'exited 20: netlink is busy')
      t.strictSame(host.living, [])
    }),
  )
})

t.test(
  'a tool that cannot be killed is given up: nothing is known, it is not asked without end, and the source ends',
  async t => {
    const now: Step[] = [{ print: DUMP.slice(0, 500) }, { hang: 'deaf' }]
    const host = new ScriptedHost(t.testdir({}), { events: [{ print: DUMP }, { hang: true }], now })
    // As one in the kernel is: whatever it is sent, it is not gone in time.
    const pace = { confirmEveryMs: 20, checkTimeoutMs: 1_000, killAfterMs: 3_600_000, abandonAfterMs: 20 }
    const looks = () => host.questions.filter(question => question.includes('--now')).length
    t.teardown(() => {
      for (const pid of host.processes) if (host.isLiving(pid)) process.kill(pid, 'SIGKILL')
    })
    let doubtedAt = 0
    const told = await follow(
      host,
      so => {
        if (so.at(-1)?.doubt?.includes('cannot be killed') === true && doubtedAt === 0) doubtedAt = performance.now()
        return doubtedAt > 0 && performance.now() - doubtedAt > 300
      },
      pace,
    )
    t.match(told.at(-1)?.doubt, 'hangs and cannot be killed')
    t.equal(looks(), 2)
    const leftBehind = host.processes.filter(
      (pid, index) => host.questions[index]?.includes('--now') === true && host.isLiving(pid),
    )
    for (const pid of leftBehind) process.kill(pid, 'SIGKILL')
    t.equal(leftBehind.length, 2, 'those that hang')
    t.equal(host.questions.length, 3, 'and nothing more is asked while they do')
  },
)

t.test('a look is whole, or it is none: half of it and a missing tool are told apart', async t => {
  const root = t.testdir({})
  const { signal } = new AbortController()
  const options = {
    clock: machineClock,
    pace: { checkTimeoutMs: 20_000, killAfterMs: 20, abandonAfterMs: 10_000 },
    abandoned: new AbandonedProcesses(),
    refused: new Set<string>(),
  }
  const look = (now: Step[], known: string | null = null) => {
    const { drbdsetup } = new ScriptedHost(root, { events: [], now })
    return readDump({ ...options, drbdsetup }, signal, { statistics: false, known })
  }
  const whole = await look([{ print: DUMP }])
  t.equal(whole.kind === 'complete' && whole.state.size, 5)
  const digest = whole.kind === 'complete' ? whole.digest : null
  t.match(await look([{ print: DUMP }], digest), { kind: 'unchanged' }, 'the same text is not parsed again')
  t.match(await look([{ print: RESYNCING }], digest), { kind: 'complete' }, 'another text is')
  t.match(await look([{ print: DUMP.slice(0, -12) }]), { kind: 'failed', cause: /exited 0$/ })
  const missing = readDump({ ...options, drbdsetup: ['/nonexistent/drbdsetup'] }, signal, { statistics: false })
  t.match(await missing, { kind: 'failed', cause: '/nonexistent/drbdsetup events2: ENOENT' })
})

t.test('a drbdsetup that knows no --now is asked for its events, and ended after the dump', async t => {
  const script: Script = {
    events: [{ print: DUMP }, { hang: true }],
    now: [{ complain: "unrecognized option '--now'" }, { exit: 20 }],
  }
  const host = new ScriptedHost(t.testdir({}), script)
  const looks = (questions: readonly string[]) => questions.filter(each => each === 'events2').length
  const told = await follow(host, so => looks(host.questions) > 1 && so.at(-1)?.wholeAt !== so[1]?.wholeAt, {
    confirmEveryMs: 20,
  })
  t.ok(told.slice(1).every(({ doubt, dumps }) => doubt === null && dumps === 1))
  t.equal(host.questions.filter(each => each.includes('--now')).length, 1)
  t.strictSame(host.living, [])
})

t.test('the first look that fails raises a doubt; one that agrees lifts it, and the stream goes on', async t => {
  const root = t.testdir({})
  const host = new ScriptedHost(root, {
    events: [{ print: DUMP }, { hang: true }],
    now: [{ mark: 'looked' }, { complain: 'netlink is busy' }, { exit: 20 }],
  })
  let looksAtDoubt = 0
  const told = await follow(
    host,
    so => {
      if (so.length > 2 && so.at(-1)?.doubt !== null && looksAtDoubt === 0) {
        looksAtDoubt = host.looks
        host.play({ events: [], now: [{ print: DUMP }] })
      }
      return looksAtDoubt > 0 && so.at(-1)?.doubt === null
    },
    { confirmEveryMs: 200, confirmAfterMs: 200 },
  )
  t.equal(looksAtDoubt, 1)
  t.match(told.at(-1), { doubt: null, dumps: 1 })
  t.equal(told.at(-1)?.changed.length, 5, 'everything is told again')
  t.equal(host.questions.filter(question => question.includes('--timestamps')).length, 1)
})

t.test('a text that once agreed proves nothing after an event that changed a word', async t => {
  const begun = 'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:SyncSource\n'
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, { await: 'go' }, { print: begun }, { hang: true }],
    // As though the end of the resync was lost.
    now: [{ print: DUMP }, { mark: 'looked' }],
  })
  const told = await follow(
    host,
    so => {
      if (host.looks > 2) host.write('go', '')
      return so.length > 2 && so.at(-1)?.doubt !== null
    },
    { confirmEveryMs: 20 },
  )
  t.match(told.at(-1)?.doubt, 'events were lost: pair/0 peer 1 replication is Established, events reported SyncSource')
})

t.test('5 000 mirrors are unknown as soon as one is when drbdsetup falls silent', async t => {
  const { confirmEveryMs, checkTimeoutMs, confirmAfterMs } = DEFAULT_DRBD_PACE
  t.ok(confirmEveryMs + checkTimeoutMs + confirmAfterMs < 14_000, 'within 15 s')
  const template = DUMP.replaceAll(/^.* name:(?!pair ).*\n|^.* exists -\n/gm, '')
  const resources = Array.from({ length: 5000 }, (_, index) => template.replaceAll('name:pair ', `name:r${index} `))
  const root = t.testdir({ dump: `${resources.join('')}exists -\n` })
  const events: Step[] = [{ file: `${root}/dump` }, { hang: true }]
  const host = new ScriptedHost(root, { events, now: [{ mark: 'looked' }, { hang: true }] })
  const told = await follow(host, so => so.length > 2 && so.at(-1)?.doubt !== null, {
    confirmEveryMs: 20,
    checkTimeoutMs: 5_000,
    killAfterMs: 20,
  })
  t.ok((told[1]?.changed.length ?? 0) >= 5000)
  t.match(told.at(-1)?.doubt, 'events2 --now hangs')
  t.equal(host.looks, 1)
})

t.test('a /proc/drbd of 8.4 that hangs costs its figures only: states are confirmed, and the source ends', async t => {
  const [before] = cutAt(STREAM_84, '2026-11-22T17:03:56.75')
  const now = [{ print: before }, { mark: 'looked' }]
  const host = new ScriptedHost(t.testdir({}), { events: [{ print: before }, { hang: true }], now }, '8.4.11')
  for (const path of ['proc/drbd', 'sys/module/drbd/version']) {
    rmSync(`${host.root}/${path}`, { force: true })
    mkdirSync(dirname(`${host.root}/${path}`), { recursive: true })
    execFileSync('mkfifo', [`${host.root}/${path}`])
  }
  const versionHangs = await follow(host, so => so.at(-1)?.doubt === null, { readTimeoutMs: 200 })
  t.equal(versionHangs.at(-1)?.changed.length, before.match(/exists device /g)?.length)

  host.write('sys/module/drbd/version', '8.4.11\n')
  const pace = { readTimeoutMs: 200, readRetryMs: 20, progressEveryMs: 20, confirmEveryMs: 50 }
  const problems = (told: readonly DrbdUpdate[]) => told.flatMap(each => each.problems.map(({ text }) => text))
  const told = await follow(
    host,
    so => problems(so).length > 0 && host.looks > 3 && so.at(-1)?.wholeAt !== so[1]?.wholeAt,
    pace,
  )
  t.strictSame(problems(told), ['Resync progress is not known, /proc/drbd cannot be read: the read hangs'])
  t.ok(told.slice(1).every(({ doubt }) => doubt === null))
  t.ok(await readFile(import.meta.filename), 'no thread of this process hangs')
})

t.test('a volume or a peer that only one of the two knows is a difference', async t => {
  const all = fold(DUMP)
  const without = (pattern: RegExp) => fold(DUMP.replaceAll(pattern, ''))
  const noVolume = without(/^.* exists (?:peer-)?device name:pair .*\n/gm)
  t.equal(stateDifference(all.device('pair/0'), noVolume.device('pair/0')), 'does not exist, events reported it')
  t.equal(stateDifference(noVolume.device('pair/0'), all.device('pair/0')), 'exists, events did not report it')
  const noPeer = without(/^.* name:mesh0 peer-node-id:2 .*\n/gm)
  t.equal(stateDifference(all.device('mesh0/0'), noPeer.device('mesh0/0')), 'peer 2 does not exist, events reported it')
  t.match(
    stateDifference(noPeer.device('mesh0/0'), all.device('mesh0/0')),
    'peer 2 connection is Connected, events reported none',
  )
})

t.test('at every stage of every recording a look agrees with what the events had told', async t => {
  /** The events told of the verify 10 ms after the look was made. */
  const known = ['online-verify.alpha.1-verifying pair/0 peer 1 replication is Established, events reported VerifyS']
  const found: string[] = []
  for (const set of SETS) {
    for (const name of namesOf(set, '.events2-now.txt')) {
      const [scenario = '', node = '', stage = ''] = name.split('.')
      const stream = capture(set, `${scenario}.${node}.events2.txt`)
      const look = capture(set, name)
      const [before] = cutAt(stream, look.slice(0, 32))
      const live = fold(before)
      const now = fold(look)
      const mirrors = new Set([...live.devices(), ...now.devices()].map(({ mirror }) => mirror))
      for (const mirror of mirrors) {
        const what = stateDifference(live.device(mirror), now.device(mirror))
        if (what !== null) found.push(`${scenario}.${node}.${stage} ${mirror} ${what}`)
      }
    }
  }
  t.strictSame(found, known)
})
