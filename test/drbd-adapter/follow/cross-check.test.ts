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

/** Splits a recorded stream at a timestamp. */
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

t.test('on 8.4 statistics are polled while data moves, and equal statistics are reported too', async t => {
  const [before, after] = cutAt(STREAM_84, '2026-11-22T17:03:56.75')
  const events: Step[] = [{ print: before }, { await: 'over' }, { print: after }, { hang: true }]
  const host = new ScriptedHost(t.testdir({}), { events, now: [] }, '8.4.11')
  const halfway = stage84('4-resync-start.proc-drbd')
  const further = halfway.replaceAll('11416', '5000').replace('0:00:04', '0:00:02')
  const seen: unknown[] = []
  await follow(
    host,
    soFar => {
      const r0 = peerOf(soFar.at(-1), 'r0/0')
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
  t.match(seen[0], atStart, 'the state that events reported')
  t.match(seen[2], seen[1], 'equal statistics')
  t.match(
    seen.find(each => each !== seen[0] && each !== seen[1]),
    first,
  )
  t.match(seen.at(-2), { outOfSyncBytes: 5000 * KIB, totalBytes: 13568 * KIB, etaSeconds: 2 })
  t.match(seen.at(-1), { replication: 'Established', outOfSyncBytes: 0, progress: null, totalBytes: null })
  t.strictSame(host.commands, ['events2 --timestamps --statistics'], 'no process is started for the poll')
})

t.test(
  'the out-of-sync amount that grows while a peer is not connected is polled: /proc/drbd on 8.4, a dump on 9',
  async t => {
    const root = t.testdir({ old: {}, new: {} })
    const [before] = cutAt(STREAM_84, '2026-11-22T17:03:30')
    const old = new ScriptedHost(`${root}/old`, { events: [{ print: before }, { hang: true }], now: [] }, '8.4.11')
    const updatesOfOld = await follow(
      old,
      soFar => {
        if (soFar.length === 2) old.write('proc/drbd', stage84('3-oos-grown.proc-drbd'))
        return peerOf(soFar.at(-1), 'r0/0')?.outOfSyncBytes === 13568 * KIB
      },
      { progressEveryMs: 20, awayEveryMs: 20 },
    )
    t.equal(peerOf(updatesOfOld[1], 'r0/0')?.outOfSyncBytes, 0, 'events reported 0')

    const stream = recording('drbd9/peer-crash-and-resync.alpha.events2.txt')
    const grown = recording('drbd9/peer-crash-and-resync.alpha.3-oos-grown.events2-now.txt')
    const [lost] = cutAt(stream, grown.slice(0, 26))
    const now: Step[] = [{ await: 'reported' }, { print: grown }]
    const host = new ScriptedHost(`${root}/new`, { events: [{ print: lost }, { hang: true }], now })
    const updates = await follow(
      host,
      soFar => {
        if (soFar.length === 2) host.write('reported', '')
        return (peerOf(soFar.at(-1), 'mesh0/0')?.outOfSyncBytes ?? 0) > 0
      },
      { awayEveryMs: 20 },
    )
    t.equal(peerOf(updates[1], 'mesh0/0')?.outOfSyncBytes, 0, 'events reported 0')
    t.ok(updates.slice(1).every(({ doubt, dumps }) => doubt === null && dumps === 1))
  },
)

t.test('on 8.4 a StandAlone volume shows no peer; its out-of-sync amount is polled all the same', async t => {
  const stream = recording('drbd84/disconnect-connect.bravo.events2.txt')
  const end = stream.indexOf('\n', stream.indexOf(' destroy connection name:r0')) + 1
  const host = new ScriptedHost(
    t.testdir({}),
    { events: [{ print: stream.slice(0, end) }, { hang: true }], now: [] },
    '8.4.11',
  )
  const standAlone = (change: string) =>
    recording('drbd84/disconnect-connect.bravo.2-written.proc-drbd.txt').replace(/oos:0/, change)
  host.write('proc/drbd', standAlone('oos:512'))
  const volumeOf = (updates: readonly DrbdUpdate[]) =>
    updates.flatMap(({ changed }) => changed).findLast(({ mirror }) => mirror === 'r0/0')
  const updates = await follow(
    host,
    soFar => {
      if (volumeOf(soFar)?.aloneOutOfSyncBytes === 512 * KIB) host.write('proc/drbd', standAlone('oos:2048'))
      return volumeOf(soFar)?.aloneOutOfSyncBytes === 2048 * KIB
    },
    { progressEveryMs: 20, awayEveryMs: 20 },
  )
  t.match(volumeOf(updates), { peers: [] })
  const back = end + stream.slice(end).indexOf('name:r0 peer-node-id:0 conn-name:peer connection:Connected')
  t.match(fold(stream.slice(0, stream.indexOf('\n', back) + 1)).volume('r0/0'), { aloneOutOfSyncBytes: null })
})

const STREAM_9 = recording('drbd9/peer-crash-and-resync.alpha.events2.txt')
const { dump: DUMP } = dumpOf(STREAM_9)
/** The same dump with a resync of `pair`. */
const RESYNCING = DUMP.replace(
  /( name:pair peer-node-id:1 conn-name:bravo volume:0) replication:Established peer-disk:UpToDate/,
  '$1 replication:SyncSource peer-disk:Inconsistent',
)
const LOST = /^events were lost: pair\/0 peer 1 replication is SyncSource, events reported Established$/

t.test(
  'a stopped drbdsetup prints nothing and does not end: the changed state is found, and the process is killed',
  async t => {
    const host = new ScriptedHost(t.testdir({}), {
      events: [{ print: DUMP }, { hang: true }],
      now: [{ print: RESYNCING }],
    })
    const updates = await follow(
      host,
      soFar => {
        const [child] = host.processes
        if (soFar.length === 2 && child !== undefined) {
          process.kill(child, 'SIGSTOP')
          host.play({ events: [{ print: RESYNCING }, { hang: true }], now: [{ print: RESYNCING }] })
        }
        return soFar.at(-1)?.dumps === 2
      },
      { verifyEveryMs: 20, killAfterMs: 20 },
    )
    const doubts = updates.map(({ doubt }) => doubt)
    t.match(
      doubts.findLast(doubt => doubt !== null),
      LOST,
    )
    const [pair] = updates.at(-1)?.changed.filter(({ mirror }) => mirror === 'pair/0') ?? []
    t.equal(pair?.peers[0]?.replication, 'SyncSource')
    t.strictSame(host.living, [])
  },
)

t.test('a difference counts only if a second dump shows it and no event changed the resource meanwhile', async t => {
  const root = t.testdir({ once: {}, touched: {} })
  const dumps = (file: string): Step[] => [{ file }, { mark: 'dumped' }]

  const once = new ScriptedHost(`${root}/once`, {
    events: [{ print: DUMP }, { hang: true }],
    now: dumps(`${root}/once/now`),
  })
  once.write('now', RESYNCING)
  const pace = { verifyEveryMs: 20, confirmAfterMs: 200 }
  const isConfirmed = (soFar: readonly DrbdUpdate[]) => soFar.length > 2 && soFar.at(-1)?.wholeAt !== soFar[1]?.wholeAt
  const updatesOnce = await follow(
    once,
    soFar => {
      if (once.dumpsRead > 0) once.write('now', DUMP)
      return isConfirmed(soFar)
    },
    pace,
  )
  t.ok(updatesOnce.slice(1).every(({ doubt, dumps }) => doubt === null && dumps === 1))

  const touch = 'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:Established\n'
  const events: Step[] = [{ print: DUMP }, { await: 'dumped' }, { print: touch }, { hang: true }]
  const touched = new ScriptedHost(`${root}/touched`, { events, now: dumps(`${root}/touched/now`) })
  touched.write('now', RESYNCING)
  const updatesTouched = await follow(
    touched,
    soFar => {
      if (touched.dumpsRead > 1) touched.write('now', DUMP)
      return isConfirmed(soFar)
    },
    pace,
  )
  t.ok(updatesTouched.slice(1).every(({ doubt }) => doubt === null))
})

t.test('a lost event is found although events with statistics keep coming for the mirror', async t => {
  const figures = 'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 received:1\n'
  const root = t.testdir({})
  const events: Step[] = [{ print: DUMP }, { await: 'dumped' }, { print: figures }, { hang: true }]
  const host = new ScriptedHost(root, { events, now: [{ mark: 'dumped' }, { print: RESYNCING }] })
  const updates = await follow(host, soFar => soFar.length > 2 && soFar.at(-1)?.doubt !== null, {
    verifyEveryMs: 20,
    confirmAfterMs: 200,
  })
  t.match(updates.at(-1)?.doubt, LOST)
  t.ok(host.dumpsRead >= 2)
})

t.test('a lost event is found although the out-of-sync amount of another peer grows in each dump', async t => {
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
  const dumps: Step[] = [{ file: `${root}/now` }, { mark: 'dumped' }]
  const host = new ScriptedHost(root, { events: [{ print: live ?? '' }, { hang: true }], now: dumps })
  host.write('now', grown(4))
  const updates = await follow(
    host,
    soFar => {
      host.write('now', grown(8 + host.dumpsRead * 4))
      return soFar.length > 2 && soFar.at(-1)?.doubt !== null
    },
    { awayEveryMs: 20, confirmAfterMs: 50 },
  )
  t.match(
    updates.at(-1)?.doubt,
    'events were lost: mesh0/0 peer 1 replication is SyncSource, events reported Established',
  )
})

t.test(
  'a removed peer is missing until the next dump confirms the removal; a removed diskless client never is',
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
      events: [{ print: dump }, { await: 'reported' }, { print: text([...toPair, ...toClients]) }, { hang: true }],
      now: [{ await: 'dump' }, { print: now }],
    })
    const last = (updates: readonly DrbdUpdate[], mirror: string) =>
      updates.flatMap(({ changed }) => changed).findLast(each => each.mirror === mirror)
    const missing: unknown[] = []
    const updates = await follow(
      host,
      soFar => {
        if (soFar.length > 0) host.write('reported', '')
        if (last(soFar, 'pair/0')?.removedPeers.length === 1 && last(soFar, 'client/0')?.peers.length === 0) {
          missing.push(last(soFar, 'client/0')?.removedPeers)
          host.write('dump', '')
        }
        return host.has('dump') && last(soFar, 'pair/0')?.removedPeers.length === 0
      },
      { awayEveryMs: 20 },
    )
    t.strictSame(missing[0], ['bravo'], 'a peer with a disk beside a client')
    t.match(last(updates, 'client/0'), { peers: [], removedPeers: [] })
    t.equal(updates.at(-1)?.doubt, null, 'the stream was not restarted')
  },
)

t.test('on 8.4 a state word of /proc/drbd that differs twice causes a comparison at once', async t => {
  const [before] = cutAt(STREAM_84, '2026-11-22T17:03:56.75')
  const now = [{ print: stage84('6-resync-done.events2-now') }]
  const host = new ScriptedHost(t.testdir({}), { events: [{ print: before }, { hang: true }], now }, '8.4.11')
  host.write('proc/drbd', stage84('6-resync-done.proc-drbd'))
  const updates = await follow(host, soFar => soFar.length > 2 && soFar.at(-1)?.doubt !== null, { progressEveryMs: 20 })
  t.match(updates.at(-1)?.doubt, /^events were lost: r\d\/\d .* is Established, events reported \w+$/)
})

t.test('a drbdsetup that hangs or fails in every cross-check makes the state unknown', async t => {
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
      const updates = await follow(host, soFar => soFar.length > 2 && soFar.at(-1)?.doubt !== null, pace)
      t.match(updates.at(-1)?.doubt, name === 'hangs' ? 'events2 --now hangs' : 'exited 20: netlink is busy')
      t.strictSame(host.living, [])
    }),
  )
})

t.test(
  'a drbdsetup that cannot be killed is abandoned: the state is unknown, at most two hang, and the source still ends',
  async t => {
    const now: Step[] = [{ print: DUMP.slice(0, 500) }, { hang: 'deaf' }]
    const host = new ScriptedHost(t.testdir({}), { events: [{ print: DUMP }, { hang: true }], now })
    // Simulates a process that hangs in the kernel: no signal ends it in time.
    const pace = { confirmEveryMs: 20, checkTimeoutMs: 3_000, killAfterMs: 3_600_000, abandonAfterMs: 20 }
    const dumps = () => host.commands.filter(command => command.includes('--now')).length
    t.teardown(() => {
      for (const pid of host.processes) if (host.isLiving(pid)) process.kill(pid, 'SIGKILL')
    })
    let doubtedAt = 0
    const updates = await follow(
      host,
      soFar => {
        if (soFar.at(-1)?.doubt?.includes('cannot be killed') === true && doubtedAt === 0) doubtedAt = performance.now()
        return doubtedAt > 0 && performance.now() - doubtedAt > 300
      },
      pace,
    )
    t.match(updates.at(-1)?.doubt, 'hangs and cannot be killed')
    t.equal(dumps(), 2)
    const leftBehind = host.processes.filter(
      (pid, index) => host.commands[index]?.includes('--now') === true && host.isLiving(pid),
    )
    for (const pid of leftBehind) process.kill(pid, 'SIGKILL')
    t.equal(leftBehind.length, 2, 'the hanging ones')
    t.equal(host.commands.length, 3, 'no more are started while they hang')
  },
)

t.test('a dump is complete or failed: a truncated dump and a missing drbdsetup have their own causes', async t => {
  const root = t.testdir({})
  const { signal } = new AbortController()
  const options = {
    clock: machineClock,
    pace: { checkTimeoutMs: 20_000, killAfterMs: 20, abandonAfterMs: 10_000 },
    abandoned: new AbandonedProcesses(),
    refused: new Set<string>(),
  }
  const dump = (now: Step[], known: string | null = null) => {
    const { drbdsetup } = new ScriptedHost(root, { events: [], now })
    return readDump({ ...options, drbdsetup }, signal, { statistics: false, known })
  }
  const whole = await dump([{ print: DUMP }])
  t.equal(whole.kind === 'complete' && whole.state.size, 5)
  const digest = whole.kind === 'complete' ? whole.digest : null
  t.match(await dump([{ print: DUMP }], digest), { kind: 'unchanged' }, 'the same text is not parsed again')
  t.match(await dump([{ print: RESYNCING }], digest), { kind: 'complete' }, 'another text is parsed')
  t.match(await dump([{ print: DUMP.slice(0, -12) }]), { kind: 'failed', cause: /exited 0$/ })
  const missing = readDump({ ...options, drbdsetup: ['/nonexistent/drbdsetup'] }, signal, { statistics: false })
  t.match(await missing, { kind: 'failed', cause: '/nonexistent/drbdsetup events2: ENOENT' })
})

t.test('a drbdsetup without --now runs events2 and is ended after the dump', async t => {
  const script: Script = {
    events: [{ print: DUMP }, { hang: true }],
    now: [{ complain: "unrecognized option '--now'" }, { exit: 20 }],
  }
  const host = new ScriptedHost(t.testdir({}), script)
  const dumps = (commands: readonly string[]) => commands.filter(each => each === 'events2').length
  const updates = await follow(host, soFar => dumps(host.commands) > 1 && soFar.at(-1)?.wholeAt !== soFar[1]?.wholeAt, {
    confirmEveryMs: 20,
  })
  t.ok(updates.slice(1).every(({ doubt, dumps }) => doubt === null && dumps === 1))
  t.equal(host.commands.filter(each => each.includes('--now')).length, 1)
  t.strictSame(host.living, [])
})

t.test('the first failed dump raises a doubt; a dump that agrees ends it, and the stream continues', async t => {
  const root = t.testdir({})
  const host = new ScriptedHost(root, {
    events: [{ print: DUMP }, { hang: true }],
    now: [{ mark: 'dumped' }, { complain: 'netlink is busy' }, { exit: 20 }],
  })
  let dumpsAtDoubt = 0
  const updates = await follow(
    host,
    soFar => {
      if (soFar.length > 2 && soFar.at(-1)?.doubt !== null && dumpsAtDoubt === 0) {
        dumpsAtDoubt = host.dumpsRead
        host.play({ events: [], now: [{ print: DUMP }] })
      }
      return dumpsAtDoubt > 0 && soFar.at(-1)?.doubt === null
    },
    { confirmEveryMs: 200, confirmAfterMs: 200 },
  )
  t.equal(dumpsAtDoubt, 1)
  t.match(updates.at(-1), { doubt: null, dumps: 1 })
  t.equal(updates.at(-1)?.changed.length, 5, 'everything is reported again')
  t.equal(host.commands.filter(command => command.includes('--timestamps')).length, 1)
})

t.test('the digest of a dump that agreed is not used after an event that changed a state word', async t => {
  const begun = 'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:SyncSource\n'
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, { await: 'go' }, { print: begun }, { hang: true }],
    // Simulates that the event for the end of the resync was lost.
    now: [{ print: DUMP }, { mark: 'dumped' }],
  })
  const updates = await follow(
    host,
    soFar => {
      if (host.dumpsRead > 2) host.write('go', '')
      return soFar.length > 2 && soFar.at(-1)?.doubt !== null
    },
    { confirmEveryMs: 20 },
  )
  t.match(
    updates.at(-1)?.doubt,
    'events were lost: pair/0 peer 1 replication is Established, events reported SyncSource',
  )
})

t.test('when drbdsetup hangs 5 000 mirrors become unknown as fast as one', async t => {
  const { confirmEveryMs, checkTimeoutMs, confirmAfterMs } = DEFAULT_DRBD_PACE
  t.ok(confirmEveryMs + checkTimeoutMs + confirmAfterMs < 14_000, 'within 15 s')
  const template = DUMP.replaceAll(/^.* name:(?!pair ).*\n|^.* exists -\n/gm, '')
  const resources = Array.from({ length: 5000 }, (_, index) => template.replaceAll('name:pair ', `name:r${index} `))
  const root = t.testdir({ dump: `${resources.join('')}exists -\n` })
  const events: Step[] = [{ file: `${root}/dump` }, { hang: true }]
  const host = new ScriptedHost(root, { events, now: [{ mark: 'dumped' }, { hang: true }] })
  const updates = await follow(host, soFar => soFar.length > 2 && soFar.at(-1)?.doubt !== null, {
    confirmEveryMs: 20,
    checkTimeoutMs: 5_000,
    killAfterMs: 20,
  })
  t.ok((updates[1]?.changed.length ?? 0) >= 5000)
  t.match(updates.at(-1)?.doubt, 'events2 --now hangs')
  t.equal(host.dumpsRead, 1)
})

t.test(
  'while /proc/drbd of 8.4 hangs only statistics are missing: states are confirmed, and the source ends',
  async t => {
    const [before] = cutAt(STREAM_84, '2026-11-22T17:03:56.75')
    const now = [{ print: before }, { mark: 'dumped' }]
    const host = new ScriptedHost(t.testdir({}), { events: [{ print: before }, { hang: true }], now }, '8.4.11')
    for (const path of ['proc/drbd', 'sys/module/drbd/version']) {
      rmSync(`${host.root}/${path}`, { force: true })
      mkdirSync(dirname(`${host.root}/${path}`), { recursive: true })
      execFileSync('mkfifo', [`${host.root}/${path}`])
    }
    const versionHangs = await follow(host, soFar => soFar.at(-1)?.doubt === null, { readTimeoutMs: 200 })
    t.equal(versionHangs.at(-1)?.changed.length, before.match(/exists device /g)?.length)

    host.write('sys/module/drbd/version', '8.4.11\n')
    const pace = { readTimeoutMs: 200, readRetryMs: 20, progressEveryMs: 20, confirmEveryMs: 50 }
    const problems = (updates: readonly DrbdUpdate[]) => updates.flatMap(each => each.problems.map(({ text }) => text))
    const updates = await follow(
      host,
      soFar => problems(soFar).length > 0 && host.dumpsRead > 3 && soFar.at(-1)?.wholeAt !== soFar[1]?.wholeAt,
      pace,
    )
    t.strictSame(problems(updates), ['Resync progress is not known, /proc/drbd cannot be read: the read hangs'])
    t.ok(updates.slice(1).every(({ doubt }) => doubt === null))
    t.ok(await readFile(import.meta.filename), 'no thread of this process hangs')
  },
)

t.test('a volume or a peer that only one of events and dump has is a difference', async t => {
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

t.test('at every stage of every recording a dump agrees with the events before it', async t => {
  /** The events reported the end of the verify 10 ms after the dump. */
  const known = ['online-verify.alpha.1-verifying pair/0 peer 1 replication is Established, events reported VerifyS']
  const found: string[] = []
  for (const set of SETS) {
    for (const name of namesOf(set, '.events2-now.txt')) {
      const [scenario = '', node = '', stage = ''] = name.split('.')
      const stream = capture(set, `${scenario}.${node}.events2.txt`)
      const dump = capture(set, name)
      const [before] = cutAt(stream, dump.slice(0, 32))
      const live = fold(before)
      const now = fold(dump)
      const mirrors = new Set([...live.devices(), ...now.devices()].map(({ mirror }) => mirror))
      for (const mirror of mirrors) {
        const difference = stateDifference(live.device(mirror), now.device(mirror))
        if (difference !== null) found.push(`${scenario}.${node}.${stage} ${mirror} ${difference}`)
      }
    }
  }
  t.strictSame(found, known)
})
