import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { type ConfiguredArrays, parseMdConfig } from '../../../src/mdraid-adapter/config/parse-md-config.ts'
import { readMdConfig } from '../../../src/mdraid-adapter/config/read-md-config.ts'
import { watchMdConfig } from '../../../src/mdraid-adapter/config/watch-md-config.ts'
import { mdUuid } from '../../../src/mdraid-adapter/parse/md-uuid.ts'
import { FileReader } from '../../../src/platform/file-reader/file-reader.ts'
import { foregroundClock } from '../../../src/platform/time/clock.ts'
import { until } from '../follow/md-host.ts'

/** One UUID in the notation of mdadm, of the kernel, and of the kernel for metadata of version 0.90. */
const MDADM = '8349c26d:d2722bc4:d0d740e3:ca9ddfb2'
const KERNEL = '8349c26d-d272-2bc4-d0d7-40e3ca9ddfb2'
const KERNEL_090 = '6dc24983-c42b-72d2-e340-d7d0b2df9dca'

t.test('UUIDs are converted to the notation of the kernel, whatever separates their digits', async t => {
  for (const text of [
    MDADM,
    KERNEL,
    MDADM.toUpperCase(),
    '8349c26dd2722bc4d0d740e3ca9ddfb2',
    '8349c26d.d2722bc4 d0d7-40e3ca9ddfb2',
  ]) {
    t.equal(mdUuid(text), KERNEL, text)
  }
  for (const text of ['', '8349c26d', `${MDADM}0`, MDADM.replace('8', 'g'), 'no']) t.equal(mdUuid(text), null, text)
})

t.test('an ARRAY line names an array that the kernel should show', async t => {
  const both = [KERNEL, KERNEL_090]
  const table: readonly [line: string, ...arrays: { device: string | null; name?: string; shownAs: string[] }[]][] = [
    [`ARRAY /dev/md/home UUID=${MDADM}`, { device: '/dev/md/home', shownAs: both }],
    [
      `ARRAY /dev/md/0  metadata=1.2 UUID=${MDADM} name=hostA:0`,
      { device: '/dev/md/0', name: 'hostA:0', shownAs: both },
    ],
    [`array uuid=${KERNEL}`, { device: null, shownAs: both }],
    [`ARR /dev/md0 UUID=${MDADM}`, { device: '/dev/md0', shownAs: both }],
    [`AR /dev/md0 UUID=${MDADM}`],
    [`ARRAYS /dev/md0 UUID=${MDADM}`],
    [`#ARRAY /dev/md0 UUID=${MDADM}`],
    [`ARRAY <ignore> UUID=${MDADM}`],
    [`ARRAY <IGNORE> UUID=${MDADM}`],
    [`ARRAY /dev/md0 # UUID=${MDADM}`, { device: '/dev/md0', shownAs: ['md0'] }],
    [`ARRAY /dev/md0\n  UUID=${MDADM}`, { device: '/dev/md0', shownAs: both }],
    [`ARRAY /dev/md0\n# between\n\n\tUUID=${MDADM}`, { device: '/dev/md0', shownAs: both }],
    [`ARRAY "/dev/md/my home" UUID='${MDADM}'`, { device: '/dev/md/my home', shownAs: both }],
    ['ARRAY /dev/md7 devices=/dev/sda,/dev/sdb', { device: '/dev/md7', shownAs: ['md7'] }],
    ['ARRAY /dev/md/7 super-minor=7', { device: '/dev/md/7', shownAs: ['md7'] }],
    ['ARRAY 7 super-minor=7', { device: '7', shownAs: ['md7'] }],
    ['ARRAY /dev/md_d3 super-minor=3', { device: '/dev/md_d3', shownAs: ['md_d3'] }],
    [`ARRAY metadata=imsm UUID=${MDADM}`],
    [`ARRAY /dev/md/vol0 container=/dev/md/imsm0 member=0 UUID=${MDADM}`],
    [
      `DEVICE partitions\nMAILADDR root\nARRAY /dev/md1 UUID=${MDADM}\nHOMEHOST <system>`,
      { device: '/dev/md1', shownAs: both },
    ],
    [`DEVICE /dev/sda\n  ARRAY UUID=${MDADM}`],
  ]
  for (const [line, ...arrays] of table) {
    const { arrays: parsed, problems } = parseMdConfig(`${line}\n`, 'mdadm.conf')
    t.strictSame(
      parsed.map(({ device, name, shownAs }) => ({ device, shownAs, ...(name !== null && { name }) })),
      arrays,
      line,
    )
    t.strictSame(problems, [])
  }
})

t.test('a line that identifies no array is a problem, and does not hide the others', async t => {
  const text = `ARRAY /dev/md/home name=hostA:home\nARRAY /dev/md/cut UUID=8349c26d:d27\nARRAY /dev/md0 UUID=${MDADM}\n`
  const { arrays, incomparable, problems } = parseMdConfig(text, '/etc/mdadm.conf')
  t.match(arrays, [{ device: '/dev/md0' }])
  t.strictSame(
    problems.map(({ device, code }) => `${device} ${code}`),
    ['/dev/md/home not-comparable', '/dev/md/cut bad-uuid', '/dev/md/cut not-comparable'],
  )
  t.match(problems[0]?.text, /\/etc\/mdadm.conf.*name=hostA:home/)
  const named = (device: string) => ({ label: `/dev/md/${device}`, names: [`/dev/md/${device}`, `md/${device}`] })
  t.strictSame(incomparable, [named('home'), named('cut')])
  const inContainer = `ARRAY metadata=imsm UUID=${MDADM}\nARRAY /dev/md/vol0 container=/dev/md/imsm0 member=0 UUID=${MDADM}\n`
  t.strictSame(parseMdConfig(inContainer, 'mdadm.conf'), {
    arrays: [],
    incomparable: [{ label: KERNEL, names: ['/dev/md/', 'md/'] }, named('vol0')],
    problems: [],
  })
})

t.test('any text gives a result without an exception', async t => {
  const piece = fc.constantFrom('ARRAY', ' ', '\n', '"', "'", '#', 'UUID=', MDADM, '/dev/md', '0', '=', '<ignore>', 'x')
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), pieces => {
      const { arrays } = parseMdConfig(pieces.join(''), 'mdadm.conf')
      return arrays.every(({ shownAs }) => shownAs.length > 0)
    }),
  )
  t.pass()
})

function write(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

const devicesOf = ({ arrays }: ConfiguredArrays) => arrays.map(({ device }) => device)
const array = (device: string) => `ARRAY ${device} UUID=${MDADM}\n`

function readConfig(t: Test, root: string): Promise<ConfiguredArrays> {
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  return readMdConfig(
    root,
    new FileReader({ clock: foregroundClock, timeoutMs: 20_000, retryAfterMs: 0, signal: stop.signal }),
  )
}

const NOTHING: ConfiguredArrays = { arrays: [], incomparable: [], problems: [], doubt: null }

t.test('the configuration is read from all places where mdadm may have it', async t => {
  const root = t.testdir({})
  t.strictSame(await readConfig(t, root), NOTHING, 'nothing is configured')
  write(root, 'etc/mdadm.conf.d', 'a file')
  t.strictSame(await readConfig(t, root), NOTHING, 'a file in place of a folder configures nothing')
  rmSync(join(root, 'etc/mdadm.conf.d'))
  write(root, 'etc/mdadm/mdadm.conf', array('/dev/md1'))
  write(root, 'etc/mdadm/mdadm.conf.d/b.conf', array('/dev/md3'))
  write(root, 'etc/mdadm/mdadm.conf.d/a.conf', array('/dev/md2'))
  write(root, 'etc/mdadm/mdadm.conf.d/.c.conf', array('/dev/md9'))
  write(root, 'etc/mdadm/mdadm.conf.d/d.conf.bak', array('/dev/md9'))
  write(root, 'etc/mdadm.conf', array('/dev/md4'))
  write(root, 'etc/mdadm.conf.d/e.conf', array('/dev/md5'))
  t.strictSame(devicesOf(await readConfig(t, root)), ['/dev/md1', '/dev/md2', '/dev/md3', '/dev/md4', '/dev/md5'])
})

t.test('a file that cannot be read is a problem, and does not hide the others', async t => {
  const root = t.testdir({})
  write(root, 'etc/mdadm/mdadm.conf', array('/dev/md1'))
  mkdirSync(join(root, 'etc/mdadm.conf'))
  write(root, 'etc/mdadm.conf.d/large.conf', `#${' '.repeat(2 ** 20)}\n`)
  const configured = await readConfig(t, root)
  t.strictSame(devicesOf(configured), ['/dev/md1'])
  t.strictSame(
    configured.problems.map(({ code }) => code),
    ['unreadable', 'too-large'],
  )
  t.match(configured.doubt, /^Cannot be read \(is a directory\): /, 'it does not count as an empty file')
})

t.test('a watched configuration', async t => {
  const root = t.testdir({})
  write(root, 'etc/mdadm/mdadm.conf', array('/dev/md1'))
  const stop = new AbortController()
  const published: ConfiguredArrays[] = []
  const follow = async () => {
    const pace = { rereadEveryMs: 5, settleMs: 100 }
    for await (const each of watchMdConfig({ root, clock: foregroundClock, signal: stop.signal, pace }))
      published.push(each)
  }
  const ended = follow()
  const untilPublished = (...devices: string[]) =>
    until(() => published.map(devicesOf).at(-1)?.join() === devices.join())

  await untilPublished('/dev/md1')
  t.equal(published.length, 1, 'is published at once')

  write(root, 'etc/mdadm/mdadm.conf', '')
  const two = `${array('/dev/md1')}${array('/dev/md2')}ARRAY /dev/md/home\n`
  setTimeout(() => write(root, 'etc/mdadm/mdadm.conf', two), 30)
  await untilPublished('/dev/md1', '/dev/md2')
  t.equal(published.length, 2, 'and again when it has changed, not while it is being written')

  rmSync(join(root, 'etc/mdadm/mdadm.conf'))
  mkdirSync(join(root, 'etc/mdadm/mdadm.conf'))
  await until(() => published.at(-1)?.problems[0]?.code === 'unreadable')
  t.strictSame(published.map(devicesOf).at(-1), ['/dev/md1', '/dev/md2'], 'known arrays stay while it cannot be read')
  t.match(published.at(-1), { doubt: /is a directory/, incomparable: [{ label: '/dev/md/home' }] })
  t.equal(published.length, 3)

  rmSync(join(root, 'etc/mdadm/mdadm.conf'), { recursive: true })
  await untilPublished()
  t.equal(published.at(-1)?.doubt, null)
  t.equal(published.length, 4, 'arrays that are no longer configured are removed')

  stop.abort()
  await ended
})
