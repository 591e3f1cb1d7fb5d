import { join } from 'node:path'
import t from 'tap'
import { readMdArrays } from '../../../src/mdraid-adapter/follow/md-reader.ts'
import { parseMdSysfs } from '../../../src/mdraid-adapter/parse/parse-md-sysfs.ts'
import { parseMdstat } from '../../../src/mdraid-adapter/parse/parse-mdstat.ts'
import { foregroundClock } from '../../../src/platform/time/clock.ts'
import { judgeMdArray } from '../../../src/sync-query/judge/judge-md.ts'
import { describe, remedy } from '../../../src/sync-query/reason/reason.ts'
import { fixtureText, judged } from './recorded.ts'

const EDGES = join(import.meta.dirname, '../../fixtures/md/edges')

t.test('a member with bad blocks is degraded, with the number of bad sectors', async t => {
  for (const mdstat of [{}, { mdstat: join(EDGES, 'md-bad-blocks/mdstat') }]) {
    const reading = await readMdArrays({ sysBlock: join(EDGES, 'md-bad-blocks/sys/block'), ...mdstat }, foregroundClock)
    t.ok(reading.understood)
    t.strictSame(judged(reading), ['md0 degraded member-bad-blocks(operator sd1)'])
    const [judgement] = reading.arrays.map(judgeMdArray)
    const [found] = judgement?.reasons ?? []
    if (found === undefined) throw new Error('there is no reason')
    t.match(describe(found), 'sd1 of md0 has bad blocks (520 sectors)')
    t.strictSame(judgement?.replicas, { expected: 2, current: 1 })
    t.match(remedy(found, 'sr', 'hostA').steps[0]?.commands, [
      'cat /sys/block/md0/md/dev-sd1/state /sys/block/md0/md/dev-sd1/bad_blocks',
      /--add/,
      'mdadm --manage /dev/md0 --replace /dev/sd1',
      'echo repair > /sys/block/md0/md/sync_action',
    ])
  }
})

t.test('of a list of bad blocks that is cut off, the listed ones are counted', async t => {
  const listed = '1000000 80\n'.repeat(400).slice(0, 4095)
  const [member] =
    parseMdSysfs({ 'md0/md/level': 'raid1', 'md0/md/dev-sda/slot': '0', 'md0/md/dev-sda/bad_blocks': listed }).arrays[0]
      ?.members ?? []
  t.equal(member?.badBytes, 372 * 80 * 512)
})

t.test('an array that was not started after a boot is inactive and needs an operator, with either source', async t => {
  const root = join(EDGES, 'inactive-after-boot')
  const sysBlock = join(root, 'sys/block')
  const mdstat = join(root, 'proc/mdstat')
  const inactive = ['md127 degraded array-inactive(operator array_state)']
  t.strictSame(judged(await readMdArrays({ sysBlock, mdstat }, foregroundClock)), inactive)
  t.strictSame(judged(await readMdArrays({ sysBlock }, foregroundClock)), inactive)
  t.strictSame(judged(parseMdstat(fixtureText('edges/inactive-after-boot/proc/mdstat'))), inactive)
})

t.test('a broken array is shown as broken, with the member that failed', async t => {
  const reading = parseMdstat(fixtureText('edges/mdstat-broken-raid1.txt'))
  t.ok(reading.understood)
  t.strictSame(judged(reading), ['md0 degraded array-degraded(operator array_state) member-failed(operator dm-1)'])
  const [found] = reading.arrays.flatMap(array => judgeMdArray(array).reasons)
  t.match(found && describe(found), 'md0 is broken')
})

t.test('an estimate of thousands of years is unknown', async t => {
  const [array] = parseMdstat(fixtureText('edges/mdstat-eta-3918230862min.txt')).arrays
  t.match(array?.operation, { kind: 'recovery', status: 'running', etaSeconds: null })
})
