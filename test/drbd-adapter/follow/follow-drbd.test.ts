import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { followDrbd } from '../../../src/drbd-adapter/follow/follow-drbd.ts'
import type { DrbdUpdate } from '../../../src/drbd-adapter/follow/pending-update.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { stateOf } from '../captures.ts'
import { dumpOf, follow, PACE, recording, type Script, ScriptedHost, type Step } from './scripted-host.ts'

const STREAM = recording('drbd9/peer-crash-and-resync.alpha.events2.txt')
const { dump: DUMP } = dumpOf(STREAM)
const MIRRORS = ['client/0', 'mesh0/0', 'mesh1/0', 'mesh1/1', 'pair/0']
const HALF = DUMP.slice(0, DUMP.indexOf('exists -'))

const isWhole = (told: readonly DrbdUpdate[]) => told.at(-1)?.doubt === null
const changedIn = (told: readonly DrbdUpdate[]) => told.flatMap(({ changed }) => changed.map(({ mirror }) => mirror))

/** Prints, and then does that instead of following events. */
function script(text: string, ...steps: Step[]): Script {
  return { events: [{ print: text }, ...steps], now: [] }
}

const followed = script(DUMP, { hang: true })

t.test(
  'without the module nothing is asked, for asking would load it; when it is loaded everything is read',
  async t => {
    const host = new ScriptedHost(t.testdir({}), followed)
    rmSync(join(host.root, 'sys'), { recursive: true })
    const told = await follow(host, so => {
      if (so.length === 1) {
        t.match(so[0], { changed: [], removed: [], doubt: null, dumps: 0 }, 'the kernel has no volumes')
        t.strictSame(host.questions, [], 'nothing was started')
        host.loadModule()
      }
      return so.length > 1 && isWhole(so)
    })
    t.strictSame(changedIn(told).toSorted(), MIRRORS)
    t.strictSame(
      told.map(({ doubt }) => doubt === null),
      [true, false, true],
      'between the two nothing was claimed',
    )
  },
)

t.test('a whole dump is told as whole, at once, with every volume in it', async t => {
  const before = Date.now()
  const [unread, whole, ...more] = await follow(new ScriptedHost(t.testdir({}), followed), isWhole)
  t.match(unread, { changed: [], removed: [], doubt: 'not everything has been read yet', dumps: 0, wholeAt: null })
  t.match(whole, { removed: [], doubt: null, dumps: 1, problems: [] })
  t.ok((whole?.wholeAt ?? 0) >= before)
  t.strictSame(whole?.changed.map(({ mirror }) => mirror).toSorted(), MIRRORS)
  t.strictSame(more, [])
})

t.test('an event is told with the time that its line carries, on 8.4 and on 9', async t => {
  for (const [version, stream] of [
    ['8.4.11', recording('drbd84/connection-lost-in-resync.alpha.events2.txt')],
    ['9.2.18', STREAM],
  ] as const) {
    const { dump, rest } = dumpOf(stream)
    const [line = ''] = rest.match(/^\S+ change (?:connection|peer-device) .+\n/m) ?? []
    for (const [text, eventAt] of [
      [line, Date.parse(line.slice(0, 32))],
      [line.slice(33), null],
    ] as const) {
      const steps = script(dump, { await: 'go' }, { print: text }, { hang: true })
      const host = new ScriptedHost(t.testdir({}), steps, version)
      const told = await follow(host, so => {
        if (isWhole(so)) host.write('go', '')
        return so.length > 2
      })
      const moments = told.map(each => each.eventAt && Math.floor(each.eventAt))
      t.strictSame(moments, [null, null, eventAt], `${version}, ${text}`)
    }
  }
})

t.test('half a dump is never told, however the tool ends; one that hangs is killed', async t => {
  const ends: Step[] = [{ exit: 0 }, { exit: 20 }, { die: 'SIGKILL' }, { hang: true }, { hang: 'deaf' }]
  const root = t.testdir({})
  await Promise.all(
    ends.map(async (end, index) => {
      const half = index % 2 === 0 ? HALF : HALF.slice(0, -70)
      const host = new ScriptedHost(join(root, String(index)), script(half, end))
      const told = await follow(host, () => host.questions.length >= 2, { dumpTimeoutMs: 1_000, killAfterMs: 20 })
      const name = JSON.stringify(end)
      t.ok(
        told.every(({ doubt }) => doubt !== null),
        name,
      )
      t.strictSame(changedIn(told), [], name)
      if ('hang' in end) t.match(told.at(-1)?.doubt, 'hangs', name)
      t.strictSame(host.living, [], name)
    }),
  )
})

t.test('any end is told at once with its cause; volumes are told again when a whole dump was read', async t => {
  const ends: [cause: string, ...Step[]][] = [
    ['events2 exited 0', { exit: 0 }],
    // What drbd-utils 9.34 says of a reader that was too slow, misspelt as it is.
    ['exited 20: error desciption: packets droped', { complain: 'error desciption: packets droped' }, { exit: 20 }],
    ['exited 121: all: module unloaded', { complain: 'all: module unloaded' }, { exit: 121 }],
    ['was killed by SIGKILL', { die: 'SIGKILL' }],
    ['was killed by SIGSEGV', { die: 'SIGSEGV' }],
  ]
  const root = t.testdir({})
  await Promise.all(
    ends.map(async ([cause, ...steps], index) => {
      const host = new ScriptedHost(join(root, String(index)), script(DUMP, { await: 'go' }, ...steps))
      const told = await follow(host, so => {
        if (so.length === 2) {
          host.play(followed)
          host.write('go', '')
        }
        return so.length > 2 && isWhole(so)
      })
      const [unread, first, ...after] = told
      const second = after.pop()
      t.match([unread?.dumps, first?.dumps, first?.doubt], [0, 1, null])
      t.match(after.at(-1)?.doubt, cause)
      t.ok(
        after.every(({ doubt, changed, removed }) => doubt !== null && changed.length + removed.length === 0),
        'and nothing is told in between',
      )
      t.match(second, { doubt: null, dumps: 2, removed: [] })
      t.strictSame(second?.changed.map(({ mirror }) => mirror).toSorted(), MIRRORS)
      t.strictSame(host.living, [])
    }),
  )
})

t.test('a tool that is not there is said to be missing, and tried again until it is', async t => {
  const host = new ScriptedHost(t.testdir({}), followed)
  const tool = join(host.root, 'drbdsetup')
  const told = await follow({ root: host.root, drbdsetup: [tool] }, so => {
    if (so.at(-1)?.doubt === `${tool} events2: ENOENT`) {
      writeFileSync(`${tool}.new`, `#!/bin/sh\nexec ${host.drbdsetup.join(' ')} "$@"\n`, { mode: 0o755 })
      renameSync(`${tool}.new`, tool)
    }
    return isWhole(so)
  })
  t.match([...new Set(told.map(({ doubt }) => doubt))], ['not everything has been read yet', /ENOENT/, null])
})

t.test('the module is unloaded under a tool that goes on: it is ended, and its volumes are told as gone', async t => {
  const host = new ScriptedHost(t.testdir({}), followed)
  const told = await follow(host, so => {
    if (isWhole(so)) rmSync(join(host.root, 'sys'), { recursive: true, force: true })
    return so.at(-1)?.removed.length === MIRRORS.length
  })
  t.match(told.at(-2), { doubt: 'the DRBD module was unloaded', changed: [], removed: [] })
  t.match(told.at(-1), { doubt: null, changed: [] })
  t.equal(host.questions.length, 1, 'without the module nothing more is asked')
  t.strictSame(host.living, [])
})

t.test('a volume that the next dump no longer names is told as gone, a new one as there', async t => {
  const host = new ScriptedHost(t.testdir({}), script(DUMP, { await: 'go' }, { exit: 20 }))
  const told = await follow(host, so => {
    if (so.length === 2) {
      host.play(script(DUMP.replaceAll(' name:client ', ' name:guest '), { hang: true }))
      host.write('go', '')
    }
    return so.at(-1)?.dumps === 2
  })
  t.match(told.at(-1), { doubt: null, removed: ['client/0'] })
  t.ok(changedIn(told.slice(-1)).includes('guest/0'))
})

const RESYNCING = DUMP.replace(
  /( name:mesh0 peer-node-id:1 conn-name:bravo volume:0) replication:Established/,
  '$1 replication:SyncSource',
)
const QUICK_REREAD = { rereadAfterMs: 20, rereadGapMs: 50, rereadGapMsPerMirror: 0 }
const UNREADABLE: readonly (readonly [code: string, lines: string])[] = [
  ['bad-line', 'something that nobody knows\n'],
  ['bad-line', 'change device name:unheard-of volume:zero\n'],
  ['events-skipped', '- skipped 1\n- skipped -2\n- skipped 1\n'],
  ['events-skipped', '- skipped 3\n'],
]

t.test(
  'lines that are skipped or name nothing: everything is read again, and nothing is doubted that is as it was',
  async t => {
    const root = t.testdir({})
    await Promise.all(
      UNREADABLE.map(async ([code, lines], index) => {
        const host = new ScriptedHost(join(root, String(index)), {
          events: [{ print: DUMP }, { await: 'go' }, { print: lines }, { hang: true }],
          now: [{ print: DUMP }],
        })
        const told = await follow(
          host,
          so => {
            if (so.length === 2) host.write('go', '')
            return so.length > 2 && so.at(-1)?.wholeAt !== so[1]?.wholeAt
          },
          QUICK_REREAD,
        )
        t.ok(
          told.slice(1).every(({ doubt, dumps }) => doubt === null && dumps === 1),
          lines,
        )
        t.strictSame(changedIn(told.slice(2)), [], 'no mirror is told as another one')
        t.ok(told.flatMap(({ problems }) => problems).every(each => each.code === code))
        t.strictSame(host.questions.slice(1), ['events2 --now'])
      }),
    )
  },
)

t.test('what is read again differs: the events are no longer believed, and all is told anew', async t => {
  const root = t.testdir({})
  await Promise.all(
    UNREADABLE.map(async ([, lines], index) => {
      const host = new ScriptedHost(join(root, String(index)), {
        events: [{ print: DUMP }, { await: 'go' }, { print: lines }, { hang: true }],
        now: [{ print: RESYNCING }],
      })
      const told = await follow(
        host,
        so => {
          if (so.length === 2) host.write('go', '')
          if (so.at(-1)?.doubt !== null && so.length > 2) host.play(script(RESYNCING, { hang: true }))
          return so.at(-1)?.dumps === 2
        },
        QUICK_REREAD,
      )
      t.match(
        told.findLast(({ doubt }) => doubt !== null)?.doubt,
        'events were lost: mesh0/0 peer 1 replication is SyncSource, events reported Established',
      )
      const [mesh0] = told.at(-1)?.changed.filter(({ mirror }) => mirror === 'mesh0/0') ?? []
      t.equal(mesh0 === undefined ? null : stateOf(mesh0), 'resyncing')
    }),
  )
})

t.test('a damaged line doubts the resource that it names until that was read again, and no other', async t => {
  const garbled = 'chXnge peer-device name:mesh0 peer-node-id:1 replication:SyncSource\n'
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, { await: 'go' }, { print: garbled }, { hang: true }],
    now: [{ await: 'read' }, { print: DUMP }],
  })
  const states = (update: DrbdUpdate | undefined) => update?.changed.map(each => `${each.mirror} ${stateOf(each)}`)
  const told = await follow(
    host,
    so => {
      if (so.length === 2) host.write('go', '')
      if (so.length === 3) host.write('read', '')
      return so.length > 3 && states(so.at(-1))?.includes('mesh0/0 synced') === true
    },
    QUICK_REREAD,
  )
  t.strictSame(states(told[2]), ['mesh0/0 unknown'])
  t.strictSame(
    told.map(({ doubt }) => doubt === null),
    [false, ...told.slice(1).map(() => true)],
  )
  t.match(
    told.flatMap(({ problems }) => problems),
    [{ code: 'bad-line', text: /chXnge/ }],
    'what it was is told once',
  )
})

t.test('a look that began before a line was lost lifts no doubt', async t => {
  const garbled = 'chXnge peer-device name:mesh0 peer-node-id:1 replication:SyncSource\n'
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, { await: 'looking-1' }, { print: garbled }, { mark: 'lost' }, { hang: true }],
    now: [{ mark: 'looked' }, { file: join(t.testdirName, 'now') }, { await: 'lost' }],
  })
  host.write('now', DUMP)
  const told = await follow(
    host,
    so => {
      // The look was printed before the line was lost; it ends after.
      if (host.looks === 1) {
        host.write('looking-1', '')
        if (host.has('lost')) host.write('now', RESYNCING)
      }
      return so.length > 2 && so.at(-1)?.doubt !== null
    },
    { ...QUICK_REREAD, verifyEveryMs: 20 },
  )
  t.match(told.at(-1)?.doubt, 'is SyncSource')
  t.notOk(
    told.slice(2).some(({ changed }) => changed.some(each => each.mirror === 'mesh0/0' && stateOf(each) === 'synced')),
  )
})

t.test('a storm of skipped lines is answered by few looks', async t => {
  const steps = Array.from({ length: 200 }, (): Step => ({ print: '- skipped 1\n- skipped -1\n' }))
  const storm = steps.flatMap((step, index): Step[] => [step, { await: `go-${index % 4}` }])
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, ...storm, { print: connectionLine(1, 'NetworkFailure') }, { hang: true }],
    now: [{ print: DUMP }],
  })
  for (let index = 0; index < 4; index += 1) host.write(`go-${index}`, '')
  const begun = performance.now()
  await follow(host, so => connectionOf(so.at(-1), 'pair/0') === 'NetworkFailure', {
    rereadAfterMs: 1,
    rereadGapMs: 3_600_000,
  })
  const looks = host.questions.length - 1
  t.ok(looks <= 1 + (performance.now() - begun) / 10_000, `${looks} looks`)
})

t.test('a drbdsetup that knows no --now: after lost lines its dump is read beside the events', async t => {
  const refusal: Step[] = [{ complain: "events2: unrecognized option '--now'" }, { exit: 20 }]
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, { await: 'go' }, { print: '- skipped 1\n' }, { hang: true }],
    now: refusal,
  })
  const told = await follow(
    host,
    so => {
      if (so.length === 2) host.write('go', '')
      return so.length > 2 && so.at(-1)?.wholeAt !== so[1]?.wholeAt
    },
    QUICK_REREAD,
  )
  t.equal(told.at(-1)?.doubt, null)
  t.equal(told.at(-1)?.dumps, 1)
})

t.test(
  'a change that overtook its dump: only that volume is doubted, and all is read again unless it is said anew',
  async t => {
    const overtaking = 'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:SyncSource\n'
    const host = new ScriptedHost(
      t.testdir({}),
      script(`${overtaking}${DUMP}`, { await: 'go' }, { print: overtaking }, { hang: true }),
    )
    const settled = await follow(
      host,
      so => {
        if (isWhole(so)) host.write('go', '')
        return so.at(-1)?.changed.some(each => stateOf(each) === 'resyncing') === true
      },
      { confirmAfterMs: 3_600_000 },
    )
    const states = settled[1]?.changed.map(each => `${each.mirror} ${stateOf(each)}`)
    t.strictSame(states?.toSorted(), [...MIRRORS.slice(0, 4).map(mirror => `${mirror} synced`), 'pair/0 unknown'])
    t.match(settled.at(-1), { doubt: null, dumps: 1 })

    rmSync(join(host.root, 'go'))
    const reread = await follow(host, so => {
      if (isWhole(so)) host.play(followed)
      return so.at(-1)?.dumps === 2
    })
    t.match(reread.at(-2)?.doubt, 'overtook')
  },
)

t.test('an option that this drbdsetup does not know is left out from then on', async t => {
  const refusal = "events2: unrecognized option '--statistics'"
  const host = new ScriptedHost(t.testdir({}), { events: [{ complain: refusal }, { exit: 20 }], now: [] })
  await follow(host, so => {
    if (so.at(-1)?.doubt?.includes('unrecognized') === true) host.play(followed)
    return isWhole(so)
  })
  t.equal(host.questions[0], 'events2 --timestamps --statistics')
  t.equal(host.questions.at(-1), 'events2 --timestamps')
})

/** A change of the connection between this host and bravo, at a second of its own. */
function connectionLine(second: number, word: string, name = 'pair'): string {
  const at = `2026-11-22T17:00:${String(second % 60).padStart(2, '0')}.000000+00:00`
  return `${at} change connection name:${name} peer-node-id:1 conn-name:bravo connection:${word}\n`
}

const connectionOf = (update: DrbdUpdate | undefined, mirror: string) =>
  update?.changed.find(each => each.mirror === mirror)?.peers.find(({ peer }) => peer === 'bravo')?.connection

t.test('a flood that the consumer does not look at is read all the same, and told as what came of it', async t => {
  const block = Array.from({ length: 100 }, (_, index) => connectionLine(index, index % 2 ? 'Connecting' : 'Connected'))
  const steps: Step[] = [
    { await: 'go' },
    { repeat: block.join(''), times: 500 },
    { print: connectionLine(1, 'NetworkFailure') },
    { mark: 'flooded' },
    { hang: true },
  ]
  const host = new ScriptedHost(t.testdir({}), script(DUMP, ...steps))
  const stop = new AbortController()
  const source = followDrbd({ ...host, clock: machineClock, signal: stop.signal, pace: PACE })
  const told: DrbdUpdate[] = []
  for await (const update of source) {
    told.push(update)
    if (update.doubt === null && update.changed.length === MIRRORS.length) {
      host.write('go', '')
      while (!host.has('flooded')) await sleep(5)
    }
    if (connectionOf(update, 'pair/0') === 'NetworkFailure') break
  }
  t.ok(told.length <= 10, `50 000 events made ${told.length} updates`)
  t.ok(
    told.slice(2).every(({ changed }) => changed.length <= 1),
    'what was not touched is not told again',
  )
  t.strictSame(host.living, [], 'and who leaves the loop leaves no child behind')
})

t.test(
  'a storm of failing handshakes costs an update for each time that it is looked at, not for each event',
  async t => {
    const words = ['Connecting', 'Connected', 'NetworkFailure', 'Unconnected']
    const steps = words.map((word, index): Step => ({ print: connectionLine(index, word) }))
    const storm = Array.from({ length: 500 }, () => steps).flat()
    const host = new ScriptedHost(
      t.testdir({}),
      script(DUMP, ...storm, { print: connectionLine(9, 'StandAlone') }, { hang: true }),
    )
    const begun = performance.now()
    const told = await follow(host, so => connectionOf(so.at(-1), 'pair/0') === 'StandAlone')
    const most = 3 + (performance.now() - begun) / 4
    t.ok(told.length <= most, `${told.length} updates`)
  },
)

t.test('lines of one kernel event that arrive apart are told together', async t => {
  const [first = '', second = ''] = [
    'change connection name:pair peer-node-id:1 conn-name:bravo connection:NetworkFailure role:Unknown\n',
    'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:Off peer-disk:DUnknown\n',
  ].map(line => `2026-11-22T17:00:00.000001+00:00 ${line}`)
  const host = new ScriptedHost(
    t.testdir({}),
    script(DUMP, { await: 'go' }, { print: first }, { print: second }, { hang: true }),
  )
  const told = await follow(
    host,
    so => {
      if (isWhole(so)) host.write('go', '')
      return connectionOf(so.at(-1), 'pair/0') === 'NetworkFailure'
    },
    { gatherMs: 250 },
  )
  const [volume] = told.at(-1)?.changed ?? []
  t.equal(told.length, 3)
  t.match(
    volume?.peers.find(({ peer }) => peer === 'bravo'),
    { connection: 'NetworkFailure', replication: 'Off', peerDisk: 'DUnknown' },
  )
})

t.test(
  'however it is left, no child stays: not one that takes no SIGTERM, not one that holds the pipe of a dead one',
  async t => {
    const root = t.testdir({})
    const pace = { ...PACE, killAfterMs: 20 }
    const deaf = new ScriptedHost(join(root, 'deaf'), script('', { hang: 'deaf', after: DUMP }))
    for await (const { doubt } of followDrbd({
      ...deaf,
      clock: machineClock,
      signal: new AbortController().signal,
      pace,
    })) {
      if (doubt === null) break
    }
    t.strictSame(deaf.living, [], 'return()')

    const stop = new AbortController()
    const source = followDrbd({ ...deaf, clock: machineClock, signal: stop.signal, pace })
    const first = await source.next()
    const waiting = source.next()
    stop.abort()
    t.equal(first.done, false)
    t.match(await waiting, { done: true }, 'an aborted signal ends a call that waits')
    t.strictSame(deaf.living, [])

    // `sleep` keeps the pipe of the shell open when that is gone.
    const tool = join(root, 'holding-drbdsetup')
    writeFileSync(tool, `#!/bin/sh\nsleep 600 &\necho $! > ${root}/pid\ncat ${root}/dump.txt\nexit 20\n`, {
      mode: 0o755,
    })
    writeFileSync(join(root, 'dump.txt'), DUMP)
    const told = await follow(
      { root: deaf.root, drbdsetup: [tool] },
      so => so.at(-1)?.doubt?.includes('exited 20') === true,
    )
    t.ok(told.length > 0, 'its end is told, though the pipe is still open')
    process.kill(Number(readFileSync(join(root, 'pid'), 'utf8')))
  },
)
