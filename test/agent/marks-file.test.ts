import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { decodeMarks, encodeMarks, MarksFile } from '../../src/agent/marks-file.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { MarksMemory } from '../../src/sync-query/history/marks/marks-memory.ts'
import { reason } from '../../src/sync-query/reason/reason.ts'
import { hostOf, SR, volume } from '../host-state/host-under-test.ts'
import { peer } from '../sync-query/drbd-volume.ts'

const NOT_CONNECTED = volume('mesh0/0', [
  peer('hostB', { connection: 'Connecting', replication: 'Off', peerDisk: 'DUnknown', outOfSyncBytes: 65_536 }),
])
const RESYNC = volume('mesh0/0', [
  peer('hostB', { replication: 'SyncSource', peerDisk: 'Inconsistent', outOfSyncBytes: 65_536 }),
])
const IN_SYNC = volume('mesh0/0')

/** An agent of a process whose file of marks is `path`. */
async function processOf(path: string) {
  const clock = { now: 0 }
  const problems: string[] = []
  const file = await MarksFile.open({
    path,
    clock: { ...machineClock, steadyNow: () => clock.now },
    onProblem: text => problems.push(text),
  })
  const { observe, host } = hostOf({ marks: file.memory })
  const codes = () => host.monitor.status(SR)?.reasons.map(({ code }) => code)
  return { observe, codes, file, clock, problems, state: () => host.monitor.status(SR)?.state }
}

t.test('the data that a peer missed is remembered over a restart of the agent', async t => {
  const statesOf = async (before: (typeof IN_SYNC)[], after: (typeof IN_SYNC)[]) => {
    const path = join(t.testdir(), 'state', 'owed-marks.json')
    const first = await processOf(path)
    for (const [at, each] of before.entries()) first.observe(at + 1, [each])
    await first.file.close()
    const second = await processOf(path)
    for (const [at, each] of after.entries()) second.observe(at + 1, [each])
    return [second.state(), ...(second.codes() ?? [])]
  }
  t.strictSame(
    await statesOf([NOT_CONNECTED], [NOT_CONNECTED, IN_SYNC]),
    ['degraded', 'rejoined-unrepaired'],
    'it returns after the restart',
  )
  t.strictSame(
    await statesOf([NOT_CONNECTED, IN_SYNC], [IN_SYNC, IN_SYNC]),
    ['degraded', 'rejoined-unrepaired'],
    'it returned before the restart',
  )
  t.strictSame(await statesOf([NOT_CONNECTED, IN_SYNC], [IN_SYNC, RESYNC, IN_SYNC]), ['synced'], 'until it is repaired')
  t.strictSame(
    await statesOf([NOT_CONNECTED], [IN_SYNC]),
    ['synced', 'rejoined-unwatched'],
    'it returned while no agent ran',
  )
  t.strictSame(await statesOf([NOT_CONNECTED, RESYNC], [IN_SYNC]), ['synced'], 'a resync ended meanwhile')
  t.strictSame(await statesOf([NOT_CONNECTED], [RESYNC, IN_SYNC]), ['synced'], 'a resync began meanwhile')
})

t.test('facts are written a second after a change, amounts alone once a minute', async t => {
  const path = join(t.testdir(), 'owed-marks.json')
  const { observe, file, clock } = await processOf(path)
  const owed = (bytes: number) =>
    volume('mesh0/0', [peer('hostB', { connection: 'Connecting', replication: 'Off', outOfSyncBytes: bytes })])
  const written = async () => {
    file.tick()
    await file.close()
    return JSON.parse(await readFile(path, 'utf8')).mirrors[0].pairs[0].owedBytes
  }
  observe(1, [owed(4096)])
  t.equal(await written(), 4096)
  const idle = await readFile(path, 'utf8')
  clock.now += 3_600_000
  observe(2, [owed(4096)])
  file.tick()
  t.equal(await readFile(path, 'utf8'), idle, 'nothing has changed')
  observe(3, [owed(8192)])
  clock.now = 3_600_000 + 59_000
  t.equal(await written(), 8192, 'the last amount is written at the end')
})

t.test('a file that cannot be read leaves the SR unknown, and is not overwritten', async t => {
  for (const content of ['', '{', '[]', '{"schema":2,"mirrors":[]}', '{"schema":1,"mirrors":[{"mirror":"r0/0"}]}']) {
    const path = join(t.testdir(), 'owed-marks.json')
    await writeFile(path, content)
    const { file, observe } = await processOf(path)
    t.match(file.doubt, /./, content)
    observe(1, [NOT_CONNECTED])
    await file.close()
    t.equal(await readFile(path, 'utf8'), content)
  }
  const marksDoubt = reason('memory-unreadable', '*', { word: 'it is not JSON', waitsFor: '/x' })
  const { observe, host } = hostOf({ memoryDoubts: { drbd: marksDoubt } })
  observe(1, [IN_SYNC])
  t.match(host.monitor.status(SR), {
    state: 'unknown',
    reasons: [{ code: 'memory-unreadable', clearedBy: 'operator' }],
  })
})

t.test('a file that cannot be written is reported once', async t => {
  const path = join(t.testdir(), 'owed-marks.json')
  await mkdir(path)
  const { file, problems } = await processOf(path)
  t.match(file.doubt, /is a directory/)
  t.strictSame(problems, [])
  const under = join(t.testdir({ plain: 'a file' }), 'plain', 'owed-marks.json')
  const other = await processOf(under)
  t.match(other.file.doubt, /is not a directory/)
})

t.test('valid entries of a file are used although others are invalid', async t => {
  const { mirrors, doubt } = decodeMarks(
    '{"schema":1,"mirrors":[{"mirror":"a/0","pairs":[{"peer":"b","owedBytes":1}]},{"mirror":"c/0","pairs":[{"peer":"","owedBytes":-1}]}]}',
  )
  t.match(mirrors, [{ mirror: 'a/0', pairs: [{ peer: 'b', owedBytes: 1, verdict: 'none' }] }])
  t.match(doubt, /./)
})

t.test('the reader accepts any text, and everything that the writer writes', async t => {
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), text => Array.isArray(decodeMarks(text).mirrors)))
  const memory = new MarksMemory()
  const { observe } = hostOf({ marks: memory })
  observe(1, [
    volume('mesh0/0', [peer('h'.repeat(200), { replication: 'Off', outOfSyncBytes: Number.MAX_SAFE_INTEGER })]),
  ])
  const { mirrors, doubt } = decodeMarks(encodeMarks(memory.all()))
  t.equal(doubt, null)
  t.strictSame(mirrors, [...memory.all()])
})
