import t from 'tap'
import type { MdReading } from '../../../src/mdraid-adapter/parse/md-reading.ts'
import { parseMdSysfs } from '../../../src/mdraid-adapter/parse/parse-md-sysfs.ts'
import { parseMdstat } from '../../../src/mdraid-adapter/parse/parse-mdstat.ts'
import { judgeMdArray } from '../../../src/sync-query/judge/judge-md.ts'
import { fixtureNames, judged, readingOf, recordedMoments } from './recorded.ts'

/** The state of each recorded stage, by its name and by mdadm's own monitor. */
const STAGES: Readonly<Record<string, readonly string[]>> = {
  'no-md-module.1-module-no-array': [],
  'raid1-check-and-repair.1-checking': ['md0 synced check 0.129'],
  'raid1-check-and-repair.2-interrupted-idle': ['md0 synced'],
  'raid1-check-and-repair.3-checked-mismatch': ['md0 synced mismatches-found(operator)'],
  'raid1-check-and-repair.4-repairing': ['md0 resyncing repair 0.109 resync-running(time)'],
  'raid1-check-and-repair.5-rechecked': ['md0 synced'],
  'raid1-create-initial-resync.1-resyncing': ['md0 resyncing resync 0.109 resync-running(time)'],
  'raid1-create-initial-resync.2-resyncing2': ['md0 resyncing resync 0.385 resync-running(time)'],
  'raid1-create-initial-resync.3-done': ['md0 synced'],
  'raid1-fail-remove-readd-bitmap-chunk64k.1-failed': [
    'md0 degraded array-degraded(operator) member-failed(operator vdb)',
  ],
  'raid1-fail-remove-readd-bitmap-chunk64k.2-removed': ['md0 degraded array-degraded(operator)'],
  'raid1-fail-remove-readd-bitmap-chunk64k.3-written-degraded': ['md0 degraded array-degraded(operator)'],
  'raid1-fail-remove-readd-bitmap-chunk64k.4-recovering-bitmap': ['md0 resyncing recovery 0.177 resync-running(time)'],
  'raid1-fail-remove-readd-bitmap-chunk64k.5-done': ['md0 synced'],
  'raid1-fail-remove-readd-bitmap.1-failed': ['md0 degraded array-degraded(operator) member-failed(operator vdb)'],
  'raid1-fail-remove-readd-bitmap.2-removed': ['md0 degraded array-degraded(operator)'],
  'raid1-fail-remove-readd-bitmap.3-written-degraded': ['md0 degraded array-degraded(operator)'],
  'raid1-fail-remove-readd-bitmap.4-recovering-bitmap': ['md0 resyncing recovery 0.097 resync-running(time)'],
  'raid1-fail-remove-readd-bitmap.5-done': ['md0 synced'],
  'raid1-spare-full-recovery.1-with-spare': ['md0 synced'],
  'raid1-spare-full-recovery.2-recovering-to-spare': ['md0 resyncing recovery 0.129 resync-running(time)'],
  'raid1-spare-full-recovery.3-frozen': [
    'md0 degraded recovery-frozen(operator sync_action) member-failed(operator vdb)',
  ],
  'raid1-spare-full-recovery.4-unfrozen': ['md0 resyncing recovery 0.304 resync-running(time)'],
  'raid1-spare-full-recovery.5-done': ['md0 synced'],
  'raid1-spare-full-recovery.6-grow-to-3-legs': ['md0 resyncing recovery 0.107 resync-running(time)'],
  'raid1-spare-full-recovery.7-three-legs': ['md0 synced'],
  'raid1-spare-full-recovery.8-back-to-2': ['md0 synced'],
  'resync-delayed-shared-disks.1-one-delayed': [
    'md0 synced',
    'md1 resyncing resync 0.228 resync-running(time)',
    'md2 resyncing resync resync-waiting(time)',
  ],
  'resync-delayed-shared-disks.2-md1-stopped-md2-goes-on': [
    'md0 synced',
    'md1 degraded array-inactive(operator array_state)',
    'md2 resyncing resync 0.167 resync-running(time)',
  ],
  'resync-delayed-shared-disks.3-md1-auto-read-only-pending': [
    'md0 synced',
    'md1 resyncing resync resync-pending-write(operator array_state)',
    'md2 resyncing resync 0.433 resync-running(time)',
  ],
  'resync-delayed-shared-disks.4-md1-readwrite': [
    'md0 synced',
    'md1 resyncing resync resync-waiting(time)',
    'md2 resyncing resync 0.670 resync-running(time)',
  ],
  'resync-delayed-shared-disks.5-done': ['md0 synced', 'md1 synced', 'md2 synced'],
  'resync-delayed-shared-disks.6-md2-read-only': ['md0 synced', 'md1 synced', 'md2 synced'],
}

t.test('every recorded stage', t => {
  const found = fixtureNames('.sysfs.txt').map(name => {
    const [moment, ...more] = recordedMoments(name)
    if (moment === undefined || more.length > 0) throw new Error(`not one moment: ${name}`)
    const { problems, understood } = readingOf(moment)
    t.same({ problems, understood }, { problems: [], understood: true }, `${name}: all of it was understood`)
    return [name.replace('.alpha.', '.').replace('.sysfs.txt', ''), judged(readingOf(moment))]
  })
  t.same(Object.fromEntries(found), STAGES)
  t.end()
})

t.test('mdstat alone and sysfs alone give the same state at every recorded stage', t => {
  for (const name of fixtureNames('.sysfs.txt')) {
    for (const moment of recordedMoments(name)) {
      const states = ({ arrays }: MdReading) => arrays.map(array => `${array.name} ${judgeMdArray(array).state}`).sort()
      const both = states(readingOf(moment))
      t.same(states(parseMdSysfs(moment.files)), both, `${name}: sysfs`)
      // The array that was stopped is in sysfs only.
      t.same(
        states(parseMdstat(moment.mdstat ?? '')),
        both.filter(state => state !== 'md1 degraded'),
        `${name}: mdstat`,
      )
    }
  }
  t.end()
})

t.test('the changes of a scenario, second by second', t => {
  const changes = (scenario: string) => {
    const seen: string[] = []
    for (const moment of recordedMoments(`${scenario}.alpha.samples-1s.txt`)) {
      const now = judged(readingOf(moment))
        .map(text => text.replace(/ 0\.\d+/, ''))
        .join(', ')
      if (now !== (seen.at(-1)?.slice(9) ?? '')) seen.push(`${moment.at} ${now}`)
    }
    return seen
  }
  t.same(changes('raid1-create-initial-resync'), [
    '16:20:56 md0 resyncing resync resync-running(time)',
    '16:21:27 md0 synced',
  ])
  t.same(changes('raid1-check-and-repair'), [
    '16:21:31 md0 synced',
    '16:21:32 md0 synced check',
    '16:21:36 md0 synced',
    '16:21:38 md0 synced check',
    '16:21:41 md0 synced check mismatches-found(operator)',
    '16:22:05 md0 synced mismatches-found(operator)',
    '16:22:08 md0 resyncing repair resync-running(time)',
    '16:22:39 md0 synced check',
    '16:23:12 md0 synced',
  ])
  // At the first moment mdstat still shows [2/2], and the member fails while sysfs is read.
  t.same(changes('raid1-fail-remove-readd-bitmap'), [
    '16:23:14 md0 degraded array-degraded(operator) member-failed(operator vdb)',
    '16:23:18 md0 degraded array-degraded(operator)',
    '16:23:20 md0 resyncing recovery resync-running(time)',
    '16:23:52 md0 synced',
  ])
  t.same(changes('raid1-fail-remove-readd-bitmap-chunk64k'), [
    '16:38:41 md0 degraded array-degraded(operator) member-failed(operator vdb)',
    '16:38:44 md0 degraded array-degraded(operator)',
    '16:38:48 md0 resyncing recovery resync-running(time)',
    '16:38:58 md0 synced',
  ])
  // While the leg does not answer, md shows no problem until the timeout of the device.
  t.same(changes('raid1-nbd-leg-lost-and-readded'), [
    '01:06:12 md9 synced',
    '01:06:20 md9 degraded array-degraded(operator) member-failed(operator nbd0)',
    '01:06:44 md9 resyncing recovery resync-running(time)',
    '01:07:13 md9 synced',
  ])
  t.same(changes('raid1-spare-full-recovery'), [
    '16:23:55 md0 synced',
    '16:23:59 md0 resyncing recovery resync-running(time)',
    // Frozen between the reads.
    '16:24:03 md0 resyncing recovery resync-running(time) recovery-frozen(operator sync_action)',
    '16:24:05 md0 degraded recovery-frozen(operator sync_action) member-failed(operator vdb)',
    '16:24:06 md0 resyncing recovery resync-running(time)',
    '16:24:32 md0 synced',
    '16:24:35 md0 resyncing recovery resync-running(time)',
    '16:25:06 md0 degraded array-degraded(operator)',
    '16:25:08 md0 synced',
  ])
  t.same(changes('resync-delayed-shared-disks'), [
    '16:25:10 md0 synced',
    '16:25:12 md0 synced, md1 resyncing resync resync-running(time), md2 resyncing resync resync-waiting(time)',
    '16:25:18 md0 synced, md1 degraded array-inactive(operator array_state), md2 resyncing resync resync-running(time)',
    // Started between the reads: the next reading decides which of the two is true.
    '16:25:22 md0 synced, md1 unknown resync contradiction(time array_state) resync-pending-write(operator array_state), md2 resyncing resync resync-running(time)',
    '16:25:25 md0 synced, md1 resyncing resync resync-pending-write(operator array_state), md2 resyncing resync resync-running(time)',
    '16:25:28 md0 synced, md1 resyncing resync resync-waiting(time), md2 resyncing resync resync-running(time)',
    '16:25:38 md0 synced, md1 resyncing resync resync-running(time), md2 synced',
    '16:25:49 md0 synced, md1 synced, md2 synced',
    '16:25:53 md0 synced',
  ])
  t.end()
})
