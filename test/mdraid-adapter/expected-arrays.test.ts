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

t.test("arrays are selected by the operator's names, and found by the kernel's names", async t => {
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

t.test('a configured array is expected once, however many SRs name it; a pattern expects nothing', async t => {
  const mirrors = (...md: readonly string[]) => expectedArrays(CONFIGURED, md).map(({ mirror }) => mirror)
  t.strictSame(mirrors(), ['/dev/md/home', '/dev/md7'])
  t.strictSame(mirrors('md*', '/dev/md/home', MDADM_UUID, 'md7'), ['/dev/md/home', '/dev/md7'])
  t.strictSame(mirrors('/dev/md9', '/dev/md9'), ['/dev/md/home', '/dev/md7', '/dev/md9'])
  t.match(expectedArrays(CONFIGURED, ['/dev/md9']).at(-1), { shownAs: ['md9'] })
})

t.test(
  'an array belongs to its SR while it is missing and when it comes up as md127, whatever mdadm.conf calls it',
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

t.test('a missing array has a path or a UUID as its name, so no array of the kernel has the same name', async t => {
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
