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

const isWhole = (updates: readonly DrbdUpdate[]) => updates.at(-1)?.doubt === null
const changedIn = (updates: readonly DrbdUpdate[]) =>
  updates.flatMap(({ changed }) => changed.map(({ mirror }) => mirror))

/** Prints `text`, then runs `steps`. */
function script(text: string, ...steps: Step[]): Script {
  return { events: [{ print: text }, ...steps], now: [] }
}

const followed = script(DUMP, { hang: true })

t.test(
  'without the module drbdsetup is not started, which would load it; once it is loaded everything is read',
  async t => {
    const host = new ScriptedHost(t.testdir({}), followed)
    rmSync(join(host.root, 'sys'), { recursive: true })
    const updates = await follow(host, soFar => {
      if (soFar.length === 1) {
        t.match(soFar[0], { changed: [], removed: [], doubt: null, dumps: 0 }, 'the kernel has no volumes')
        t.strictSame(host.commands, [], 'no process was started')
        host.loadModule()
      }
      return soFar.length > 1 && isWhole(soFar)
    })
    t.strictSame(changedIn(updates).toSorted(), MIRRORS)
    t.strictSame(
      updates.map(({ doubt }) => doubt === null),
      [true, false, true],
      'a doubt in between',
    )
  },
)

t.test('a complete dump is one update with every volume', async t => {
  const before = Date.now()
  const [unread, whole, ...more] = await follow(new ScriptedHost(t.testdir({}), followed), isWhole)
  t.match(unread, { changed: [], removed: [], doubt: 'not everything has been read yet', dumps: 0, wholeAt: null })
  t.match(whole, { removed: [], doubt: null, dumps: 1, problems: [] })
  t.ok((whole?.wholeAt ?? 0) >= before)
  t.strictSame(whole?.changed.map(({ mirror }) => mirror).toSorted(), MIRRORS)
  t.strictSame(more, [])
})

t.test('an update has the timestamp of its event line, on 8.4 and on 9', async t => {
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
      const updates = await follow(host, soFar => {
        if (isWhole(soFar)) host.write('go', '')
        return soFar.length > 2
      })
      const moments = updates.map(each => each.eventAt && Math.floor(each.eventAt))
      t.strictSame(moments, [null, null, eventAt], `${version}, ${text}`)
    }
  }
})

t.test('a truncated dump is never reported, however drbdsetup ends; one that hangs is killed', async t => {
  const ends: Step[] = [{ exit: 0 }, { exit: 20 }, { die: 'SIGKILL' }, { hang: true }, { hang: 'deaf' }]
  const root = t.testdir({})
  await Promise.all(
    ends.map(async (end, index) => {
      const half = index % 2 === 0 ? HALF : HALF.slice(0, -70)
      const host = new ScriptedHost(join(root, String(index)), script(half, end))
      const updates = await follow(host, () => host.commands.length >= 2, { dumpTimeoutMs: 3_000, killAfterMs: 20 })
      const name = JSON.stringify(end)
      t.ok(
        updates.every(({ doubt }) => doubt !== null),
        name,
      )
      t.strictSame(changedIn(updates), [], name)
      if ('hang' in end) t.match(updates.at(-1)?.doubt, 'hangs', name)
      t.strictSame(host.living, [], name)
    }),
  )
})

t.test(
  'every end of drbdsetup is reported at once with its cause; after a complete dump all volumes are reported again',
  async t => {
    const ends: [cause: string, ...Step[]][] = [
      ['events2 exited 0', { exit: 0 }],
      // The message of drbd-utils 9.34 for a reader that is too slow, with its spelling errors.
      ['exited 20: error desciption: packets droped', { complain: 'error desciption: packets droped' }, { exit: 20 }],
      ['exited 121: all: module unloaded', { complain: 'all: module unloaded' }, { exit: 121 }],
      ['was killed by SIGKILL', { die: 'SIGKILL' }],
      ['was killed by SIGSEGV', { die: 'SIGSEGV' }],
    ]
    const root = t.testdir({})
    await Promise.all(
      ends.map(async ([cause, ...steps], index) => {
        const host = new ScriptedHost(join(root, String(index)), script(DUMP, { await: 'go' }, ...steps))
        const updates = await follow(host, soFar => {
          if (soFar.length === 2) {
            host.play(followed)
            host.write('go', '')
          }
          return soFar.length > 2 && isWhole(soFar)
        })
        const [unread, first, ...after] = updates
        const second = after.pop()
        t.match([unread?.dumps, first?.dumps, first?.doubt], [0, 1, null])
        t.match(after.at(-1)?.doubt, cause)
        t.ok(
          after.every(({ doubt, changed, removed }) => doubt !== null && changed.length + removed.length === 0),
          'nothing is reported in between',
        )
        t.match(second, { doubt: null, dumps: 2, removed: [] })
        t.strictSame(second?.changed.map(({ mirror }) => mirror).toSorted(), MIRRORS)
        t.strictSame(host.living, [])
      }),
    )
  },
)

t.test('a missing drbdsetup is reported and retried until it exists', async t => {
  const host = new ScriptedHost(t.testdir({}), followed)
  const tool = join(host.root, 'drbdsetup')
  const updates = await follow({ root: host.root, drbdsetup: [tool] }, soFar => {
    if (soFar.at(-1)?.doubt === `${tool} events2: ENOENT`) {
      writeFileSync(`${tool}.new`, `#!/bin/sh\nexec ${host.drbdsetup.join(' ')} "$@"\n`, { mode: 0o755 })
      renameSync(`${tool}.new`, tool)
    }
    return isWhole(soFar)
  })
  t.match([...new Set(updates.map(({ doubt }) => doubt))], ['not everything has been read yet', /ENOENT/, null])
})

t.test(
  'when the module is unloaded and drbdsetup goes on, it is ended and its volumes are reported as removed',
  async t => {
    const host = new ScriptedHost(t.testdir({}), followed)
    const updates = await follow(host, soFar => {
      if (isWhole(soFar)) rmSync(join(host.root, 'sys'), { recursive: true, force: true })
      return soFar.at(-1)?.removed.length === MIRRORS.length
    })
    t.match(updates.at(-2), { doubt: 'the DRBD module was unloaded', changed: [], removed: [] })
    t.match(updates.at(-1), { doubt: null, changed: [] })
    t.equal(host.commands.length, 1, 'without the module no process is started')
    t.strictSame(host.living, [])
  },
)

t.test('a volume that the next dump omits is reported as removed, a new one as changed', async t => {
  const host = new ScriptedHost(t.testdir({}), script(DUMP, { await: 'go' }, { exit: 20 }))
  const updates = await follow(host, soFar => {
    if (soFar.length === 2) {
      host.play(script(DUMP.replaceAll(' name:client ', ' name:guest '), { hang: true }))
      host.write('go', '')
    }
    return soFar.at(-1)?.dumps === 2
  })
  t.match(updates.at(-1), { doubt: null, removed: ['client/0'] })
  t.ok(changedIn(updates.slice(-1)).includes('guest/0'))
})

const RESYNCING = DUMP.replace(
  /( name:mesh0 peer-node-id:1 conn-name:bravo volume:0) replication:Established/,
  '$1 replication:SyncSource',
)
const QUICK_REREAD = { rereadAfterMs: 20, rereadGapMs: 50, rereadGapMsPerMirror: 0 }
const UNREADABLE: readonly (readonly [code: string, lines: string])[] = [
  ['bad-line', 'an unknown line\n'],
  ['bad-line', 'change device name:unknown volume:zero\n'],
  ['events-skipped', '- skipped 1\n- skipped -2\n- skipped 1\n'],
  ['events-skipped', '- skipped 3\n'],
]

t.test(
  'after skipped lines or lines without a known resource everything is reread, and unchanged mirrors are not doubted',
  async t => {
    const root = t.testdir({})
    await Promise.all(
      UNREADABLE.map(async ([code, lines], index) => {
        const host = new ScriptedHost(join(root, String(index)), {
          events: [{ print: DUMP }, { await: 'go' }, { print: lines }, { hang: true }],
          now: [{ print: DUMP }],
        })
        const updates = await follow(
          host,
          soFar => {
            if (soFar.length === 2) host.write('go', '')
            return soFar.length > 2 && soFar.at(-1)?.wholeAt !== soFar[1]?.wholeAt
          },
          QUICK_REREAD,
        )
        t.ok(
          updates.slice(1).every(({ doubt, dumps }) => doubt === null && dumps === 1),
          lines,
        )
        t.strictSame(changedIn(updates.slice(2)), [], 'no mirror is reported as changed')
        t.ok(updates.flatMap(({ problems }) => problems).every(each => each.code === code))
        t.strictSame(host.commands.slice(1), ['events2 --now'])
      }),
    )
  },
)

t.test('if a reread differs the stream is restarted and everything is reported again', async t => {
  const root = t.testdir({})
  await Promise.all(
    UNREADABLE.map(async ([, lines], index) => {
      const host = new ScriptedHost(join(root, String(index)), {
        events: [{ print: DUMP }, { await: 'go' }, { print: lines }, { hang: true }],
        now: [{ print: RESYNCING }],
      })
      const updates = await follow(
        host,
        soFar => {
          if (soFar.length === 2) host.write('go', '')
          if (soFar.at(-1)?.doubt !== null && soFar.length > 2) host.play(script(RESYNCING, { hang: true }))
          return soFar.at(-1)?.dumps === 2
        },
        QUICK_REREAD,
      )
      t.match(
        updates.findLast(({ doubt }) => doubt !== null)?.doubt,
        'events were lost: mesh0/0 peer 1 replication is SyncSource, events reported Established',
      )
      const [mesh0] = updates.at(-1)?.changed.filter(({ mirror }) => mirror === 'mesh0/0') ?? []
      t.equal(mesh0 === undefined ? null : stateOf(mesh0), 'resyncing')
    }),
  )
})

t.test('a damaged line doubts only the resource that it names, until a reread', async t => {
  const garbled = 'chXnge peer-device name:mesh0 peer-node-id:1 replication:SyncSource\n'
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, { await: 'go' }, { print: garbled }, { hang: true }],
    now: [{ await: 'read' }, { print: DUMP }],
  })
  const states = (update: DrbdUpdate | undefined) => update?.changed.map(each => `${each.mirror} ${stateOf(each)}`)
  const updates = await follow(
    host,
    soFar => {
      if (soFar.length === 2) host.write('go', '')
      if (soFar.length === 3) host.write('read', '')
      return soFar.length > 3 && states(soFar.at(-1))?.includes('mesh0/0 synced') === true
    },
    QUICK_REREAD,
  )
  t.strictSame(states(updates[2]), ['mesh0/0 unknown'])
  t.strictSame(
    updates.map(({ doubt }) => doubt === null),
    [false, ...updates.slice(1).map(() => true)],
  )
  t.match(
    updates.flatMap(({ problems }) => problems),
    [{ code: 'bad-line', text: /chXnge/ }],
    'the problem is reported once',
  )
})

t.test('a dump that began before a line was lost ends no doubt', async t => {
  const garbled = 'chXnge peer-device name:mesh0 peer-node-id:1 replication:SyncSource\n'
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, { await: 'dumping-1' }, { print: garbled }, { mark: 'lost' }, { hang: true }],
    now: [{ mark: 'dumped' }, { file: join(t.testdirName, 'now') }, { await: 'lost' }],
  })
  host.write('now', DUMP)
  const updates = await follow(
    host,
    soFar => {
      // The dump was printed before the line was lost, and ends after that.
      if (host.dumpsRead === 1) {
        host.write('dumping-1', '')
        if (host.has('lost')) host.write('now', RESYNCING)
      }
      return soFar.length > 2 && soFar.at(-1)?.doubt !== null
    },
    { ...QUICK_REREAD, verifyEveryMs: 20 },
  )
  t.match(updates.at(-1)?.doubt, 'is SyncSource')
  t.notOk(
    updates
      .slice(2)
      .some(({ changed }) => changed.some(each => each.mirror === 'mesh0/0' && stateOf(each) === 'synced')),
  )
})

t.test('a storm of skipped lines causes few dumps', async t => {
  const steps = Array.from({ length: 200 }, (): Step => ({ print: '- skipped 1\n- skipped -1\n' }))
  const storm = steps.flatMap((step, index): Step[] => [step, { await: `go-${index % 4}` }])
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, ...storm, { print: connectionLine(1, 'NetworkFailure') }, { hang: true }],
    now: [{ print: DUMP }],
  })
  for (let index = 0; index < 4; index += 1) host.write(`go-${index}`, '')
  const begun = performance.now()
  await follow(host, soFar => connectionOf(soFar.at(-1), 'pair/0') === 'NetworkFailure', {
    rereadAfterMs: 1,
    rereadGapMs: 3_600_000,
  })
  const dumps = host.commands.length - 1
  t.ok(dumps <= 1 + (performance.now() - begun) / 10_000, `${dumps} dumps`)
})

t.test('with a drbdsetup without --now, a second events2 provides the dump after lost lines', async t => {
  const refusal: Step[] = [{ complain: "events2: unrecognized option '--now'" }, { exit: 20 }]
  const host = new ScriptedHost(t.testdir({}), {
    events: [{ print: DUMP }, { await: 'go' }, { print: '- skipped 1\n' }, { hang: true }],
    now: refusal,
  })
  const updates = await follow(
    host,
    soFar => {
      if (soFar.length === 2) host.write('go', '')
      return soFar.length > 2 && soFar.at(-1)?.wholeAt !== soFar[1]?.wholeAt
    },
    QUICK_REREAD,
  )
  t.equal(updates.at(-1)?.doubt, null)
  t.equal(updates.at(-1)?.dumps, 1)
})

t.test(
  'a change that overtook its dump doubts only its volume; everything is reread unless a later line repeats it',
  async t => {
    const overtaking = 'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:SyncSource\n'
    const host = new ScriptedHost(
      t.testdir({}),
      script(`${overtaking}${DUMP}`, { await: 'go' }, { print: overtaking }, { hang: true }),
    )
    const settled = await follow(
      host,
      soFar => {
        if (isWhole(soFar)) host.write('go', '')
        return soFar.at(-1)?.changed.some(each => stateOf(each) === 'resyncing') === true
      },
      { confirmAfterMs: 3_600_000 },
    )
    const states = settled[1]?.changed.map(each => `${each.mirror} ${stateOf(each)}`)
    t.strictSame(states?.toSorted(), [...MIRRORS.slice(0, 4).map(mirror => `${mirror} synced`), 'pair/0 unknown'])
    t.match(settled.at(-1), { doubt: null, dumps: 1 })

    rmSync(join(host.root, 'go'))
    const reread = await follow(host, soFar => {
      if (isWhole(soFar)) host.play(followed)
      return soFar.at(-1)?.dumps === 2
    })
    t.match(reread.at(-2)?.doubt, 'overtook')
  },
)

t.test('an option that this drbdsetup rejects is omitted from then on', async t => {
  const refusal = "events2: unrecognized option '--statistics'"
  const host = new ScriptedHost(t.testdir({}), { events: [{ complain: refusal }, { exit: 20 }], now: [] })
  await follow(host, soFar => {
    if (soFar.at(-1)?.doubt?.includes('unrecognized') === true) host.play(followed)
    return isWhole(soFar)
  })
  t.equal(host.commands[0], 'events2 --timestamps --statistics')
  t.equal(host.commands.at(-1), 'events2 --timestamps')
})

/** An event line for the connection to bravo, with a timestamp of its own. */
function connectionLine(second: number, word: string, name = 'pair'): string {
  const at = `2026-11-22T17:00:${String(second % 60).padStart(2, '0')}.000000+00:00`
  return `${at} change connection name:${name} peer-node-id:1 conn-name:bravo connection:${word}\n`
}

const connectionOf = (update: DrbdUpdate | undefined, mirror: string) =>
  update?.changed.find(each => each.mirror === mirror)?.peers.find(({ peer }) => peer === 'bravo')?.connection

t.test('a flood that the consumer does not take is read all the same, and merged into one update', async t => {
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
  const updates: DrbdUpdate[] = []
  for await (const update of source) {
    updates.push(update)
    if (update.doubt === null && update.changed.length === MIRRORS.length) {
      host.write('go', '')
      while (!host.has('flooded')) await sleep(5)
    }
    if (connectionOf(update, 'pair/0') === 'NetworkFailure') break
  }
  t.ok(updates.length <= 10, `50 000 events made ${updates.length} updates`)
  t.ok(
    updates.slice(2).every(({ changed }) => changed.length <= 1),
    'unchanged volumes are not reported again',
  )
  t.strictSame(host.living, [], 'leaving the loop leaves no child')
})

t.test('a storm of failing handshakes costs one update per gathering, not per event', async t => {
  const words = ['Connecting', 'Connected', 'NetworkFailure', 'Unconnected']
  const steps = words.map((word, index): Step => ({ print: connectionLine(index, word) }))
  const storm = Array.from({ length: 500 }, () => steps).flat()
  const host = new ScriptedHost(
    t.testdir({}),
    script(DUMP, ...storm, { print: connectionLine(9, 'StandAlone') }, { hang: true }),
  )
  const begun = performance.now()
  const updates = await follow(host, soFar => connectionOf(soFar.at(-1), 'pair/0') === 'StandAlone')
  const most = 3 + (performance.now() - begun) / 4
  t.ok(updates.length <= most, `${updates.length} updates`)
})

t.test('lines of one kernel event that arrive apart are reported together', async t => {
  const [first = '', second = ''] = [
    'change connection name:pair peer-node-id:1 conn-name:bravo connection:NetworkFailure role:Unknown\n',
    'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:Off peer-disk:DUnknown\n',
  ].map(line => `2026-11-22T17:00:00.000001+00:00 ${line}`)
  const host = new ScriptedHost(
    t.testdir({}),
    script(DUMP, { await: 'go' }, { print: first }, { print: second }, { hang: true }),
  )
  const updates = await follow(
    host,
    soFar => {
      if (isWhole(soFar)) host.write('go', '')
      return connectionOf(soFar.at(-1), 'pair/0') === 'NetworkFailure'
    },
    { gatherMs: 250 },
  )
  const [volume] = updates.at(-1)?.changed ?? []
  t.equal(updates.length, 3)
  t.match(
    volume?.peers.find(({ peer }) => peer === 'bravo'),
    { connection: 'NetworkFailure', replication: 'Off', peerDisk: 'DUnknown' },
  )
})

t.test(
  'however the loop ends no child is left: not one that ignores SIGTERM, not one that holds the pipe of an ended process',
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

    // `sleep` keeps the pipe open after the shell has ended.
    const tool = join(root, 'holding-drbdsetup')
    writeFileSync(tool, `#!/bin/sh\nsleep 600 &\necho $! > ${root}/pid\ncat ${root}/dump.txt\nexit 20\n`, {
      mode: 0o755,
    })
    writeFileSync(join(root, 'dump.txt'), DUMP)
    const updates = await follow(
      { root: deaf.root, drbdsetup: [tool] },
      soFar => soFar.at(-1)?.doubt?.includes('exited 20') === true,
    )
    t.ok(updates.length > 0, 'the end is reported although the pipe is still open')
    process.kill(Number(readFileSync(join(root, 'pid'), 'utf8')))
  },
)
