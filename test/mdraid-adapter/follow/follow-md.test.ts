import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import t from 'tap'
import { DEFAULT_MD_PACE, followMd } from '../../../src/mdraid-adapter/follow/follow-md.ts'
import { foregroundClock } from '../../../src/platform/time/clock.ts'
import { fixtureNames, judged, type Recorded, readingOf, recordedMoments } from '../parse/recorded.ts'
import { Followed, MdHost, until } from './md-host.ts'

const SYNCED = moment('raid1-create-initial-resync.alpha.3-done')
const RESYNCING = moment('raid1-create-initial-resync.alpha.1-resyncing')
const FAILED = moment('raid1-fail-remove-readd-bitmap.alpha.1-failed')
const THREE_ARRAYS = moment('resync-delayed-shared-disks.alpha.5-done')
const NO_ARRAYS: Recorded = { at: '', mdstat: 'Personalities : [raid1] \nunused devices: <none>\n', files: {} }

const UUID = '8349c26d-d272-2bc4-d0d7-40e3ca9ddfb2'
const OTHER_UUID = '0b7f4a55-1d31-42c6-9c43-5ef5ab3d3f0e'

function moment(name: string): Recorded {
  const [first] = recordedMoments(`${name}.sysfs.txt`)
  if (first === undefined) throw new Error(`${name} is gone`)
  return first
}

function withUuid(recorded: Recorded, uuid: string): Recorded {
  return { ...recorded, files: { ...recorded.files, 'md0/md/uuid': `${uuid}\n` } }
}

t.test('an idle host causes one update, however often it is read', async t => {
  const host = new MdHost(t, THREE_ARRAYS)
  const followed = new Followed(t, { root: host.root })
  await followed.untilReadAgain(10)
  t.strictSame(followed.judged, ['md0 synced', 'md1 synced', 'md2 synced'])
  t.match(followed.updates, [{ removed: [], doubt: null, problems: [] }])
})

t.test('only the arrays that differ are published again', async t => {
  const host = new MdHost(t, THREE_ARRAYS)
  const followed = new Followed(t, { root: host.root })
  await followed.until(({ updates }) => updates.length === 1)
  host.writeSys('md1/md/sync_action', 'frozen\n')
  await followed.until(({ updates }) => updates.length === 2)
  t.match(followed.updates[1], { changed: [{ name: 'md1', syncAction: 'frozen' }], removed: [], doubt: null })
  t.equal(followed.updates[1]?.changed.length, 1)
})

t.test('every recorded stage is published: resync, check, repair, frozen, delayed, pending, failed, grown', async t => {
  const stages = fixtureNames('.sysfs.txt').flatMap(recordedMoments)
  const host = new MdHost(t)
  const followed = new Followed(t, { root: host.root })
  for (const recorded of stages) {
    const truth = judged(readingOf(recorded)).toSorted()
    host.show(recorded)
    await followed.until(({ judged }) => judged.join() === truth.join())
  }
  await followed.until(({ doubt }) => doubt === null)
})

t.test('while /proc/mdstat does not change, the files of the arrays are not read', async t => {
  const host = new MdHost(t, SYNCED)
  const followed = new Followed(t, { root: host.root, pace: { wholeEveryMs: 3_600_000 } })
  await followed.until(({ updates }) => updates.length === 1)
  const other = new Followed(t, { root: new MdHost(t, SYNCED).root })
  await other.untilReadAgain(10)
  t.equal(followed.readings, 1, 'a source that reads everything each time has done so ten times meanwhile')
  host.writeSys('md0/md/sync_action', 'frozen\n')
  host.write('proc/mdstat', SYNCED.mdstat?.replace('1/1 pages', '0/1 pages') ?? '')
  await followed.until(({ updates }) => updates.length === 2)
  t.match(followed.updates[1]?.changed, [{ name: 'md0', syncAction: 'frozen' }])
  t.equal(followed.readings, 2)
})

t.test('a host without md has no arrays; an array that appears is published', async t => {
  const host = new MdHost(t)
  const followed = new Followed(t, { root: host.root })
  await followed.untilReadAgain()
  t.match(followed.updates, [{ changed: [], removed: [], doubt: null }])
  host.show(RESYNCING)
  await followed.until(({ judged }) => judged.length === 1)
  host.show(NO_ARRAYS)
  await followed.until(({ judged }) => judged.length === 0)
  t.strictSame(followed.updates.at(-1)?.removed, ['md0'])
})

t.test('an array that is created again under the same name is removed first, so that it has no history', async t => {
  const host = new MdHost(t, withUuid(SYNCED, UUID))
  const followed = new Followed(t, { root: host.root })
  await followed.until(({ updates }) => updates.length === 1)
  host.show(withUuid(RESYNCING, OTHER_UUID))
  await followed.until(({ judged }) => judged[0]?.startsWith('md0 resyncing') === true)
  const created = followed.updates.find(({ removed }) => removed.length > 0)
  t.match(created, { removed: ['md0'], changed: [{ name: 'md0', uuid: OTHER_UUID }] })
})

t.test('an array whose files hang for a while is the same array afterwards', async t => {
  const host = new MdHost(t, withUuid(SYNCED, UUID))
  const followed = new Followed(t, { root: host.root })
  await followed.until(({ updates }) => updates.length === 1)
  host.remove('sys/block/md0/md/uuid')
  await followed.until(({ updates }) => updates.at(-1)?.changed[0]?.uuid === null)
  host.show(withUuid(SYNCED, UUID))
  await followed.until(({ updates }) => updates.at(-1)?.changed[0]?.uuid === UUID)
  t.ok(followed.updates.every(({ removed }) => removed.length === 0))
})

t.test('an unknown text is a doubt and one problem, and removes no array', async t => {
  const host = new MdHost(t, THREE_ARRAYS)
  const followed = new Followed(t, { root: host.root })
  await followed.until(({ updates }) => updates.length === 1)
  host.write('proc/mdstat', 'Personalities : [raid1]\n')
  host.remove('sys/block/md2')
  await followed.until(({ doubt }) => doubt !== null)
  await followed.untilReadAgain()
  t.match(followed.doubt, /unused devices/)
  t.ok(followed.updates.every(({ removed }) => removed.length === 0))
  t.equal(followed.problems.filter(problem => problem === 'null dump-incomplete').length, 1)
  host.show(NO_ARRAYS)
  await followed.until(({ doubt }) => doubt === null)
  t.strictSame(followed.judged, [])
})

t.test('without /proc/mdstat and /sys/block nothing is known', async t => {
  const host = new MdHost(t, SYNCED)
  host.remove('proc')
  host.remove('sys')
  const followed = new Followed(t, { root: host.root })
  await followed.untilReadAgain()
  t.match(followed.updates, [{ changed: [], doubt: /Neither/ }])
  t.equal(followed.updates.length, 1)
})

t.test('an array that only one of the two sources shows is read again before it is published', async t => {
  const host = new MdHost(t, NO_ARRAYS)
  const followed = new Followed(t, { root: host.root, pace: { restMs: 150 } })
  await followed.until(({ updates }) => updates.length === 1)
  // As if it were created between the two reads.
  host.show({ ...SYNCED, mdstat: NO_ARRAYS.mdstat })
  setTimeout(() => host.show(SYNCED), 50)
  await followed.until(({ judged }) => judged.length === 1)
  t.match(followed.updates.at(-1)?.changed, [{ name: 'md0', doubts: [] }], 'its first update is complete')
  t.equal(followed.updates.length, 2)
  host.write('proc/mdstat', NO_ARRAYS.mdstat ?? '')
  await followed.until(({ judged }) => judged[0]?.startsWith('md0 unknown contradiction') === true)
  t.pass('a lasting difference is published')
})

t.test('reads that hang', async t => {
  /** On a busy machine other reads may hang for a moment, too, so these tests wait until the expected state is reached. */
  const pace = { readTimeoutMs: 100, readRetryMs: 20 }

  t.test('make their array unknown, name the file, and do not hide the others', async t => {
    const host = new MdHost(t, THREE_ARRAYS)
    const release = host.hang('sys/block/md1/md/sync_action')
    const followed = new Followed(t, { root: host.root, pace })
    const hanging = 'md0 synced,md1 unknown source-silent(time sync_action),md2 synced'
    await followed.until(({ judged, doubt }) => judged.join() === hanging && doubt === null)
    const problems = () =>
      followed.updates.flatMap(each => each.problems.filter(({ text }) => /md1\/md\/sync_action"$/.test(text)))
    t.match(problems(), [{ code: 'read-hung', device: 'md1' }])
    host.writeSys('md2/md/sync_action', 'frozen\n')
    await followed.until(({ updates }) => updates.at(-1)?.changed[0]?.syncAction === 'frozen')
    t.equal(problems().length, 1, 'the problem is published once')
    release('idle\n')
    await followed.until(({ judged }) => judged[1] === 'md1 synced')
  })

  t.test('of several arrays at once do not hide the others, and occupy no thread of this process', async t => {
    const host = new MdHost(t)
    const many = ['md1', 'md2', 'md3', 'md4', 'md5', 'md6']
    const files = THREE_ARRAYS.files
    const copies = many.flatMap(name =>
      Object.entries(files)
        .filter(([path]) => path.startsWith('md0/'))
        .map(([path, text]): [string, string | undefined] => [path.replace('md0/', `${name}/`), text]),
    )
    host.show({ at: '', mdstat: undefined, files: Object.fromEntries(copies) })
    const hanging = many.slice(0, 5)
    const releases = hanging.map(name => host.hang(`sys/block/${name}/md/array_state`))
    const followed = new Followed(t, { root: host.root, pace })
    const isSilent = (word: string) => word.includes('unknown') && word.includes('source-silent(time array_state)')
    await followed.until(
      ({ judged, doubt }) =>
        doubt === null && judged.slice(0, 5).every(isSilent) && judged[5]?.startsWith('md6 synced') === true,
    )
    host.writeSys('md6/md/sync_action', 'frozen\n')
    await followed.until(({ updates }) => updates.at(-1)?.changed[0]?.syncAction === 'frozen')
    t.ok(await readFile(import.meta.filename, 'utf8'), 'the rest of the process can still read files')
    for (const release of releases) release('clean\n')
    await followed.until(({ judged }) => !judged.some(isSilent))
  })

  t.test('are detected within 15 s with the default pace', async t => {
    const { idleEveryMs, wholeEveryMs, readTimeoutMs, busyEveryMs } = DEFAULT_MD_PACE
    t.ok(wholeEveryMs + readTimeoutMs + busyEveryMs < 13_000)
    t.equal(wholeEveryMs % idleEveryMs, 0)
  })

  t.test('of /proc/mdstat are a doubt, and sysfs is still read', async t => {
    const host = new MdHost(t, SYNCED)
    const release = host.hang('proc/mdstat')
    const followed = new Followed(t, { root: host.root, pace })
    await followed.until(({ doubt }) => /A read of a kernel file hangs: ".*\/proc\/mdstat"/.test(doubt ?? ''))
    await followed.untilReadAgain(5)
    host.writeSys('md0/md/sync_action', 'frozen\n')
    await followed.until(({ updates }) => updates.at(-1)?.changed[0]?.syncAction === 'frozen')
    t.not(followed.doubt, null)
    release(SYNCED.mdstat ?? '')
    await followed.until(({ doubt }) => doubt === null)
  })

  t.test('do not prevent the source from ending', async t => {
    const host = new MdHost(t, SYNCED)
    host.hang('proc/mdstat')
    const followed = new Followed(t, { root: host.root, pace: { readTimeoutMs: 60_000 } })
    await followed.stop()
    t.strictSame(followed.updates, [])
  })
})

t.test('mdadm --monitor', async t => {
  /** So long that only a hint can cause a reading. */
  const slow = { idleEveryMs: 60_000, wholeEveryMs: 600_000, firstRetryMs: 5, lastRetryMs: 20 }
  /** Prints the lines that are written into the pipe `lines`. */
  const printing = 'echo $$ >> $HERE/pids; echo "$@" > $HERE/arguments; mkfifo $HERE/lines; exec cat $HERE/lines'

  const pidsOf = (host: MdHost) => {
    const file = host.path('pids')
    const text = existsSync(file) ? readFileSync(file, 'utf8') : ''
    return text.split('\n').slice(0, -1).map(Number)
  }

  t.test('every output is a hint to read, and is not evidence', async t => {
    const host = new MdHost(t, SYNCED)
    const followed = new Followed(t, { root: host.root, mdadm: host.mdadm(printing), pace: slow })
    await until(() => existsSync(host.path('lines')))
    host.show(FAILED)
    writeFileSync(host.path('lines'), 'RebuildFinished /dev/md0\n')
    await followed.until(({ judged }) => judged[0]?.startsWith('md0 degraded') === true)
    t.match(
      readFileSync(host.path('arguments'), 'utf8'),
      /^--monitor --scan --config=none --no-sharing --delay=\d+ --program=\/bin\/echo$/m,
      'it sends no mail, moves no spares, and needs no configuration',
    )
  })

  t.test('is not started without arrays', async t => {
    const host = new MdHost(t, NO_ARRAYS)
    const followed = new Followed(t, { root: host.root, mdadm: host.mdadm(printing), pace: { firstRetryMs: 1 } })
    await followed.untilReadAgain(10)
    t.strictSame(pidsOf(host), [])
    host.show(SYNCED)
    await until(() => pidsOf(host).length === 1)
    t.pass('it is when an array comes')
  })

  t.test('is started again after any end, which is also a hint', async t => {
    for (const [end, problems] of [
      ['exit 0', []],
      ['exit 3', ['null monitor-ended']],
      ['kill -KILL $$', ['null monitor-ended']],
    ] as const) {
      const host = new MdHost(t, SYNCED)
      const followed = new Followed(t, {
        root: host.root,
        mdadm: host.mdadm(`echo $$ >> $HERE/pids; ${end}`),
        pace: { ...slow, busyEveryMs: 5 },
      })
      await until(() => pidsOf(host).length >= 4)
      await followed.untilReadAgain(2)
      t.strictSame(followed.problems, problems, `${end}: published once`)
      t.equal(followed.doubt, null)
      await followed.stop()
    }
  })

  t.test('is reported as a problem and tried again if it is not installed', async t => {
    const host = new MdHost(t, SYNCED)
    const mdadm = [host.path('nowhere/mdadm')] as const
    const followed = new Followed(t, { root: host.root, mdadm, pace: slow })
    await followed.until(({ problems }) => problems.length > 0)
    t.match(followed.updates.at(-1)?.problems, [{ code: 'monitor-ended', text: /nowhere\/mdadm does not exist$/ }])
    const file = host.mdadm(printing)[1]
    host.write('nowhere/mdadm', `#!/bin/sh\n${readFileSync(file, 'utf8')}`)
    chmodSync(host.path('nowhere/mdadm'), 0o755)
    await until(() => pidsOf(host).length === 1)
    t.equal(followed.doubt, null)
  })

  t.test('causes no more readings than the pace allows, however much it prints', async t => {
    const host = new MdHost(t, SYNCED)
    const pace = { ...slow, restMs: 20, busyEveryMs: 20 }
    const followed = new Followed(t, { root: host.root, mdadm: host.mdadm('exec yes RebuildStarted'), pace })
    await followed.untilReadAgain(2)
    const startedAt = performance.now()
    await followed.untilReadAgain(10)
    t.ok(performance.now() - startedAt >= 9 * 20)
    t.equal(followed.updates.length, 1)
  })

  t.test('has ended when the source has ended, even if it ignores SIGTERM', async t => {
    const deaf = "trap '' TERM; echo $$ >> $HERE/pids; while :; do sleep 0.05; done"
    const stopped = 'echo $$ >> $HERE/pids; kill -STOP $$'
    await Promise.all(
      [printing, deaf, stopped].map(async script => {
        const host = new MdHost(t, SYNCED)
        const followed = new Followed(t, { root: host.root, mdadm: host.mdadm(script), pace: slow })
        await until(() => pidsOf(host).length === 1)
        await followed.stop()
        const [pid = 0] = pidsOf(host)
        t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, script)
      }),
    )
  })

  t.test('ends when the consumer stops iterating', async t => {
    const host = new MdHost(t, SYNCED)
    const pace = { busyEveryMs: 5, idleEveryMs: 5, wholeEveryMs: 5, restMs: 1 }
    const { signal } = new AbortController()
    const source = followMd({ root: host.root, clock: foregroundClock, signal, mdadm: host.mdadm(printing), pace })
    for await (const { changed } of source) {
      if (pidsOf(host).length > 0) break
      host.writeSys('md0/md/sync_action', changed[0]?.syncAction === 'idle' ? 'frozen\n' : 'idle\n')
    }
    const [pid = 0] = pidsOf(host)
    t.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })
})
