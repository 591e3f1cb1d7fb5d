import t from 'tap'
import { SrSelector } from '../../src/host-state/sr-selection.ts'
import type { ParsedArrays } from '../../src/mdraid-adapter/config/parse-md-config.ts'
import { parseMdConfig } from '../../src/mdraid-adapter/config/parse-md-config.ts'
import { expectedArrays, namesOfArray, resolveArrays } from '../../src/mdraid-adapter/expected-arrays.ts'

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
