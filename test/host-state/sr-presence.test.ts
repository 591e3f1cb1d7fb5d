import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { MirrorMemory, memoryFileOf } from '../../src/agent/mirror-memory.ts'
import type { Reason } from '../../src/sync-query/reason/reason.ts'
import { describe } from '../../src/sync-query/reason/reason.ts'
import { array, drbdSr, expected, hostOf, maybeEmpty, SR, volume } from './host-under-test.ts'

const OTHER_SR = '5c5c5c5c-0000-4000-8000-000000000002'

const reasonsOf = ({ host }: Pick<ReturnType<typeof hostOf>, 'host'>, sr = SR) =>
  host.report(sr)?.reasons.map(({ code }) => code)

const sentenceOf = ({ host }: Pick<ReturnType<typeof hostOf>, 'host'>, sr = SR) =>
  host.monitor
    .status(sr)
    ?.reasons.map((reason: Reason) => describe(reason))
    .join()

t.test(
  'an SR whose patterns match nothing is unknown; the reason has the patterns and the mirrors that no SR watches',
  async t => {
    const a = hostOf({ srs: [drbdSr(['xcp-volum-*'])] })
    a.observe(1, [], 'not everything has been read yet')
    t.strictSame(reasonsOf(a), ['source-silent'], 'nothing is judged before the reading is complete')
    a.observe(2, [volume('xcp-volume-1/0'), volume('xcp-volume-1/1'), volume('xcp-volume-2/0')])
    a.observeMd(2, [array('md7')])
    t.match(a.host.report(SR), {
      state: 'unknown',
      reasons: [{ code: 'no-mirrors', mirror: '*', clearedBy: 'operator' }],
    })
    t.equal(
      sentenceOf(a),
      'no mirror on this host matches the patterns of the SR (hostA: drbd xcp-volum-*); no SR watches DRBD xcp-volume-1 xcp-volume-2, md md7 (needs an operator)',
    )
    a.host.select([drbdSr(['xcp-volume-*'])])
    t.equal(a.state(), 'synced', 'the pattern was corrected')
    t.strictSame(a.host.unwatched(), { drbd: [], md: ['md7'], doubts: [] })
    a.host.select([drbdSr(['xcp-volum-*'])])
    t.equal(a.state(), 'unknown', 'the pattern was mistyped while the agent runs')
  },
)

t.test('an SR with allowEmpty is synced without mirrors; an SR without patterns is unknown', async t => {
  const a = hostOf({ srs: [maybeEmpty(drbdSr(['xcp-*'])), drbdSr([], [], OTHER_SR)] })
  a.observe(1, [volume('scratch/0')])
  t.strictSame([a.state(), a.state(OTHER_SR)], ['synced', 'unknown'])
  a.observeMd(2, [])
  t.strictSame(reasonsOf(a, OTHER_SR), ['no-mirrors'])
  t.match(sentenceOf(a, OTHER_SR), /the SR has no patterns/)
})

t.test('the sentence has a bounded length', async t => {
  const patterns = Array.from({ length: 1_000 }, (_, index) => `${'x'.repeat(200)}${index}-*`)
  const a = hostOf({ srs: [drbdSr(patterns)] })
  a.observe(
    1,
    Array.from({ length: 2_000 }, (_, index) => volume(`other-${index}/0`)),
  )
  const sentence = sentenceOf(a) ?? ''
  t.ok(sentence.length < 700, `${sentence.length} characters`)
  t.match(sentence, /and 995 more\).* and 1995 more/)
})

/** A freshly started agent that keeps its mirror memory on disk. */
function startWith(folder: string, srs = [maybeEmpty(drbdSr(['xcp-*']))]) {
  const problems: string[] = []
  const memory = new MirrorMemory(folder, text => problems.push(text))
  const under = hostOf({ srs, memory })
  const stop = async () => {
    under.host.tick()
    await memory.close()
    await under.host.close()
  }
  return { ...under, memory, problems, stop }
}

t.test('an SR that had mirrors is not in sync after a boot without kernel module and configuration', async t => {
  const folder = join(t.testdir({}), 'had-mirrors')
  const before = startWith(folder)
  before.observe(1, [volume('xcp-1/0'), volume('xcp-2/0')])
  t.equal(before.state(), 'synced')
  await before.stop()

  const after = startWith(folder)
  after.observe(2, [], 'not everything has been read yet')
  t.strictSame(reasonsOf(after), ['source-silent'])
  after.observe(3, [])
  t.match(after.host.report(SR), { state: 'unknown', reasons: [{ code: 'mirrors-gone', clearedBy: 'operator' }] })
  t.match(sentenceOf(after), /hostA had DRBD xcp-1\/0 xcp-2\/0/)
  after.observe(4, [volume('xcp-1/0')])
  t.equal(after.state(), 'synced', 'a mirror is back')
  await after.stop()

  const again = startWith(folder)
  again.observe(5, [])
  again.host.tick()
  t.equal(again.state(), 'unknown')
  rmSync(memoryFileOf(folder, SR))
  again.host.tick()
  t.equal(again.state(), 'synced', 'an operator has removed the file')
  await again.stop()
  t.notOk(existsSync(memoryFileOf(folder, SR)), 'the file stays removed')
})

t.test('an SR is not in sync when a mirror that was configured and never up is no longer expected', async t => {
  const folder = join(t.testdir({}), 'had-mirrors')
  const before = startWith(folder)
  before.observe(1, [volume('xcp-1/0')])
  await before.stop()
  const after = startWith(folder)
  after.host.expect('drbd', expected('xcp-1/0'))
  after.observe(2, [])
  t.strictSame(reasonsOf(after), ['not-up'])
  after.host.expect('drbd', [])
  after.time.now = 700_000
  after.host.tick()
  t.strictSame(reasonsOf(after), ['mirrors-gone'], 'the LINSTOR satellite has removed its files and writes no new ones')
  await after.stop()
})

t.test(
  'an SR stays in sync when its last mirror leaves the kernel and the configuration while the daemon runs',
  async t => {
    const folder = join(t.testdir({}), 'had-mirrors')
    const before = startWith(folder)
    before.observe(1, [volume('xcp-1/0')])
    before.host.tick()
    before.kinds.length = 0
    before.observe(2, [], null, ['xcp-1/0'])
    t.equal(before.state(), 'synced')
    t.strictSame(before.kinds, [], 'there is no transition')
    await before.stop()
    const after = startWith(folder)
    after.observe(3, [])
    t.equal(after.state(), 'synced')
    await after.stop()
  },
)

t.test('a pattern that is changed to match nothing does not make the SR forget its mirrors', async t => {
  const folder = join(t.testdir({}), 'had-mirrors')
  const a = startWith(folder)
  a.observe(1, [volume('xcp-1/0')])
  a.host.tick()
  a.host.select([maybeEmpty(drbdSr(['xpc-*']))])
  a.host.tick()
  t.strictSame(reasonsOf(a), ['mirrors-gone'])
  await a.stop()
})

t.test('an SR of both backends that has lost all mirrors of one backend is not in sync', async t => {
  const folder = join(t.testdir({}), 'had-mirrors')
  const both = [maybeEmpty({ ...drbdSr(['xcp-*']), md: ['md*'] })]
  const before = startWith(folder, both)
  before.observe(1, [volume('xcp-1/0')])
  before.observeMd(1, [array('md7')])
  await before.stop()
  const after = startWith(folder, both)
  after.observe(2, [])
  after.observeMd(2, [array('md7')])
  t.strictSame(reasonsOf(after), ['mirrors-gone'])
  after.host.tick()
  t.strictSame(reasonsOf(after), ['mirrors-gone'], 'the mirrors that are present do not replace the memory')
  after.host.select([maybeEmpty({ ...drbdSr([]), md: ['md*'] })])
  t.equal(after.state(), 'synced', 'the configuration no longer selects DRBD volumes')
  await after.stop()
})

t.test('a memory that cannot be read is reported, and its SR counts as one that had mirrors', async t => {
  for (const content of ['{', '{"schema":2}', 'x'.repeat(100_000)]) {
    const folder = join(t.testdir({}), 'had-mirrors')
    mkdirSync(folder, { recursive: true })
    writeFileSync(memoryFileOf(folder, SR), content)
    const a = startWith(folder)
    a.observe(1, [])
    t.strictSame(reasonsOf(a), ['mirrors-gone'])
    t.match(sentenceOf(a), /cannot be read/)
    t.equal(a.problems.length, 1)
    a.host.tick()
    t.equal(readFileSync(memoryFileOf(folder, SR), 'utf8'), content, 'the agent does not change the file')
    a.observe(2, [volume('xcp-1/0')])
    t.equal(a.state(), 'synced', 'a present mirror makes the SR in sync')
    await a.stop()
    t.match(JSON.parse(readFileSync(memoryFileOf(folder, SR), 'utf8')), { schema: 1, drbd: { count: 1 } })
    rmSync(folder, { recursive: true })
  }
})

t.test('a memory that cannot be written is reported once and written later', async t => {
  const root = t.testdir({ file: '' })
  const folder = join(root, 'file', 'had-mirrors')
  const a = startWith(folder)
  a.observe(1, [volume('xcp-1/0')])
  a.host.tick()
  await a.memory.close()
  a.memory.retry()
  await a.memory.close()
  t.match(a.problems, [/cannot be read: a part of the path is not/, /cannot be written: a part of the path is not/])
  t.equal(a.problems.length, 2)
  a.host.tick()
  t.equal(a.state(), 'synced')
  rmSync(join(root, 'file'))
  a.memory.retry()
  await a.stop()
  t.ok(existsSync(memoryFileOf(folder, SR)))
  chmodSync(memoryFileOf(folder, SR), 0o600)
})
