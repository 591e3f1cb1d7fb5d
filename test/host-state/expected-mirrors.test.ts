import t from 'tap'
import { expectedVolumes } from '../../src/drbd-adapter/expected-volumes.ts'
import { Roster } from '../../src/host-state/roster.ts'
import { SrSelector } from '../../src/host-state/sr-selection.ts'
import type { ParsedArrays } from '../../src/mdraid-adapter/config/parse-md-config.ts'
import { parseMdConfig } from '../../src/mdraid-adapter/config/parse-md-config.ts'
import { expectedArrays, namesOfArray, resolveArrays } from '../../src/mdraid-adapter/expected-arrays.ts'
import { configured } from './host-under-test.ts'

const UUID = '8349c26d-d272-2bc4-1122-334455667788'
const MDADM_UUID = '8349c26d:d2722bc4:11223344:55667788'

const CONFIGURED: ParsedArrays = {
  arrays: [
    { device: '/dev/md/home', uuid: UUID, name: null, shownAs: [UUID], calledAs: ['/dev/md/home', 'md/home'] },
    { device: '/dev/md7', uuid: null, name: null, shownAs: ['md7'], calledAs: ['/dev/md7', 'md7'] },
  ],
  incomparable: [],
  problems: [],
}

t.test('arrays are chosen by what people call them, and found by what the kernel calls them', async t => {
  const table: [pattern: string, kernelName: string][] = [
    ['/dev/md/home', UUID],
    ['/dev/md/*', UUID],
    [MDADM_UUID, UUID],
    [UUID.toUpperCase(), UUID],
    ['/dev/md7', 'md7'],
    ['md7', 'md7'],
  ]
  for (const [pattern, kernelName] of table) {
    const names = resolveArrays([pattern], CONFIGURED)
    t.ok(names.includes(kernelName), `${pattern}: ${names.join(' ')}`)
  }
  t.strictSame(resolveArrays(['md*'], CONFIGURED), ['md*', UUID, 'md7'])
  t.strictSame(resolveArrays(['md7'], CONFIGURED), ['md7'])
})

t.test('what is configured is expected once, by whoever it is named; a pattern expects nothing', async t => {
  const mirrors = (...md: readonly string[]) => expectedArrays(CONFIGURED, md).map(({ mirror }) => mirror)
  t.strictSame(mirrors(), ['/dev/md/home', '/dev/md7'])
  t.strictSame(mirrors('md*', '/dev/md/home', MDADM_UUID, 'md7'), ['/dev/md/home', '/dev/md7'])
  t.strictSame(mirrors('/dev/md9', '/dev/md9'), ['/dev/md/home', '/dev/md7', '/dev/md9'])
  t.match(expectedArrays(CONFIGURED, ['/dev/md9']).at(-1), { shownAs: ['md9'] })
})

t.test(
  'an array is found while it is missed and when it comes up as md127, whatever name mdadm.conf gives it',
  async t => {
    const table: [line: string, patterns: string[]][] = [
      ['ARRAY /dev/md9', ['md*', 'md9', '/dev/md*', '/dev/md9', '*']],
      ['ARRAY /dev/md/9', ['md*', 'md9', '/dev/md9', '/dev/md*', '/dev/md/9']],
      ['ARRAY /dev/md/9 name=host:9', ['md*', 'md9', '/dev/md9']],
      ['ARRAY 9', ['md*', 'md9', '/dev/md*']],
      ['ARRAY /dev/md/home', ['md*', 'md/home', '/dev/md/*', '/dev/md*']],
      ['ARRAY home', ['md*', '/dev/md/home']],
      ['ARRAY', ['md*', '/dev/md*', UUID]],
      ['ARRAY name=hostA:home', ['md*', '/dev/md/home']],
    ]
    for (const [line, patterns] of table) {
      const configured = parseMdConfig(`${line} UUID=${MDADM_UUID}\n`, 'mdadm.conf')
      for (const pattern of patterns) {
        const [missed, ...others] = expectedArrays(configured, [pattern])
        const md = resolveArrays([pattern], configured)
        const selector = new SrSelector([{ uuid: 'sr', drbd: [], md, ignorePeers: [] }])
        const srs = selector.srsOf('md', missed?.names ?? [])
        t.strictSame([srs, others], [['sr'], []], `${line}: ${pattern}`)
        const shown = selector.srsOf('md', namesOfArray('md127', UUID))
        t.strictSame(shown, ['sr'], `${line}: ${pattern}, shown as md127`)
      }
    }
  },
)

t.test('what is missed is called by a path or a UUID, so that it passes for nothing that is shown', async t => {
  const table: [lines: string[], mirrors: string[]][] = [
    [[`ARRAY md9 UUID=${MDADM_UUID}`], ['/dev/md9']],
    [[`ARRAY home UUID=${MDADM_UUID}`], ['/dev/md/home']],
    [
      [`ARRAY /dev/md0 UUID=${MDADM_UUID}`, `ARRAY /dev/md0 UUID=${MDADM_UUID}`],
      ['/dev/md0', UUID],
    ],
    [
      [`ARRAY /dev/md0 UUID=${MDADM_UUID}`, 'ARRAY /dev/md0'],
      ['/dev/md0', 'md0'],
    ],
    [['ARRAY name=md9'], ['/dev/md/md9']],
    [[`ARRAY metadata=imsm UUID=${MDADM_UUID}`], [UUID]],
  ]
  for (const [lines, mirrors] of table) {
    const configured = parseMdConfig(lines.join('\n'), 'mdadm.conf')
    t.strictSame(
      expectedArrays(configured, []).map(({ mirror }) => mirror),
      mirrors,
      lines.join('; '),
    )
  }
  t.match(expectedArrays(CONFIGURED, ['md/data']).at(-1), { mirror: '/dev/md/data', names: ['md/data'] })
})

t.test('a resource that an SR names must be there, by any of its volumes', async t => {
  const mirrors = (...drbd: readonly string[]) =>
    expectedVolumes(configured(['r0/0', 'r0/1']), drbd).map(({ mirror }) => mirror)
  t.strictSame(mirrors('r*', 'r0', 'r0/1'), ['r0/0', 'r0/1'], 'what the configuration names is expected once')
  t.strictSame(mirrors('db', 'db', 'r0/2'), ['r0/0', 'r0/1', 'db/*', 'r0/2'])
  t.match(expectedVolumes([], ['db']), [{ shownAs: ['db'], names: ['db'] }])
  t.match(expectedVolumes([], ['db/3']), [{ shownAs: ['db/3'], names: ['db', 'db/3'] }])
})

t.test('a roster tells each mirror that is missed once, and once that it is not missed any more', async t => {
  const roster = new Roster()
  const expected = (mirror: string, ...shownAs: readonly string[]) => ({ mirror, shownAs, names: [mirror] })
  const missed = (whole = true) => {
    const change = roster.settle(whole, 0)
    return { missed: change.missed.map(({ mirror }) => mirror), notMissed: change.notMissed }
  }
  roster.expect([expected('a', 'a'), expected('home', 'uuid', 'other')], 0, false)
  t.strictSame(missed(false), { missed: [], notMissed: [] }, 'not before all was told')
  t.strictSame(missed(), { missed: ['a', 'home'], notMissed: [] })
  t.strictSame(missed(), { missed: [], notMissed: [] })
  roster.add('a', ['a'])
  roster.add('md0', ['md0', 'uuid'])
  roster.add('md0', ['md0', 'uuid'])
  t.strictSame(missed(), { missed: [], notMissed: ['home'] }, 'one that is shown by its own name is simply seen')
  roster.add('md1', ['md1', 'uuid'])
  roster.remove('md0')
  t.strictSame(missed(), { missed: [], notMissed: [] }, 'another goes by the same name')
  roster.remove('md1')
  roster.remove('never-seen')
  t.strictSame(missed(), { missed: ['home'], notMissed: [] })
  t.strictSame([...roster.shown()], ['a'])
  roster.expect([expected('home', 'uuid', 'other'), expected('b', 'a')], 0, false)
  t.strictSame(missed(), { missed: [], notMissed: [] }, 'still missed, and not told again')
  roster.expect([{ ...expected('home', 'uuid', 'other'), names: ['home', 'h:home'] }], 0, false)
  t.strictSame(missed(), { missed: ['home'], notMissed: ['home'] }, 'by other names it is missed anew')
  roster.expect([], 0, false)
  t.strictSame(missed(), { missed: [], notMissed: ['home'] })
})
