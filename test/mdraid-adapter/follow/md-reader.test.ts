import { chmod, mkdir, symlink, unlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { readMdArrays } from '../../../src/mdraid-adapter/follow/md-reader.ts'
import { foregroundClock } from '../../../src/platform/time/clock.ts'
import { judged, type Recorded, recordedMoments } from '../parse/recorded.ts'

const [RECOVERING] = recordedMoments('raid1-spare-full-recovery.alpha.2-recovering-to-spare.sysfs.txt')

/** The recorded /proc and /sys of a host, with the links of sysfs. */
async function hostOf(t: Test, { mdstat, files }: Recorded) {
  const root = t.testdir({ proc: {}, sys: { block: {}, devices: {} } })
  const paths = { sysBlock: join(root, 'sys', 'block'), mdstat: join(root, 'proc', 'mdstat') }
  if (mdstat !== undefined) await writeFile(paths.mdstat, mdstat)
  for (const [path, text = ''] of Object.entries(files)) {
    const file = join(root, 'sys', 'devices', path)
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }
  for (const name of new Set(Object.keys(files).map(path => path.split('/')[0] ?? ''))) {
    await symlink(join('..', 'devices', name), join(paths.sysBlock, name))
  }
  const array = (file: string) => join(root, 'sys', 'devices', 'md0', 'md', file)
  return { ...paths, array }
}

function recovering(): Recorded {
  if (RECOVERING === undefined) throw new Error('the recording is gone')
  return RECOVERING
}

t.test('a recorded host is read completely', async t => {
  const { sysBlock, mdstat } = await hostOf(t, recovering())
  const reading = await readMdArrays({ sysBlock, mdstat }, foregroundClock)
  t.same(
    { ...reading, arrays: judged(reading) },
    { arrays: ['md0 resyncing recovery 0.129 resync-running(time)'], problems: [], understood: true },
  )
  const alone = await readMdArrays({ sysBlock }, foregroundClock)
  t.same(
    { ...alone, arrays: judged(alone) },
    { arrays: ['md0 resyncing recovery 0.127 resync-running(time)'], problems: [], understood: true },
  )
  const elsewhere = await readMdArrays({ sysBlock: join(sysBlock, 'nowhere'), mdstat }, foregroundClock)
  t.same(
    { ...elsewhere, arrays: judged(elsewhere) },
    { arrays: ['md0 resyncing recovery 0.129 resync-running(time)'], problems: [], understood: true },
  )
})

t.test('an empty list of arrays is understood only if a source shows it', async t => {
  const { sysBlock, mdstat } = await hostOf(t, { at: '', mdstat: undefined, files: {} })
  t.same(
    await readMdArrays({ sysBlock, mdstat }, foregroundClock),
    { arrays: [], problems: [], understood: true },
    'the md module is not loaded',
  )
  await writeFile(mdstat, '')
  t.match(
    await readMdArrays({ sysBlock, mdstat }, foregroundClock),
    { arrays: [], problems: [{ code: 'not-this-format' }], understood: false },
    'an empty mdstat',
  )
  await writeFile(mdstat, `Personalities : \n${' '.repeat(2 ** 20)}\nunused devices: <none>\n`)
  t.match(
    await readMdArrays({ sysBlock, mdstat }, foregroundClock),
    { arrays: [], problems: [{ device: null, code: 'too-large' }], understood: false },
    'too much of it',
  )
  await unlink(mdstat)
  await mkdir(mdstat)
  t.match(
    await readMdArrays({ sysBlock, mdstat }, foregroundClock),
    { arrays: [], problems: [{ device: null, code: 'unreadable' }], understood: false },
    'a directory',
  )
  const nothing = { sysBlock: join(sysBlock, 'no'), mdstat: join(sysBlock, 'no') }
  t.match(
    await readMdArrays(nothing, foregroundClock),
    { arrays: [], problems: [{ code: 'source-silent' }], understood: false },
    'neither of the two',
  )
  t.match(
    await readMdArrays({ sysBlock: join(sysBlock, '..', '..', 'proc', 'mdstat', '..') }, foregroundClock),
    { understood: true },
    'a directory without arrays',
  )
})

t.test('a file that disappears between the listing and the read is absent, and no problem', async t => {
  const { sysBlock, mdstat, array } = await hostOf(t, recovering())
  await symlink('nowhere', join(sysBlock, 'md5'))
  for (const file of ['degraded', 'sync_completed', 'mismatch_cnt', 'dev-vdb/state']) await unlink(array(file))
  const reading = await readMdArrays({ sysBlock, mdstat }, foregroundClock)
  t.same(
    { ...reading, arrays: judged(reading) },
    { arrays: ['md0 resyncing recovery 0.129 resync-running(time)'], problems: [], understood: true },
  )
})

t.test('a file that cannot be read is a problem of its array, and does not hide the others', async t => {
  const { sysBlock, array } = await hostOf(t, recovering())
  const other = recordedMoments('raid1-create-initial-resync.alpha.3-done.sysfs.txt')[0]?.files ?? {}
  for (const [path, text = ''] of Object.entries(other)) {
    const file = join(sysBlock, path.replace('md0/', 'md7/'))
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, text)
  }
  await unlink(array('array_state'))
  await mkdir(array('array_state'))
  await writeFile(array('level'), 'raid1'.repeat(2000))
  await symlink('md6', join(sysBlock, 'md6'))
  await writeFile(join(sysBlock, 'mdX'), '')
  const reading = await readMdArrays({ sysBlock }, foregroundClock)
  t.same(judged(reading), [
    'md0 unknown word-missing(time array_state)',
    'md6 unknown word-missing(time array_state)',
    'md7 synced',
    'mdX unknown word-missing(time array_state)',
  ])
  t.same(
    reading.problems.map(({ device, code }) => `${device} ${code}`),
    [
      'md0 unreadable',
      'md0 too-large',
      ...Array.from({ length: 13 }, () => 'md6 unreadable'),
      ...Array.from({ length: 13 }, () => 'mdX unreadable'),
    ],
  )
  t.ok(reading.understood, 'the list of arrays is complete')
})

t.test(
  'a file that may not be read makes its array unknown',
  { skip: process.getuid?.() === 0 && 'root may read everything' },
  async t => {
    const { sysBlock, array } = await hostOf(t, recovering())
    await chmod(array('level'), 0)
    const reading = await readMdArrays({ sysBlock }, foregroundClock)
    t.match(reading.problems, [{ device: 'md0', code: 'unreadable' }])
  },
)

t.test('a directory with too many arrays is read in part, with a problem', async t => {
  const { sysBlock } = await hostOf(t, { at: '', mdstat: undefined, files: {} })
  await Promise.all(Array.from({ length: 1025 }, (_, index) => mkdir(join(sysBlock, `md${index}`))))
  t.match(await readMdArrays({ sysBlock }, foregroundClock), {
    arrays: [],
    problems: [{ device: null, code: 'too-many' }],
    understood: false,
  })
})
