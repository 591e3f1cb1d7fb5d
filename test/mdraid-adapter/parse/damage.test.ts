import fc from 'fast-check'
import t from 'tap'
import { combineMdReadings } from '../../../src/mdraid-adapter/parse/combine.ts'
import type { MdReading } from '../../../src/mdraid-adapter/parse/md-reading.ts'
import { parseMdSysfs, type SysfsFiles } from '../../../src/mdraid-adapter/parse/parse-md-sysfs.ts'
import { parseMdstat } from '../../../src/mdraid-adapter/parse/parse-mdstat.ts'
import { judgeMdArray } from '../../../src/sync-query/judge/judge-md.ts'
import { fixtureNames, judged, recordedMoments } from './recorded.ts'

/** The characters that damage a text: they could pass for a count, a letter of the map, a flag, a blank or a new line. */
const REPLACEMENTS = ['0', '1', '2', 'U', '_', 'S', ' ', '\n', '=', 'x']
const SYSFS_REPLACEMENTS = ['0', '1', '2', ' ', 'x']

/** Forms that the recordings lack. */
const MADE: readonly string[] = [
  [
    'md0 : active raid5 sdd[3](F) sdc[2] sdb[1](W) sda[0]',
    '      93 blocks level 5, 64k chunk, algorithm 2 [4/3] [UUU_]',
  ],
  [
    'md0 : active (read-only) raid6 sde[4](S) sdd[3] sdc[2] sdb[1] sda[0]',
    '      93 blocks super 1.2 [4/4] [UUUU]',
    '      \tresync=PENDING',
  ],
  [
    'md0 : active raid1 sdc[2](R) sdb[1] sda[0]',
    '      93 blocks [2/3] [UU]',
    '      [=>...]  check = 12.5% (1/8) finish=0.4min speed=2080K/sec',
  ],
  ['md0 : active raid0 sdb[1] sda[0]', '      93 blocks super 1.2 512k chunks'],
  ['md0 : inactive sdb[1](S) sda[0](S)', '      93 blocks super 1.2', '       '],
].map(lines => ['Personalities : [raid1] [raid6] ', ...lines, '', 'unused devices: <none>', ''].join('\n'))

/** One moment of each kind. Moments that differ only in progress add nothing, and each costs thousands of parses. */
const MOMENTS = [
  ...new Map(
    fixtureNames('.sysfs.txt')
      .flatMap(recordedMoments)
      .map(moment => [JSON.stringify([moment.mdstat, moment.files]).replace(/[=.]*>[=.]*|\d[\d.]{2,}/g, '#'), moment]),
  ).values(),
]
const TEXTS = [...new Set([...MOMENTS.flatMap(({ mdstat }) => mdstat ?? []), ...MADE])]

function syncedIn({ arrays }: MdReading): ReadonlySet<string> {
  return new Set(arrays.filter(array => judgeMdArray(array).state === 'synced').map(({ name }) => name))
}

/** The arrays that are synced in the damaged reading and were not in the undamaged one: there must be none. */
function wronglySynced(damaged: MdReading, whole: ReadonlySet<string>): readonly string[] {
  return [...syncedIn(damaged)].filter(name => !whole.has(name))
}

/** Whether the name of the array is here: a name that is read wrong is that of another array, which only sysfs can detect. */
function isInName(text: string, at: number): boolean {
  const start = text.lastIndexOf('\n', at - 1) + 1
  return /^md[^:]*$/.test(text.slice(start, at)) || (text.startsWith('md', start) && at - start < 2)
}

t.test(
  'mdstat cut at any byte never shows an array in sync that was not, and never an incomplete list as complete',
  t => {
    for (const text of TEXTS) {
      const whole = parseMdstat(text)
      const synced = syncedIn(whole)
      const wrong: unknown[] = []
      for (let end = 0; end < text.length; end += 1) {
        const cut = parseMdstat(text.slice(0, end))
        const names = wronglySynced(cut, synced)
        if (names.length > 0 || (cut.understood && cut.arrays.length !== whole.arrays.length))
          wrong.push({ end, names })
      }
      t.same(wrong, [], text.slice(0, 80))
    }
    t.end()
  },
)

t.test('mdstat with one line missing or repeated', t => {
  const undetected: string[] = []
  for (const text of TEXTS) {
    const synced = syncedIn(parseMdstat(text))
    const lines = text.split('\n')
    for (const [index, line] of lines.entries()) {
      const doubled = parseMdstat(lines.toSpliced(index, 0, line).join('\n'))
      if (wronglySynced(doubled, synced).length > 0) t.fail(`doubled: ${line}`)
      const dropped = parseMdstat(lines.toSpliced(index, 1).join('\n'))
      if (wronglySynced(dropped, synced).length > 0) undetected.push(line.trim())
    }
  }
  // mdstat prints nothing if there is no operation: an array whose members are all current looks idle without
  // its line. sysfs detects it (below). If a member is missing, the counts detect it: no line of a recovery is in this list.
  t.not(undetected.length, 0)
  t.same(
    undetected.filter(line => !/^(\[[=>.]+\]\s+resync =|resync=)/.test(line)),
    [],
  )
  t.end()
})

t.test('mdstat with one byte read wrong never shows an array in sync that was not', t => {
  for (const text of TEXTS) {
    const synced = syncedIn(parseMdstat(text))
    const wrong: unknown[] = []
    for (let at = 0; at < text.length; at += 1) {
      if (isInName(text, at)) continue
      for (const replacement of REPLACEMENTS) {
        const names = wronglySynced(parseMdstat(text.slice(0, at) + replacement + text.slice(at + 1)), synced)
        if (names.length > 0) wrong.push({ at, replacement, line: text.slice(0, at).split('\n').length, names })
      }
    }
    t.same(wrong, [], text.slice(0, 80))
  }
  t.end()
})

t.test('together with sysfs every damage to mdstat is detected: missing lines and names that are read wrong', t => {
  for (const { mdstat: text, files } of MOMENTS) {
    if (text === undefined) continue
    const sysfs = parseMdSysfs(files)
    const synced = syncedIn(combineMdReadings(parseMdstat(text), sysfs))
    const lines = text.split('\n')
    const damaged = [
      ...lines.map((_, index) => lines.toSpliced(index, 1).join('\n')),
      ...lines.map((line, index) => lines.toSpliced(index, 0, line).join('\n')),
      ...[...text].flatMap((_, at) =>
        isInName(text, at) ? REPLACEMENTS.map(each => text.slice(0, at) + each + text.slice(at + 1)) : [],
      ),
    ]
    const wrong = damaged.filter(each => wronglySynced(combineMdReadings(parseMdstat(each), sysfs), synced).length > 0)
    t.same(wrong, [])
  }
  t.end()
})

t.test(
  'a sysfs file that is missing, cut or read wrong never shows an array in sync that was not, with mdstat or alone',
  t => {
    for (const { mdstat, files } of MOMENTS) {
      const beside = mdstat === undefined ? null : parseMdstat(mdstat)
      const synced = syncedIn(combineMdReadings(beside, parseMdSysfs(files)))
      const wrong: unknown[] = []
      const check = (damaged: SysfsFiles, what: unknown) => {
        const sysfs = parseMdSysfs(damaged)
        for (const reading of [sysfs, combineMdReadings(beside, sysfs)]) {
          const names = wronglySynced(reading, synced)
          if (names.length > 0) wrong.push({ names, what })
        }
      }
      for (const [path, text = ''] of Object.entries(files)) {
        if (
          !/(array_state|level|raid_disks|degraded|sync_action|sync_completed|resync_start|reshape_position|state|slot)$/.test(
            path,
          )
        )
          continue
        check({ ...files, [path]: undefined }, { path })
        for (let at = 0; at < text.length; at += 1) {
          check({ ...files, [path]: text.slice(0, at) }, { path, at })
          for (const each of SYSFS_REPLACEMENTS)
            check({ ...files, [path]: text.slice(0, at) + each + text.slice(at + 1) }, { path, at, each })
        }
      }
      t.same(wrong, [])
    }
    t.end()
  },
)

t.test('a missing operation line is detected by the counts or by sysfs', t => {
  const without = (name: string) => {
    const [moment] = recordedMoments(name)
    if (moment === undefined) throw new Error(name)
    const text = (moment.mdstat ?? '')
      .split('\n')
      .filter(line => !/(recovery|resync) ?=/.test(line))
      .join('\n')
    return [judged(parseMdstat(text)), judged(combineMdReadings(parseMdstat(text), parseMdSysfs(moment.files)))]
  }
  t.same(without('raid1-spare-full-recovery.alpha.2-recovering-to-spare.sysfs.txt'), [
    ['md0 degraded array-degraded(operator) member-failed(operator vdb)'],
    ['md0 resyncing recovery 0.127 resync-running(time)'],
  ])
  t.same(without('raid1-create-initial-resync.alpha.1-resyncing.sysfs.txt'), [
    ['md0 synced'],
    ['md0 resyncing resync 0.127 resync-running(time)'],
  ])
  t.end()
})

t.test('any text and any files give a result', t => {
  const anyText = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc
      .array(fc.constantFrom(...TEXTS.flatMap(text => text.split('\n'))), { maxLength: 12 })
      .map(lines => lines.join('\n')),
  )
  const anyPath = fc.oneof(
    fc.string(),
    fc.constantFrom(
      'md0/md/level',
      'md0/md/array_state',
      'md0/md/raid_disks',
      'md0/md/degraded',
      'md0/md/dev-/state',
      'md0/md/dev-a/slot',
      'md0/md/',
    ),
  )
  fc.assert(
    fc.property(anyText, fc.dictionary(anyPath, fc.option(fc.string(), { nil: undefined })), (text, files) => {
      const { arrays, problems } = combineMdReadings(parseMdstat(text), parseMdSysfs(files))
      for (const array of arrays) judgeMdArray(array)
      return problems.every(problem => problem.text.length <= 200)
    }),
    { numRuns: 1500 },
  )
  t.end()
})
