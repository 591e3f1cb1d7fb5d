import t from 'tap'
import { parseMdSysfs, type SysfsFiles } from '../../../src/mdraid-adapter/parse/parse-md-sysfs.ts'
import type { MdArray } from '../../../src/sync-query/judge/md.ts'
import { entriesOf, pluck, publicJson, publicTree, skipWithoutPublic } from '../public-fixtures.ts'
import { judged } from './recorded.ts'

const WELL = {
  array_state: 'clean',
  sync_action: 'idle',
  sync_completed: 'none',
  resync_start: 'none',
  reshape_position: 'none',
  last_sync_action: 'none',
  mismatch_cnt: '0',
  level: 'raid1',
  raid_disks: '2',
  degraded: '0',
  'dev-sda/state': 'in_sync',
  'dev-sda/slot': '0',
  'dev-sdb/state': 'in_sync',
  'dev-sdb/slot': '1',
}

type Change = Partial<
  Record<
    | keyof typeof WELL
    | 'uuid'
    | 'metadata_version'
    | `dev-sd${'b' | 'c'}/${'state' | 'slot' | 'bad_blocks' | 'unacknowledged_bad_blocks'}`,
    string | undefined
  >
>

/** The files of a synced mirror with `change` applied; `undefined` is a file that no longer existed. */
function files(change: Change, name = 'md0'): SysfsFiles {
  return Object.fromEntries(
    Object.entries({ ...WELL, ...change }).map(([file, text]) => [
      `${name}/md/${file}`,
      text === undefined ? undefined : `${text}\n`,
    ]),
  )
}

function only(change: Change): MdArray {
  const [array] = parseMdSysfs(files(change)).arrays
  if (array === undefined) throw new Error('no array')
  return array
}

t.test('an array has the values of the kernel, in bytes', t => {
  const uuid = '0fbf5f2c-add2-43c2-bd78-a4be3ab709ef'
  const parsed = parseMdSysfs(
    files({
      array_state: 'active',
      sync_action: 'recover',
      sync_completed: '16384 / 129024',
      degraded: '1',
      uuid,
      'dev-sdb/state': 'faulty,write_mostly,blocked',
      'dev-sdb/slot': 'none',
      'dev-sdc/state': 'spare,failfast',
      'dev-sdc/slot': '1',
    }),
  )
  t.same(parsed, {
    arrays: [
      {
        name: 'md0',
        uuid,
        level: 'raid1',
        arrayState: 'active',
        readOnly: 'no',
        slots: { expected: 2, current: 1 },
        members: [
          { name: 'sda', slot: 0, flags: ['in-sync'] },
          { name: 'sdb', slot: null, flags: ['failed', 'write-mostly', 'blocked'] },
          { name: 'sdc', slot: 1, flags: [] },
        ],
        syncAction: 'recover',
        operation: {
          kind: 'recovery',
          status: 'running',
          progress: 16384 / 129024,
          doneBytes: 16384 * 512,
          totalBytes: 129024 * 512,
          etaSeconds: null,
        },
        resyncStartBytes: 'none',
        mismatchBytes: null,
        doubts: [],
      },
    ],
    problems: [],
    understood: true,
  })
  t.same(parseMdSysfs({}), { arrays: [], problems: [], understood: true })
  t.end()
})

t.test('every word of the kernel leads to its judgement', t => {
  const rows: readonly (readonly [title: string, change: Change, judged: string])[] = [
    ['in sync', {}, 'md0 synced'],
    [
      'only the files that must be there',
      { reshape_position: undefined, last_sync_action: undefined, mismatch_cnt: undefined, sync_completed: undefined },
      'md0 synced',
    ],
    [
      'its members were gone when they were read',
      { 'dev-sda/state': undefined, 'dev-sda/slot': undefined, 'dev-sdb/state': undefined, 'dev-sdb/slot': undefined },
      'md0 degraded array-degraded(operator)',
    ],
    ['a writable idle array owes nothing', { resync_start: undefined }, 'md0 synced'],
    [
      'a read-only one may',
      { array_state: 'readonly', resync_start: undefined },
      'md0 unknown word-missing(time resync_start)',
    ],
    [
      'and so may one that is read-only until written to',
      { array_state: 'read-auto', resync_start: undefined },
      'md0 unknown word-missing(time resync_start)',
    ],
    [
      'and a frozen one',
      { sync_action: 'frozen', resync_start: undefined },
      'md0 unknown word-missing(time resync_start)',
    ],
    ['frozen with nothing to do', { sync_action: 'frozen' }, 'md0 synced'],
    [
      'an owed resync',
      { array_state: 'read-auto', resync_start: '25856' },
      'md0 resyncing resync resync-pending-write(operator array_state)',
    ],
    [
      'owed from further than a number counts',
      { array_state: 'readonly', resync_start: '9000000000000000000' },
      'md0 resyncing resync resync-pending-write(operator array_state)',
    ],
    ['no resync needed, as shown by kernels before 2.6.30', { resync_start: '18446744073709551615' }, 'md0 synced'],
    [
      'resync',
      { sync_action: 'resync', sync_completed: '41984 / 129024', resync_start: '37888' },
      'md0 resyncing resync 0.325 resync-running(time)',
    ],
    [
      'repair',
      { sync_action: 'repair', sync_completed: '0 / 129024' },
      'md0 resyncing repair 0.000 resync-running(time)',
    ],
    ['check', { sync_action: 'check', sync_completed: '64512 / 129024' }, 'md0 synced check 0.500'],
    [
      'a delayed resync',
      { sync_action: 'resync', sync_completed: 'delayed', resync_start: '0' },
      'md0 resyncing resync resync-waiting(time)',
    ],
    ['a delayed check', { sync_action: 'check', sync_completed: 'delayed' }, 'md0 synced check'],
    [
      'the gap before it begins',
      { sync_action: 'recover', degraded: '1' },
      'md0 resyncing recovery resync-starting(time)',
    ],
    [
      'without progress',
      { sync_action: 'resync', sync_completed: undefined },
      'md0 resyncing resync resync-running(time)',
    ],
    [
      'reshape',
      { sync_action: 'reshape', sync_completed: '5 / 10', raid_disks: '4 (3)' },
      'md0 resyncing reshape 0.500 resync-running(time)',
    ],
    [
      'an interrupted reshape',
      { raid_disks: '4 (3)', reshape_position: '4096' },
      'md0 resyncing reshape resync-starting(time)',
    ],
    [
      'and is frozen',
      { sync_action: 'frozen', reshape_position: '4096' },
      'md0 resyncing reshape resync-paused(operator sync_action)',
    ],
    [
      'recovery frozen',
      { sync_action: 'frozen', degraded: '1', 'dev-sdb/state': 'spare' },
      'md0 degraded recovery-frozen(operator sync_action)',
    ],
    [
      'degraded',
      { degraded: '1', 'dev-sdb/state': undefined, 'dev-sdb/slot': undefined },
      'md0 degraded array-degraded(operator)',
    ],
    ['degraded less than none: a replacement is active', { degraded: '-1' }, 'md0 synced'],
    [
      'failed after degraded was read',
      { 'dev-sdb/state': 'faulty', 'dev-sdb/slot': 'none' },
      'md0 degraded array-degraded(operator) member-failed(operator sdb)',
    ],
    [
      'failed, and not yet out of its slot',
      { 'dev-sdb/state': 'faulty,in_sync,blocked' },
      'md0 degraded member-failed(operator sdb)',
    ],
    [
      'a member and its replacement fill one slot',
      {
        'dev-sdb/state': 'in_sync,want_replacement',
        'dev-sdb/slot': '0',
        'dev-sdc/state': 'in_sync,replacement',
        'dev-sdc/slot': '0',
      },
      'md0 degraded array-degraded(operator) member-suspect(operator sdb)',
    ],
    [
      'a journal fills none',
      { 'dev-sdb/state': 'journal,in_sync', 'dev-sdb/slot': 'journal' },
      'md0 degraded array-degraded(operator)',
    ],
    ['every other flag', { 'dev-sda/state': 'in_sync,writemostly,failfast,external_bbl' }, 'md0 synced'],
    ['what a check found', { mismatch_cnt: '128', last_sync_action: 'check' }, 'md0 synced mismatches-found(operator)'],
    [
      'what a kernel that names no last action found',
      { mismatch_cnt: '128', last_sync_action: undefined },
      'md0 synced mismatches-found(operator)',
    ],
    ['what a repair has mended', { mismatch_cnt: '128', last_sync_action: 'repair' }, 'md0 synced'],
    ['not started', { array_state: 'inactive', level: '1' }, 'md0 degraded array-inactive(operator array_state)'],
    [
      'a container',
      { array_state: 'inactive', level: 'container', raid_disks: '' },
      'md0 degraded not-redundant(operator level)',
    ],
    [
      'a container that is not called one',
      { array_state: 'inactive', level: '', raid_disks: '', metadata_version: 'external:ddf' },
      'md0 degraded not-redundant(operator level)',
    ],
    [
      'an array in a container that was not started',
      { array_state: 'inactive', level: '', raid_disks: '', metadata_version: 'external:/md127/0' },
      'md0 degraded array-inactive(operator array_state)',
    ],
    ['broken', { array_state: 'broken' }, 'md0 degraded array-degraded(operator array_state)'],
    [
      'bad blocks',
      { 'dev-sdb/state': 'in_sync,write_error,want_replacement', 'dev-sdb/bad_blocks': '128 8\n4096 512\n' },
      'md0 degraded member-bad-blocks(operator sdb)',
    ],
    [
      'bad blocks that are not recorded yet',
      { 'dev-sdb/state': 'in_sync,blocked', 'dev-sdb/unacknowledged_bad_blocks': '128 8' },
      'md0 degraded member-bad-blocks(operator sdb)',
    ],
    [
      'bad blocks of a spare',
      { 'dev-sdc/state': 'spare', 'dev-sdc/slot': 'none', 'dev-sdc/bad_blocks': '1 8' },
      'md0 synced',
    ],
    [
      'a failure that is not recorded yet',
      { 'dev-sdb/state': 'in_sync,blocked' },
      'md0 degraded member-blocked(operator sdb)',
    ],
    ['a write that failed', { 'dev-sdb/state': 'in_sync,write_error' }, 'md0 synced member-suspect(operator sdb)'],
    ['to be replaced', { 'dev-sdb/state': 'in_sync,want_replacement' }, 'md0 synced member-suspect(operator sdb)'],
    [
      'level and size empty',
      { array_state: 'inactive', level: '', raid_disks: '' },
      'md0 degraded array-inactive(operator array_state)',
    ],
    [
      'stopped',
      { array_state: 'clear', level: '', raid_disks: '' },
      'md0 degraded array-inactive(operator array_state)',
    ],
    [
      'stripe',
      { level: 'raid0', degraded: undefined, sync_action: undefined },
      'md0 degraded not-redundant(operator level)',
    ],
  ]
  for (const [title, change, expected] of rows) {
    const reading = parseMdSysfs(files(change))
    t.same({ judged: judged(reading), problems: reading.problems }, { judged: [expected], problems: [] }, title)
  }
  t.end()
})

t.test('a missing or unknown word makes its array unknown, and does not hide the others', t => {
  const rows: readonly (readonly [title: string, change: Change])[] = [
    ['no array_state', { array_state: undefined }],
    ['no level', { level: undefined }],
    ['no raid_disks', { raid_disks: undefined }],
    ['no degraded', { degraded: undefined }],
    ['no sync_action', { sync_action: undefined }],
    ['an empty sync_action', { sync_action: '' }],
    ['array_state', { array_state: 'melting' }],
    ['sync_action', { sync_action: 'scrub' }],
    ['level', { level: 'raid7' }],
    ['raid_disks', { raid_disks: 'two' }],
    ['degraded', { degraded: '0.5' }],
    ['resync_start', { resync_start: 'soon' }],
    ['reshape_position', { reshape_position: 'somewhere' }],
    ['a member state', { 'dev-sda/state': 'in_sync,on_fire' }],
    ['a slot', { 'dev-sda/slot': 'X' }],
    ['bad blocks', { 'dev-sdb/bad_blocks': '128-136' }],
    ['everything is gone', Object.fromEntries(Object.keys(WELL).map(file => [file, undefined]))],
  ]
  for (const [title, change] of rows) {
    const states = judged(parseMdSysfs({ ...files(change), ...files({}, 'md7') }))
    t.same(
      states.map(text => text.split(' ').slice(0, 2).join(' ')),
      ['md0 unknown', 'md7 synced'],
      title,
    )
  }
  const odd = parseMdSysfs(files({ sync_action: 'resync', sync_completed: 'nearly' }))
  t.same(judged(odd), ['md0 resyncing resync resync-running(time)'], 'the progress does not matter')
  t.same(
    odd.problems.map(({ code }) => code),
    ['unknown-word'],
  )
  t.end()
})

t.test('the nil UUID of an array without metadata is no UUID', t => {
  t.equal(only({ uuid: '00000000-0000-0000-0000-000000000000' }).uuid, null)
  t.equal(only({ uuid: '' }).uuid, null)
  t.end()
})

t.test('the files of real reports and of procfs', { skip: skipWithoutPublic }, t => {
  const cases = entriesOf(publicJson('issue-reports/sysfs-cases.json')).map(([, each]) => {
    const words = entriesOf(pluck(each, 'files')).map(([file, text]) => [`md0/md/${file}`, String(text)])
    return [String(pluck(each, 'case')), judged(parseMdSysfs(Object.fromEntries(words)))]
  })
  t.same(Object.fromEntries(cases), {
    // Upstream says "syncing", as mdadm does for a scrub. A delayed check is no resync.
    'sysfs.procfs-770-delayed': ['md0 synced check'],
    'sysfs.node_exporter-3528-reshape': ['md0 resyncing reshape 0.562 resync-running(time)'],
    'sysfs.node_exporter-3528-empty': ['md0 unknown word-missing(time level)'],
    'sysfs.mdadm-wait-frozen': ['md0 degraded recovery-frozen(operator sync_action)'],
    'sysfs.mdadm-wait-gap': ['md0 resyncing recovery resync-starting(time)'],
  })
  const reading = parseMdSysfs(publicTree('prometheus+procfs/sys/block'))
  t.same(judged(reading), [
    'md0 degraded not-redundant(operator level)',
    'md1 synced',
    'md10 synced',
    'md4 synced',
    'md5 degraded array-degraded(operator) member-failed(operator sdp)',
    'md6 resyncing recovery 0.750 resync-running(time)',
    'md7 degraded not-redundant(operator level)',
    'md8 resyncing reshape resync-starting(time)',
  ])
  const expected = publicJson('prometheus+procfs/expected.json')
  const kinds: Record<string, string> = { 'in-sync': 'in_sync', spare: 'spare', failed: 'faulty' }
  for (const { name, uuid, level, arrayState, syncAction, slots, members, operation } of reading.arrays) {
    const our = {
      Level: level,
      ArrayState: arrayState,
      UUID: uuid,
      ...(syncAction !== null && { SyncAction: syncAction }),
      Disks: slots.expected,
      ...(operation !== null &&
        operation !== 'none' &&
        operation.progress !== null && { SyncCompleted: operation.progress }),
      Components: members.map(member => ({ Device: member.name, State: kinds[member.flags[0] ?? ''] })),
    }
    const their = pluck(expected, `sys/block/${name}/md/`, 'upstream_expected')
    t.same(our, Object.fromEntries(Object.keys(our).map(key => [key, pluck(their, key)])), name)
  }
  t.end()
})
