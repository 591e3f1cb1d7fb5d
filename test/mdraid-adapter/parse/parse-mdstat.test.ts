import t from 'tap'
import { parseMdstat } from '../../../src/mdraid-adapter/parse/parse-mdstat.ts'
import type { MdArray } from '../../../src/sync-query/judge/md.ts'
import { entriesOf, pluck, publicJson, publicText, skipWithoutPublic } from '../public-fixtures.ts'
import { fixtureNames, fixtureText, judged } from './recorded.ts'

const PERSONALITIES = 'Personalities : [raid1] [raid6] [raid5] [raid4] '
const END = 'unused devices: <none>'

/** An mdstat of one array with these lines. */
function mdstatOf(...lines: readonly string[]): string {
  return [PERSONALITIES, ...lines, '', END, ''].join('\n')
}

function only(text: string): MdArray {
  const [array, ...more] = parseMdstat(text).arrays
  if (array === undefined || more.length > 0) throw new Error(`not one array: ${text}`)
  return array
}

t.test('an array has the values of the kernel, in bytes and seconds', t => {
  t.same(parseMdstat(fixtureText('raid1-spare-full-recovery.alpha.2-recovering-to-spare.mdstat.txt')), {
    arrays: [
      {
        name: 'md0',
        uuid: null,
        level: 'raid1',
        arrayState: 'active',
        readOnly: 'no',
        slots: { expected: 2, current: 1 },
        members: [
          { name: 'vdc', slot: null, flags: [] },
          { name: 'vdb', slot: null, flags: ['failed'] },
          { name: 'vda', slot: null, flags: [] },
        ],
        syncAction: null,
        operation: {
          kind: 'recovery',
          status: 'running',
          progress: 8320 / 64512,
          doneBytes: 8320 * 1024,
          totalBytes: 64512 * 1024,
          etaSeconds: 24,
        },
        resyncStartBytes: null,
        mismatchBytes: null,
        doubts: [],
      },
    ],
    problems: [],
    understood: true,
  })
  t.end()
})

t.test('every text that a kernel prints is understood without a doubt', t => {
  const mirror = ['md0 : active raid1 sdb[1] sda[0]', '      64512 blocks super 1.2 [2/2] [UU]']
  const degraded = ['md0 : active raid1 sdb[2] sda[0]', '      64512 blocks [2/1] [U_]']
  const rows: readonly (readonly [title: string, lines: readonly string[], judged: string])[] = [
    ['in sync', mirror, 'md0 synced'],
    [
      'a bitmap, as a file',
      [...mirror, '      bitmap: 17/30 pages [68KB], 65536KB chunk, file: /var/md0'],
      'md0 synced',
    ],
    [
      'the bitmap before the operation',
      [
        ...degraded,
        '      bitmap: 0/1 pages [0KB], 65536KB chunk',
        '      [>....................]  recovery =  0.4% (1024/208704) finish=276.9min speed=12K/sec',
      ],
      'md0 resyncing recovery 0.005 resync-running(time)',
    ],
    [
      'the operation before the bitmap',
      [
        ...degraded,
        '      [=>...................]  recovery =  8.5% (16775552/195310144) finish=17.0min speed=259783K/sec',
        '      bitmap: 0/1 pages [0KB], 65536KB chunk',
      ],
      'md0 resyncing recovery 0.086 resync-running(time)',
    ],
    ['two-space indents', mirror.map(line => line.replace('      ', '  ')), 'md0 synced'],
    ['no indent', mirror.map(line => line.trim()), 'md0 synced'],
    ['delayed', [...mirror, '      \tresync=DELAYED'], 'md0 resyncing resync resync-waiting(time)'],
    ['pending', [...mirror, '      \tresync=PENDING'], 'md0 resyncing resync resync-starting(time)'],
    [
      'pending until written to',
      [(mirror[0] ?? '').replace('active', 'active (auto-read-only)'), mirror[1] ?? '', '      \tresync=PENDING'],
      'md0 resyncing resync resync-pending-write(operator array_state)',
    ],
    ['another node resyncs', [...mirror, '      \tresync=REMOTE'], 'md0 resyncing resync resync-running(time)'],
    ['another node recovers', [...degraded, '      \trecover=REMOTE'], 'md0 resyncing recovery resync-running(time)'],
    ['another node reshapes', [...mirror, '      \treshape=REMOTE'], 'md0 resyncing reshape resync-running(time)'],
    ['read-only', [(mirror[0] ?? '').replace('active', 'active (read-only)'), mirror[1] ?? ''], 'md0 synced'],
    [
      'nothing left of the total',
      [...mirror, '      [====================>]  resync =100.0% (0/0) finish=0.0min speed=0K/sec'],
      'md0 resyncing resync resync-running(time)',
    ],
    [
      'any number of flags',
      [
        'md0 : active raid1 sde[4](J)(F) sdd[3](W)(S)(R) sdc[2](W)(F) sdb[1](W) sda[0]',
        '      64512 blocks super 1.2 [2/2] [UU]',
      ],
      'md0 degraded member-failed(operator sde)',
    ],
    [
      'more current than expected: a replacement',
      ['md0 : active raid1 sda3[2] sdc3[3](W)(R) sdb3[0]', '      976015360 blocks super 1.2 [2/3] [UU]'],
      'md0 synced',
    ],
    [
      'no member: the status is in the first line',
      ['md0 : active raid5 super 1.2 level 5, 512k chunk, algorithm 2 [4/0] [____]'],
      'md0 degraded array-degraded(operator)',
    ],
    [
      'inactive: no level, no status',
      ['md0 : inactive sdb[1](S) sda[0](S)', '      129024 blocks super 1.2', '       '],
      'md0 degraded array-inactive(operator array_state)',
    ],
    [
      'inactive container',
      ['md127 : inactive sdb[1](S) sda[0](S)', '        7932 blocks super external:imsm'],
      'md127 degraded not-redundant(operator level)',
    ],
    [
      'inactive array in a container',
      ['md126 : inactive sdb[1](S) sda[0](S)', '        7932 blocks super external:/md127/0'],
      'md126 degraded array-inactive(operator array_state)',
    ],
    [
      'array in a container that must not be written to',
      ['md126 : active (read-only) raid1 sdb[1] sda[0]', '        7932 blocks super external:-md127/0 [2/2] [UU]'],
      'md126 synced',
    ],
    [
      'broken',
      ['md0 : broken raid1 dm-1[1](F) dm-0[0]', '      1047552 blocks super 1.2 [2/1] [U_]'],
      'md0 degraded array-degraded(operator array_state) member-failed(operator dm-1)',
    ],
    [
      'raid10',
      [
        'md0 : active raid10 sdd[3] sdc[2] sdb[1] sda[0]',
        '      1024 blocks super 1.2 512K chunks 2 near-copies [4/4] [UUUU]',
      ],
      'md0 synced',
    ],
    [
      'linear',
      ['md0 : active linear sdb[1] sda[0]', '      2095104 blocks super 1.2 0k rounding'],
      'md0 degraded not-redundant(operator level)',
    ],
    [
      'names of named and of old partitionable arrays',
      mirror.map(line => line.replace('md0', 'md_home-1')),
      'md_home-1 synced',
    ],
    [
      'device names with a directory',
      ['md0 : active raid1 cciss!c0d1p1[1] cciss!c0d0p1[0]', '      1024 blocks [2/2] [UU]'],
      'md0 synced',
    ],
  ]
  for (const [title, lines, expected] of rows) {
    const reading = parseMdstat(mdstatOf(...lines))
    t.same(
      { judged: judged(reading), problems: reading.problems, understood: reading.understood },
      { judged: [expected], problems: [], understood: true },
      title,
    )
  }
  t.end()
})

t.test('a text that the kernel does not print makes its array unknown, and does not hide the others', t => {
  const other = ['md7 : active raid1 sdz[1] sdy[0]', '      64512 blocks [2/2] [UU]']
  const header = 'md0 : active raid1 sdb[1] sda[0]'
  const status = '      64512 blocks [2/2] [UU]'
  const rows: readonly (readonly [title: string, lines: readonly string[]])[] = [
    ['a member state (Z)', [header.replace('[1]', '[1](Z)'), status]],
    ['a member number X', [header.replace('[1]', '[X]'), status]],
    ['counts that the map denies', [header, status.replace('[UU]', '[U_]')]],
    ['a map that the counts deny', [header, status.replace('[2/2]', '[2/1]')]],
    ['a map of another length', [header, status.replace('[2/2]', '[3/2]')]],
    ['a letter in the map', [header, status.replace('UU', 'UX')]],
    ['fewer members than are counted current', [header.replace(' sda[0]', ''), status]],
    ['a failed member among those counted', [header.replace('[1]', '[1](F)'), status]],
    ['no status', [header]],
    ['a status with more text', [header, `${status} and more`]],
    ['no map', [header, status.replace(' [UU]', '')]],
    [
      'an operation of a later kernel',
      [header, status, '      [>....]  scrub = 1.0% (1/100) finish=1.0min speed=1K/sec'],
    ],
    ['a wait of a later kernel', [header, status, '      \tresync=POSTPONED']],
    ['a line of a later kernel', [header, status, '      weather: fine']],
    ['an operation glued to the bitmap', [header, status, '      bitmap: 0/1 pages [0KB], 4KB chunk resync=DELAYED']],
    ['two statuses', [header, status, status]],
    ['two operations', [header, status, '      resync=DELAYED', '      resync=DELAYED']],
    [
      'broken, with counts that contradict each other',
      [header.replace('active', 'broken'), status.replace('UU', 'U_')],
    ],
    ['neither active nor inactive', [header.replace('active', 'restless'), status]],
    ['nothing but a name', ['md0 :']],
    ['a level in capitals', [header.replace('raid1', 'RAID1'), status]],
    ['a blank line before the operation', [header, status, '', '      resync=DELAYED']],
    ['the same name twice', [header, status, '', header, status]],
  ]
  for (const [title, lines] of rows) {
    const reading = parseMdstat(mdstatOf(...lines, '', ...other))
    const states = judged(reading).map(text => text.split(' ').slice(0, 2).join(' '))
    t.same(states, ['md0 unknown', 'md7 synced'], title)
  }
  t.end()
})

t.test('the list of arrays is understood only if it is complete', t => {
  const mirror = 'md0 : active raid1 sdb[1] sda[0]\n      64512 blocks [2/2] [UU]\n'
  const codes = (text: string) => {
    const { arrays, problems, understood } = parseMdstat(text)
    return {
      arrays: arrays.length,
      understood,
      problems: problems.map(({ device, code }) => `${device ?? '-'} ${code}`),
    }
  }
  const rows: readonly (readonly [title: string, text: string, expected: ReturnType<typeof codes>])[] = [
    ['no arrays', `Personalities :\n${END}\n`, { arrays: 0, understood: true, problems: [] }],
    ['no newline at the end', `Personalities : \n${END} `, { arrays: 0, understood: true, problems: [] }],
    [
      'unused devices',
      `${PERSONALITIES}\n${mirror}\nunused devices: sdc1 sdd1 \n`,
      { arrays: 1, understood: true, problems: [] },
    ],
    [
      'kernel 2.4',
      `${PERSONALITIES}\nread_ahead 1024 sectors\nEvent: 8\n${mirror}${END}\n`,
      { arrays: 1, understood: true, problems: [] },
    ],
    ['empty', '', { arrays: 0, understood: false, problems: ['- not-this-format'] }],
    ['blank', ' \n\n', { arrays: 0, understood: false, problems: ['- not-this-format'] }],
    [
      'another file',
      'sbName=/boot/config/super.dat\nmdState=STARTED\n',
      { arrays: 0, understood: false, problems: ['- not-this-format'] },
    ],
    [
      'cut after the first line',
      `${PERSONALITIES}\n`,
      { arrays: 0, understood: false, problems: ['- dump-incomplete'] },
    ],
    [
      'cut after an array',
      `${PERSONALITIES}\n${mirror}`,
      { arrays: 1, understood: false, problems: ['- dump-incomplete', 'md0 dump-incomplete'] },
    ],
    ['its beginning lost', `${mirror}\n${END}\n`, { arrays: 1, understood: false, problems: ['- word-missing'] }],
    [
      'a line of nothing',
      `${PERSONALITIES}\nmd0 - foo bar\n${END}\n`,
      { arrays: 0, understood: false, problems: ['- bad-line'] },
    ],
    [
      'an array whose first line is lost',
      `${PERSONALITIES}\n      64512 blocks [2/2] [UU]\n\n${END}\n`,
      { arrays: 0, understood: false, problems: ['- bad-line'] },
    ],
    [
      'two files in one',
      `${PERSONALITIES}\n${END}\n${PERSONALITIES}\n${END}\n`,
      { arrays: 0, understood: false, problems: ['- bad-line', '- bad-line'] },
    ],
    [
      'a second beginning',
      `${PERSONALITIES}\n${PERSONALITIES}\n${END}\n`,
      { arrays: 0, understood: false, problems: ['- bad-line'] },
    ],
  ]
  for (const [title, text, expected] of rows) t.same(codes(text), expected, title)
  const [problem] = parseMdstat(`${'\u0000ä'.repeat(5000)}`).problems
  t.ok(
    problem !== undefined && problem.text.length <= 200 && /^[\x20-\x7e]*$/.test(problem.text),
    'a problem quotes little, and printable',
  )
  t.end()
})

t.test('a count that is too large for a number is unknown, the operation is known', t => {
  const { operation } = only(
    mdstatOf(
      'md0 : active raid1 sdb[1] sda[0]',
      '      1 blocks [2/2] [UU]',
      `      resync = 1.0% (1/${'9'.repeat(20)}) speed=1K/sec`,
    ),
  )
  t.same(operation, {
    kind: 'resync',
    status: 'running',
    progress: null,
    doneBytes: 1024,
    totalBytes: null,
    etaSeconds: null,
  })
  t.end()
})

t.test('every recorded mdstat is understood without a doubt', t => {
  for (const name of fixtureNames('.mdstat.txt')) {
    const { understood, problems } = parseMdstat(fixtureText(name))
    t.same({ understood, problems }, { understood: true, problems: [] }, name)
  }
  t.end()
})

t.test('the files of real reports', { skip: skipWithoutPublic }, t => {
  const rows: readonly (readonly [path: string, understood: boolean, judged: readonly string[]])[] = [
    ['issue-reports/mdstat.node_exporter-219-raid0-one-disk', true, ['md0 degraded not-redundant(operator level)']],
    ['issue-reports/mdstat.node_exporter-500-raid0-nvme', true, ['md0 degraded not-redundant(operator level)']],
    ['issue-reports/mdstat.node_exporter-2642-unraid', false, []],
    ['issue-reports/mdstat.check_raid-199-two-flags-and-extra-active', true, ['md0 synced check 0.157', 'md1 synced']],
    [
      'issue-reports/mdstat.check_raid-24-check-not-resync',
      true,
      ['md2 synced check 0.958', 'md1 synced', 'md0 synced'],
    ],
    [
      'issue-reports/mdstat.check_raid-30-recovery-one-digit',
      true,
      ['md1 synced', 'md0 resyncing recovery 0.005 resync-running(time)'],
    ],
    [
      'issue-reports/mdstat.check_raid-30-one-degraded-idle-one-recovering',
      true,
      ['md1 degraded array-degraded(operator)', 'md0 resyncing recovery 0.037 resync-running(time)'],
    ],
    [
      'issue-reports/mdstat.check_raid-43-raid6-two-missing-recovery',
      true,
      ['md0 resyncing recovery 0.197 resync-running(time)'],
    ],
    [
      'issue-reports/mdstat.check_raid-43-reshape-algorithm18',
      true,
      ['md0 resyncing reshape 0.484 resync-running(time)'],
    ],
    [
      'issue-reports/mdstat.monitoring-plugins-995-kernel-2.4',
      true,
      ['md0 resyncing recovery 0.005 resync-running(time)'],
    ],
    [
      'issue-reports/mdstat.monitoring-plugins-55-resync-clean-map',
      true,
      ['md1 synced', 'md2 resyncing resync 0.514 resync-running(time)'],
    ],
    [
      'issue-reports/mdstat.zentyal-748-auto-read-only-pending',
      true,
      ['md127 resyncing resync resync-pending-write(operator array_state)'],
    ],
    [
      'issue-reports/mdstat.node_exporter-1085-raid5-recovery',
      true,
      ['md300 resyncing recovery 0.265 resync-running(time)'],
    ],
    [
      'issue-reports/mdstat.node_exporter-492-synology-raid0-with-map',
      true,
      [
        'md5 synced',
        'md3 synced',
        'md2 degraded not-redundant(operator level)',
        'md6 synced',
        'md1 degraded array-degraded(operator)',
        'md0 degraded array-degraded(operator)',
      ],
    ],
    // md1 waits for a check: only sysfs shows that (combine.test.ts).
    [
      'issue-reports/mdstat.procfs-770-check-and-delayed',
      true,
      ['md0 synced check 0.455', 'md1 resyncing resync resync-waiting(time)'],
    ],
    ['issue-reports/mdstat.netdata-1478-check', true, ['md2 synced check 0.230']],
    ['nicolargo+pymdstat/mdstat.11', true, ['md127 degraded array-inactive(operator array_state)']],
    ['nicolargo+pymdstat/mdstat.12', true, ['md127 degraded not-redundant(operator level)']],
    // [4/3] [UU__]: during a reshape the map shows less than the counts.
    ['nicolargo+pymdstat/mdstat.13', true, ['md127 resyncing reshape 0.022 resync-running(time)']],
    ['nicolargo+pymdstat/mdstat.14', true, ['md127 degraded not-redundant(operator level)']],
    ['nicolargo+pymdstat/mdstat.15', true, ['md3 synced', 'md2 synced', 'md1 synced', 'md0 synced']],
    // Without the last line, the operation of md1 may be missing.
    [
      'nicolargo+pymdstat/mdstat.16',
      false,
      ['md1 unknown dump-incomplete(time mdstat) word-missing(time sync_action)'],
    ],
  ]
  for (const [path, understood, expected] of rows) {
    const reading = parseMdstat(publicText(path))
    t.same({ understood: reading.understood, judged: judged(reading) }, { understood, judged: expected }, path)
  }
  t.end()
})

t.test('the expectations of procfs for its mdstat files', { skip: skipWithoutPublic }, t => {
  const expected = pluck(publicJson('prometheus+procfs/expected.json'), 'proc/mdstat', 'upstream_expected', 'by_array')
  const { arrays, problems } = parseMdstat(publicText('prometheus+procfs/proc/mdstat'))
  t.same(problems, [])
  const kinds: Record<string, string> = {
    recovery: 'recovering',
    resync: 'resyncing',
    check: 'checking',
    reshape: 'reshaping',
  }
  const ours = arrays.map(({ name, level, arrayState, slots, members, operation }) => {
    const runs = operation !== null && operation !== 'none' ? operation : null
    const flagged = (flag: 'failed' | 'spare') => members.filter(({ flags }) => flags.includes(flag)).length
    return {
      Name: name,
      // procfs does not detect a container by its metadata.
      Type: level === null || level === 'container' ? 'unknown' : level,
      ActivityState: runs === null ? arrayState : kinds[runs.kind],
      DisksFailed: flagged('failed'),
      DisksSpare: flagged('spare'),
      // procfs counts the members of an array without counts, and none of an inactive array.
      ...(slots.expected === null || arrayState === 'inactive'
        ? {}
        : { DisksTotal: slots.expected, DisksActive: slots.current }),
      ...(runs?.status === 'running' && {
        BlocksSynced: (runs.doneBytes ?? 0) / 1024,
        BlocksToBeSynced: (runs.totalBytes ?? 0) / 1024,
      }),
    }
  })
  const theirs = ours.map(our => {
    const array = pluck(expected, our.Name)
    return Object.fromEntries(Object.keys(our).map(key => [key, pluck(array, key)]))
  })
  t.same(ours, theirs)
  t.same(
    ours.map(({ Name }) => Name).sort(),
    entriesOf(expected)
      .map(([name]) => name)
      .sort(),
  )
  for (const name of [
    'invalid-personality-and-format',
    'extra-blank-line',
    'impossible-component-state-Z',
    'malformed-component-slot-X',
  ]) {
    const reading = parseMdstat(publicText(`prometheus+procfs/proc/mdstat.${name}`))
    t.same(
      reading.arrays.map(array => judged({ ...reading, arrays: [array] }).map(text => text.split(' ')[1])),
      [['unknown']],
      `${name}: upstream fails on the whole file; here that one array is unknown`,
    )
    t.not(reading.problems.length, 0)
  }
  t.end()
})

t.test('the expectations of pymdstat, telegraf and py-mdstat for their files', { skip: skipWithoutPublic }, t => {
  for (const [file, { upstream_expected: expected }] of entriesOf(publicJson('nicolargo+pymdstat/expected.json')).map(
    ([file, value]) => [file, { upstream_expected: pluck(value, 'upstream_expected') }] as const,
  )) {
    const { arrays } = parseMdstat(publicText(`nicolargo+pymdstat/${file}`))
    for (const [name, their] of entriesOf(pluck(expected, 'arrays'))) {
      const array = arrays.find(each => each.name === name)
      const our = {
        status: array?.arrayState,
        type: array?.level,
        available: array?.slots.expected?.toString() ?? null,
        used: array?.slots.current?.toString() ?? null,
      }
      t.same(our, Object.fromEntries(Object.keys(our).map(key => [key, pluck(their, key)])), `${file} ${name}`)
      // pymdstat takes the first member of an inactive array for all of them.
      if (our.status === 'inactive') continue
      t.same(
        array?.members.map(member => member.name).sort(),
        entriesOf(pluck(their, 'components'))
          .map(([member]) => member)
          .sort(),
      )
    }
  }

  for (const file of ['mdStatFileFull', 'mdStatSyncStart', 'mdStatFileFailedDisk']) {
    const their = pluck(
      publicJson('influxdata+telegraf/expected.json'),
      `mdstat.${file}`,
      'upstream_expected',
      'first_array_fields',
    )
    const [first] = parseMdstat(publicText(`influxdata+telegraf/mdstat.${file}`)).arrays
    t.same(first?.slots, { expected: pluck(their, 'DisksTotal'), current: pluck(their, 'DisksActive') }, file)
    const operation = first?.operation
    if (operation === null || operation === undefined || operation === 'none') continue
    t.same(operation.doneBytes, Number(pluck(their, 'BlocksSynced')) * 1024, file)
    t.same(operation.etaSeconds, Number(pluck(their, 'BlocksSyncedFinishTime')) * 60, file)
  }
  t.same(parseMdstat(publicText('influxdata+telegraf/mdstat.mdStatFileEmpty')), {
    arrays: [],
    problems: [],
    understood: true,
  })
  t.same(
    judged(parseMdstat(publicText('influxdata+telegraf/mdstat.mdStatFileInvalid'))),
    ['mdf1 unknown unknown-word(operator array_state) word-missing(time array_state)', 'md0 synced'],
    'telegraf drops md0 for the line of mdf1',
  )

  const lines = publicJson('truveris+py-mdstat/line-cases.json')
  const line = (wanted: string) => {
    const found = entriesOf(lines).find(([, value]) => pluck(value, 'case') === wanted)?.[1]
    return { text: String(pluck(found, 'line')), expected: pluck(found, 'expected') }
  }
  const header = line('header').text
  t.same(
    only(mdstatOf(header)).members.map(({ name }) => name),
    ['sdf1', 'sde1'],
  )
  t.same(judged(parseMdstat(mdstatOf(line('header-no-disks').text))), ['md1 degraded array-degraded(operator)'])
  for (const wrong of ['header-wrong-prefix', 'header-wrong-format'])
    t.notOk(parseMdstat(mdstatOf(line(wrong).text)).understood, wrong)
  const mirror = [header, '      1 blocks [2/2] [UU]']
  const { operation } = only(mdstatOf(...mirror, line('resync-progress').text))
  t.match(operation, {
    kind: 'recovery',
    doneBytes: 37043392 * 1024,
    totalBytes: 292945152 * 1024,
    etaSeconds: 127.5 * 60,
  })
  t.match(
    only(mdstatOf(...mirror, line('resync-standby-tab').text)).operation,
    { kind: 'resync', status: 'pending', progress: null },
    'pending is no progress of 0',
  )
  const four = 'md0 : active raid10 sdd[3] sdc[2] sdb[1] sda[0]'
  t.same(only(mdstatOf(four, `      1 blocks ${line('status-raid10').text}`)).slots, { expected: 4, current: 4 })
  t.same(only(mdstatOf(four, `      1 blocks ${line('status-raid5').text}`)).slots, { expected: 4, current: 3 })
  t.same(only(mdstatOf(four, line('status-no-map').text)).slots, { expected: null, current: null })
  t.same(only(mdstatOf(`md0 : active raid1 ${line('disk-many-flags').text}`)).members, [
    { name: 'sda', slot: null, flags: ['spare', 'failed', 'write-mostly'] },
  ])
  for (const bitmap of ['bitmap', 'bitmap-file'])
    t.same(only(mdstatOf(...mirror, line(bitmap).text)).doubts, [], bitmap)
  t.end()
})
