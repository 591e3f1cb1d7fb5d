import t from 'tap'
import { type PresentMirrors, proposeConfigurations } from '../../src/volume-plugin/probe.ts'

const HOST: PresentMirrors = { drbd: [], md: [], doubts: [] }
const uuid = (n: number) => `${String(n).padStart(8, '0')}-1111-4111-8111-0c1d2e3f4a5b`

/** `pattern: count`, with the patterns that overlap it. */
function proposed(drbd: readonly string[]): readonly string[] {
  return proposeConfigurations({ ...HOST, drbd }).map(({ configuration, extra_info: { count, overlaps } }) => {
    return `${configuration.drbd}: ${count}${overlaps === undefined ? '' : `, overlaps ${overlaps}`}`
  })
}

t.test('resources are grouped by the program that created them', async t => {
  const table: readonly [names: readonly string[], proposals: readonly string[]][] = [
    [[], []],
    [['xcp-volume-1a', 'xcp-persistent-database'], ['xcp-volume-* xcp-persistent-*: 2']],
    [[uuid(1), uuid(2)].map(id => `pvc-${id}`), ['pvc-*: 2']],
    [['pm-1a2b3c41', 'pm-77aa01ff', 'vm-100-disk-1'], ['pm-* vm-*: 3']],
    [[uuid(1), uuid(2), uuid(3)].map(id => `disk_${id}`), ['disk_*: 3']],
    [['r-0a1b2c3d', 'r-deadbee1', 'r-00ff00ff00ff'], ['r-*: 3']],
    [
      ['web-facade', 'web-decade'],
      ['web-facade: 1', 'web-decade: 1'],
    ],
    [
      ['vol-1', 'vol-22', 'home', 'data'],
      ['vol-*: 2', 'home: 1', 'data: 1'],
    ],
    [['7', '8'], ['7 8: 2']],
    [[uuid(1), uuid(2)], [`${uuid(1)} ${uuid(2)}: 2`]],
    [Array.from({ length: 101 }, (_, n) => String(n)), ['*: 101']],
  ]
  for (const [names, proposals] of table) t.strictSame(proposed(names), proposals, names.slice(0, 4).join(' '))
})

t.test('a count is the number of matches of the pattern, and overlapping proposals name each other', async t => {
  t.strictSame(proposed(['vol-1', 'vol-2', 'vol-backup-1', 'vol-backup-2', 'vol-x', 'r0']), [
    'vol-*: 5, overlaps vol-backup-*, vol-x',
    'vol-backup-*: 2, overlaps vol-*',
    'vol-x: 1, overlaps vol-*',
    'r0: 1',
  ])
})

t.test(
  'of many groups the largest are proposed, every md array is proposed, and the last proposal counts the omitted groups',
  async t => {
    const drbd = Array.from(
      { length: 150 },
      (_, n) => `r${'abcdefghij'[n % 10]}${'klmnopqrstuvwxyz'[Math.floor(n / 10)]}`,
    )
    const md = Array.from({ length: 3 }, (_, n) => ({ name: `md${n}`, uuid: null }))
    const proposals = proposeConfigurations({ ...HOST, drbd: [...drbd, 'big-1', 'big-2'], md })
    t.equal(proposals.length, 103)
    t.match(proposals[0], { configuration: { drbd: 'big-*' }, extra_info: { count: '2' } })
    t.strictSame(
      proposals.slice(100).map(({ configuration }) => configuration),
      [{ md: 'md0' }, { md: 'md1' }, { md: 'md2' }],
    )
    t.strictSame(
      proposals.map(({ extra_info }) => extra_info.omitted).filter(omitted => omitted !== undefined),
      ['51 more groups of DRBD resources'],
    )
    t.equal(proposals.at(-1)?.extra_info.omitted, '51 more groups of DRBD resources')
  },
)

t.test('5 000 volumes of one program are one proposal', async t => {
  const drbd = Array.from({ length: 5_000 }, (_, n) => `pvc-${uuid(n)}`)
  t.strictSame(proposed(drbd), ['pvc-*: 5000'])
})

t.test('while a source has not reported everything, SR.probe raises an error that says so', async t => {
  const doubtful = { ...HOST, drbd: ['r0'], doubts: ['drbd: not everything has been read yet'] }
  t.throws(() => proposeConfigurations(doubtful), {
    code: 'SR_BACKEND_FAILURE',
    params: ['', 'the mirrors of this host are not known yet: drbd: not everything has been read yet', ''],
  })
})
