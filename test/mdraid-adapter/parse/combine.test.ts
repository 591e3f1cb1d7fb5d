import t from 'tap'
import { combineMdReadings } from '../../../src/mdraid-adapter/parse/combine.ts'
import type { MdReading } from '../../../src/mdraid-adapter/parse/md-reading.ts'
import { parseMdSysfs, type SysfsFiles } from '../../../src/mdraid-adapter/parse/parse-md-sysfs.ts'
import { parseMdstat } from '../../../src/mdraid-adapter/parse/parse-mdstat.ts'
import { pluck, publicJson, publicText, skipWithoutPublic } from '../public-fixtures.ts'
import { judged } from './recorded.ts'

const STATUS = '      64512 blocks super 1.2 [2/2] [UU]'
const DEGRADED = '      64512 blocks super 1.2 [2/1] [U_]'
const RECOVERY = '      [==>..................]  recovery = 12.5% (8320/64512) finish=0.4min speed=2080K/sec'
const RESYNC = '      [==>..................]  resync = 10.2% (7040/64512) finish=0.4min speed=2346K/sec'
const CHECK = '      [==>..................]  check = 12.5% (8320/64512) finish=0.4min speed=2080K/sec'

function mdstatOf(header: string, ...lines: readonly string[]): string {
  return ['Personalities : [raid1] ', `md0 : ${header}`, ...lines, '', 'unused devices: <none>', ''].join('\n')
}

function sysfsOf(change: Readonly<Record<string, string>>): SysfsFiles {
  const words = {
    array_state: 'clean',
    sync_action: 'idle',
    sync_completed: 'none',
    resync_start: 'none',
    level: 'raid1',
    raid_disks: '2',
    degraded: '0',
    ...change,
  }
  return Object.fromEntries(Object.entries(words).map(([file, text]) => [`md0/md/${file}`, `${text}\n`]))
}

const TWO = 'active raid1 sdb[1] sda[0]'

t.test('of a change between the two reads the worse side counts', t => {
  const rows: readonly (readonly [
    title: string,
    mdstat: string,
    sysfs: Readonly<Record<string, string>>,
    judged: string,
  ])[] = [
    ['both well', mdstatOf(TWO, STATUS), {}, 'md0 synced'],
    ['the resync had ended', mdstatOf(TWO, STATUS, RESYNC), {}, 'md0 resyncing resync 0.109 resync-running(time)'],
    [
      'the resync had not started',
      mdstatOf(TWO, STATUS),
      { sync_action: 'resync', sync_completed: '0 / 129024', resync_start: '0' },
      'md0 resyncing resync 0.000 resync-running(time)',
    ],
    [
      'the recovery had ended',
      mdstatOf(TWO, DEGRADED, RECOVERY),
      {},
      'md0 resyncing recovery 0.129 resync-running(time)',
    ],
    [
      'a member went after mdstat was read',
      mdstatOf(TWO, STATUS),
      { degraded: '1' },
      'md0 degraded array-degraded(operator)',
    ],
    ['a member came back after it', mdstatOf(TWO, DEGRADED), {}, 'md0 degraded array-degraded(operator)'],
    [
      'grown after it',
      mdstatOf(TWO, STATUS),
      { raid_disks: '3', degraded: '1' },
      'md0 degraded array-degraded(operator)',
    ],
    [
      'mdstat has the progress, sysfs the kind',
      mdstatOf(TWO, STATUS, RESYNC),
      { sync_action: 'repair', sync_completed: '8192 / 129024' },
      'md0 resyncing repair 0.109 resync-running(time)',
    ],
    [
      'sysfs is further in the same resync',
      mdstatOf(TWO, STATUS, '      \tresync=DELAYED'),
      { sync_action: 'resync', sync_completed: '64512 / 129024', resync_start: '0' },
      'md0 resyncing resync 0.500 resync-running(time)',
    ],
    [
      'a delayed check is called resync by mdstat',
      mdstatOf(TWO, STATUS, '      \tresync=DELAYED'),
      { sync_action: 'check', sync_completed: 'delayed' },
      'md0 synced check',
    ],
    [
      'a check that began after a resync hides it not',
      mdstatOf(TWO, STATUS, RESYNC),
      { sync_action: 'check', sync_completed: '0 / 129024' },
      'md0 resyncing resync 0.109 resync-running(time)',
    ],
    [
      'nor after a recovery',
      mdstatOf(TWO, DEGRADED, RECOVERY),
      { sync_action: 'check', sync_completed: '0 / 129024' },
      'md0 resyncing recovery 0.129 resync-running(time)',
    ],
    [
      'a resync that began after a check',
      mdstatOf(TWO, STATUS, CHECK),
      { sync_action: 'resync', sync_completed: '0 / 129024', resync_start: '0' },
      'md0 resyncing resync 0.000 resync-running(time)',
    ],
    ['a check that had ended', mdstatOf(TWO, STATUS, CHECK), {}, 'md0 synced check 0.129'],
    [
      'mdstat shows what sysfs does not',
      mdstatOf('active (read-only) raid1 sdb[1] sda[0]', STATUS),
      { array_state: 'readonly', resync_start: '' },
      'md0 synced',
    ],
    [
      'pending and frozen',
      mdstatOf(TWO, STATUS, '      \tresync=PENDING'),
      { sync_action: 'frozen', resync_start: '0' },
      'md0 resyncing resync resync-paused(operator sync_action)',
    ],
    [
      'failed in mdstat, still in sync in sysfs',
      mdstatOf('active raid1 sdb[1](F) sda[0]', DEGRADED),
      { 'dev-sdb/state': 'in_sync', 'dev-sdb/slot': '1', 'dev-sda/state': 'in_sync', 'dev-sda/slot': '0' },
      'md0 degraded array-degraded(operator) member-failed(operator sdb)',
    ],
    [
      'a spare took the slot after it',
      mdstatOf('active raid1 sdc[2](S) sda[0]', DEGRADED),
      {
        degraded: '1',
        sync_action: 'recover',
        sync_completed: '0 / 129024',
        'dev-sdc/state': 'spare',
        'dev-sdc/slot': '1',
        'dev-sda/state': 'in_sync',
        'dev-sda/slot': '0',
      },
      'md0 resyncing recovery 0.000 resync-running(time)',
    ],
    [
      'mdstat knows no level of what is not started',
      mdstatOf('inactive sdb[1](S) sda[0](S)', '      129024 blocks super 1.2', '       '),
      { array_state: 'inactive' },
      'md0 degraded array-inactive(operator array_state)',
    ],
    [
      'sysfs lost its files: mdstat alone',
      mdstatOf(TWO, STATUS),
      {
        array_state: '',
        sync_action: '',
        sync_completed: '',
        resync_start: '',
        level: '',
        raid_disks: '',
        degraded: '',
      },
      'md0 synced',
    ],
    [
      'stopped, and only mdstat had seen it run',
      mdstatOf(TWO, STATUS),
      { array_state: 'inactive' },
      'md0 unknown contradiction(time array_state) array-inactive(operator array_state)',
    ],
    [
      'created again with another level',
      mdstatOf(TWO, STATUS),
      { level: 'raid10' },
      'md0 unknown contradiction(time level)',
    ],
  ]
  for (const [title, mdstat, words, expected] of rows) {
    t.same(judged(combineMdReadings(parseMdstat(mdstat), parseMdSysfs(sysfsOf(words)))), [expected], title)
  }
  t.end()
})

t.test('an array that only one of the two shows is in doubt, unless it is stopped', t => {
  const mdstat = parseMdstat(mdstatOf(TWO, STATUS))
  const none = parseMdstat('Personalities : \nunused devices: <none>\n')
  const sysfs = parseMdSysfs(sysfsOf({}))
  const problems = ({ problems }: MdReading) => problems.map(({ device, code, text }) => `${device} ${code} ${text}`)
  const noSysfs = combineMdReadings(mdstat, parseMdSysfs({}))
  t.same(judged(noSysfs), ['md0 unknown contradiction(time sysfs)'])
  t.same(problems(noSysfs), ['md0 contradiction sysfs of md0: "absent"'])
  t.same(judged(combineMdReadings(none, sysfs)), ['md0 unknown contradiction(time mdstat)'])
  const stopped = combineMdReadings(none, parseMdSysfs(sysfsOf({ array_state: 'clear', level: '', raid_disks: '' })))
  t.same(judged(stopped), ['md0 degraded array-inactive(operator array_state)'])
  t.same(problems(stopped), [])
  t.same(combineMdReadings(null, sysfs), sysfs, 'a source that was not read contradicts nothing')
  t.same(combineMdReadings(mdstat, null), mdstat)
  t.match(combineMdReadings(null, null), {
    arrays: [],
    problems: [{ device: null, code: 'source-silent' }],
    understood: false,
  })
  t.end()
})

t.test('sysfs distinguishes a delayed check from a delayed resync', { skip: skipWithoutPublic }, t => {
  const mdstat = parseMdstat(publicText('issue-reports/mdstat.procfs-770-check-and-delayed'))
  const words = pluck(publicJson('issue-reports/sysfs-cases.json'), 0, 'files')
  const files = (name: string, change: Readonly<Record<string, string>>) =>
    Object.fromEntries(
      Object.entries({ ...(typeof words === 'object' ? words : {}), ...change }).map(([file, text]) => [
        `${name}/md/${file}`,
        String(text),
      ]),
    )
  const sysfs = parseMdSysfs({ ...files('md0', { sync_completed: '885820288 / 1945892864' }), ...files('md1', {}) })
  t.same(judged(combineMdReadings(mdstat, sysfs)), ['md0 synced check 0.455', 'md1 synced check'])
  t.end()
})
