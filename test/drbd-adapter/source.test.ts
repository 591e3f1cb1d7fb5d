import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type DrbdUpdate, followDrbd } from '../../src/drbd-adapter/source.ts'
import { judgeDrbdVolume } from '../../src/sync-query/judge-drbd.ts'

const DRBDSETUP = join(import.meta.dirname, 'dying-drbdsetup.ts')
const IN_SYNC = join(import.meta.dirname, '../../scenarios/reboot-and-resync/charlie.in-sync.events2.txt')
const PACE = { gatherMs: 5, moduleEveryMs: 5, firstRestartMs: 5, lastRestartMs: 20 }

/** Follows until `enough` says so; returns what was told. */
async function follow(
  root: string,
  drbdsetup: readonly [string, ...string[]],
  enough: (updates: readonly DrbdUpdate[]) => boolean,
): Promise<DrbdUpdate[]> {
  const stop = new AbortController()
  const updates: DrbdUpdate[] = []
  const deadline = setTimeout(() => stop.abort(), 20_000)
  for await (const update of followDrbd({ drbdsetup, root, now: Date.now, signal: stop.signal, pace: PACE })) {
    updates.push(update)
    if (enough(updates)) stop.abort()
  }
  clearTimeout(deadline)
  if (!enough(updates)) throw new Error(`it never came about: ${JSON.stringify(updates).slice(0, 500)}`)
  return updates
}

const command = (file: string, end: string) => [process.execPath, DRBDSETUP, file, end] as const
const mirrorsOf = (updates: readonly DrbdUpdate[]) => updates.flatMap(({ changed }) => changed.map(each => each.mirror))

function rootWithModule(folder: string): string {
  mkdirSync(join(folder, 'sys/module/drbd'), { recursive: true })
  return folder
}

t.test('without the module nothing is asked, for asking would load it; the kernel then has no volumes', async t => {
  const root = t.testdir({})
  const updates = await follow(root, ['/nonexistent/drbdsetup'], told => told.length === 3)
  t.match(updates, Array(3).fill({ changed: [], removed: [], doubt: null }))
})

t.test('the module is unloaded while it is watched: its volumes are told as gone', async t => {
  const root = rootWithModule(t.testdir({}))
  const updates = await follow(root, command(IN_SYNC, '0'), told => {
    if (told.some(({ doubt }) => doubt === null))
      rmSync(join(root, 'sys/module/drbd'), { recursive: true, force: true })
    return told.some(({ removed }) => removed.length > 0)
  })
  t.same(updates.at(-1)?.removed.toSorted(), ['client/0', 'mesh0/0', 'mesh1/0', 'mesh1/1'])
})

t.test('a whole dump is told as whole, and all its volumes are in sync', async t => {
  const root = rootWithModule(t.testdir({}))
  const updates = await follow(root, command(IN_SYNC, 'hang'), told => told.some(({ doubt }) => doubt === null))
  const last = updates.at(-1)
  t.equal(last?.doubt, null)
  t.strictSame(
    last?.changed.map(each => judgeDrbdVolume(each).state),
    ['synced', 'synced', 'synced', 'synced'],
  )
})

t.test('half a dump is never served as whole, whether the tool then hangs or dies', async t => {
  const root = rootWithModule(t.testdir({}))
  const half = join(root, 'half.txt')
  const text = readFileSync(IN_SYNC, 'utf8')
  writeFileSync(half, text.slice(0, text.indexOf('exists -')))
  for (const end of ['hang', '0', '20', 'SIGKILL']) {
    const updates = await follow(root, command(half, end), told => told.length >= (end === 'hang' ? 1 : 3))
    t.ok(updates.every(({ doubt }) => doubt !== null))
    t.ok(mirrorsOf(updates).length > 0)
    for (const { changed } of updates) {
      t.ok(
        changed.every(each => judgeDrbdVolume(each).state === 'unknown'),
        end,
      )
    }
  }
})

t.test('any end of the stream is told at once with its cause, and everything is read again', async t => {
  const root = rootWithModule(t.testdir({}))
  const table: [string, string][] = [
    ['0', 'events2 exited 0'],
    ['20', 'events2 exited 20'],
    ['121', 'events2 exited 121'],
    ['SIGKILL', 'events2 was killed by SIGKILL'],
  ]
  for (const [end, cause] of table) {
    const updates = await follow(root, command(IN_SYNC, end), told => {
      const first = told.findIndex(({ doubt }) => doubt?.includes(cause) === true)
      return first !== -1 && told.slice(first).some(({ doubt }) => doubt === null)
    })
    t.ok(updates.length > 0, `${cause}, then whole again`)
  }
})

t.test('a tool that is not there: said, and tried again', async t => {
  const root = rootWithModule(t.testdir({}))
  const updates = await follow(root, ['/nonexistent/drbdsetup'], told => told.length === 2)
  t.match(updates, Array(2).fill({ changed: [], removed: [], doubt: '/nonexistent/drbdsetup: ENOENT' }))
})

t.test('a volume that the next dump no longer names is told as gone', async t => {
  const root = rootWithModule(t.testdir({}))
  const file = join(root, 'stream.txt')
  const text = readFileSync(IN_SYNC, 'utf8')
  writeFileSync(file, text)
  const updates = await follow(root, command(file, '20'), told => {
    if (told.length === 1) writeFileSync(file, text.replaceAll(/^.* name:client .*\n/gm, ''))
    return told.some(({ removed }) => removed.includes('client/0'))
  })
  t.equal(updates.at(-1)?.doubt, null)
})

t.test('a line that cannot be applied means that an event was lost: everything is read again', async t => {
  const root = rootWithModule(t.testdir({}))
  const file = join(root, 'stream.txt')
  writeFileSync(file, `${readFileSync(IN_SYNC, 'utf8')}chXnge peer-device name:mesh0 replication:SyncSource\n`)
  const updates = await follow(root, command(file, 'hang'), told => {
    const lost = told.findIndex(({ doubt }) => doubt?.startsWith('events were lost') === true)
    if (lost !== -1) writeFileSync(file, readFileSync(IN_SYNC, 'utf8'))
    return lost !== -1 && told.slice(lost).some(({ doubt }) => doubt === null)
  })
  t.equal(updates.at(-1)?.doubt, null)
})
