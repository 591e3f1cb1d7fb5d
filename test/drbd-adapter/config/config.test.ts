import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseDrbdConfig } from '../../../src/drbd-adapter/config/parse-config.ts'
import {
  type ConfiguredVolumes,
  DrbdConfigReader,
  readDrbdConfig,
} from '../../../src/drbd-adapter/config/read-config.ts'
import { type DrbdConfigPace, watchDrbdConfig } from '../../../src/drbd-adapter/config/watch-config.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'

/** A host that is known by its name alone. */
const hostNamed = (name: string) => ({ name, addresses: null })
const mirrorsIn = ({ volumes }: Pick<ConfiguredVolumes, 'volumes'>) => volumes.map(({ mirror }) => mirror)
const mirrorsOn = (host: string, text: string) => mirrorsIn(parseDrbdConfig(text, 'x.res', hostNamed(host)))

const MESH = readFileSync(join(import.meta.dirname, '../../../scenarios/reboot-and-resync/mesh.res'), 'utf8')

t.test('the volumes of a resource, in the resource or in each host section, implicit volume 0', async t => {
  const mesh = parseDrbdConfig(MESH, 'mesh.res')
  t.match(mesh, { isWhole: true, problems: [] })
  t.strictSame(mirrorsIn(mesh), ['mesh0/0', 'mesh1/0', 'mesh1/1'])
  const text = `
    # resource commented { volume 7 { } }
    include "x;{";
    include drbd.d/*.res;
    skip resource skipped { volume 7 { } }
    skip { resource skipped { on alpha { volume 7 { } } } resource skipped-too { } }
    skip whatever "stands here" { resource skipped { } }
    resource partly { skip volume 7 { } skip on alpha { volume 8 { } } volume 1 { } }
    common { net { protocol C; } }
    resource "quoted name" { volume 0 { } volume 3 { disk none; } }
    resource r0 { device /dev/drbd0; on alpha { address 10.9.9.1:7788; } on bravo { address 10.9.9.2:7788; } }
    resource r1{volume 2{device minor 4;}}`
  const parsed = parseDrbdConfig(text, 'x.res')
  t.strictSame(mirrorsIn(parsed), ['partly/1', 'quoted name/0', 'quoted name/3', 'r0/0', 'r1/2'])
  t.strictSame(parsed.includes, ['x;{', 'drbd.d/*.res'])
})

t.test('a resource whose host sections are all for other hosts has no volumes on this host', async t => {
  const table: [text: string, onAlpha: readonly string[]][] = [
    ['resource r { on alpha { volume 0 { } volume 1 { } } on bravo { volume 2 { } } }', ['r/0', 'r/1']],
    ['resource r { on bravo { volume 0 { } } on charlie { volume 0 { } } }', []],
    ['resource r { volume 3 { } on bravo { } }', []],
    ['resource r { on bravo alpha { } volume 3 { } }', ['r/3']],
    ['resource r { on "alpha" { } }', ['r/0']],
    ['resource r { _this_host { volume 1 { } } }', ['r/1']],
    ['resource r { on _this_host { volume 1 { } } on bravo { } }', ['r/1']],
    ['resource r { floating 10.9.9.1:7788 { } floating 10.9.9.2:7788 { } on bravo { } }', ['r/0']],
    ['resource r { stacked-on-top-of lower { address 10.9.9.1:7788; } on charlie { volume 0 { } } }', ['r/0']],
    ['skip resource r { on alpha { } } resource s { on bravo { } skip on alpha { } }', []],
    ['resource r { connection { host alpha; host bravo; } volume 0 { } }', ['r/0']],
  ]
  for (const [text, onAlpha] of table) t.strictSame(mirrorsOn('alpha', text), onAlpha, text)
  const root = t.testdir({})
  place(root, {
    'etc/drbd.d/r.res': 'resource r { on bravo { volume 0 { } } }',
    'proc/sys/kernel/hostname': 'alpha\n',
  })
  const reader = new DrbdConfigReader(root, machineClock, 0)
  t.strictSame(mirrorsIn(await reader.read()), [])
  writeFileSync(join(root, 'proc/sys/kernel/hostname'), 'bravo\n')
  t.strictSame(mirrorsIn(await reader.read()), ['r/0'], 'after a rename of the host')
})

t.test('a diskless volume with `tiebreaker no` has no vote (DRBD 9.3.1)', async t => {
  const on = (name: string, id: number, volume: string) => `on ${name} { node-id ${id}; ${volume} }`
  const text = (charlie: string, shared = '') =>
    `resource r { ${shared} ${on('alpha', 0, 'volume 0 { disk /dev/x; tiebreaker no; }')}
      ${on('bravo', 1, 'volume 0 { disk /dev/x; }')} ${on('charlie', 2, charlie)}
      connection-mesh { hosts alpha bravo charlie; } }`
  const seenBy = (host: string, ...parts: Parameters<typeof text>) =>
    parseDrbdConfig(text(...parts), 'x.res', hostNamed(host)).volumes[0]?.peers
  const votes = (host: string, ...parts: Parameters<typeof text>) => {
    const found = seenBy(host, ...parts)
    return { own: found?.ownVotes ?? true, peers: found?.peers.map(each => each.votes ?? true) }
  }
  const voteless = 'volume 0 { disk none; tiebreaker no; }'
  t.strictSame(votes('alpha', voteless), { own: true, peers: [true, false] }, 'a volume with a disk has a vote')
  t.strictSame(votes('charlie', voteless), { own: false, peers: [true, true] })
  t.strictSame(votes('alpha', 'volume 0 { disk none; tiebreaker yes; }'), { own: true, peers: [true, true] })
  t.strictSame(votes('alpha', 'disk none; tiebreaker no;'), { own: true, peers: [true, false] }, 'implicit volume 0')
  t.strictSame(votes('alpha', 'volume 0 { disk none; }', 'volume 0 { tiebreaker no; }'), {
    own: true,
    peers: [true, false],
  })
})

t.test('a file truncated at any byte: no exception, no volume that the complete file lacks, and a problem', async t => {
  const whole = new Set(mirrorsIn(parseDrbdConfig(MESH, 'mesh.res')))
  for (let end = 0; end <= MESH.length; end++) {
    const cut = parseDrbdConfig(MESH.slice(0, end), 'mesh.res')
    if (!mirrorsIn(cut).every(mirror => whole.has(mirror))) t.fail(`cut at ${end}: ${mirrorsIn(cut)}`)
    const opened = MESH.slice(0, end).split('{').length
    const closed = MESH.slice(0, end).split('}').length
    if (opened !== closed && (cut.isWhole || cut.problems.length === 0)) t.fail(`cut at ${end} was not noticed`)
  }
  t.match(parseDrbdConfig('resource r0 {', 'x.res').problems, [{ device: 'r0', code: 'config-incomplete' }])
  const open = 'resource r0 { on bravo { volume 1 { } } on alpha { volume 2 {'
  t.strictSame(mirrorsOn('alpha', open), ['r0/2'], 'the truncated resource counts')
  t.strictSame(mirrorsOn('alpha', 'resource r0 { on bravo { } '), ['r0/0'])
  t.match(parseDrbdConfig('common {', 'x.res').problems, [{ device: null, code: 'config-incomplete' }])
  t.match(parseDrbdConfig('resource r0', 'x.res'), { isWhole: false })
})

/** Writes files below a root directory. */
function place(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

t.test('both folders are read; a missing or too large file hides no other file', async t => {
  const root = t.testdir({})
  t.strictSame(
    await readDrbdConfig(root, machineClock),
    { volumes: [], problems: [], doubt: null },
    'no DRBD on this host',
  )
  mkdirSync(join(root, 'etc/drbd.d/folder.res'), { recursive: true })
  place(root, {
    'etc/drbd.d/mesh.res': MESH,
    'etc/drbd.d/global_common.conf': 'global { }',
    'etc/drbd.d/many.res': Array.from(
      { length: 3_000 },
      (_, i) => `resource many-${i} { on a { volume 0 { } } }\n`,
    ).join(''),
    'etc/drbd.d/huge.res': '',
    'var/lib/linstor.d/xcp-volume-1.res': 'resource xcp-volume-1 { on a { volume 0 { } } }',
  })
  truncateSync(join(root, 'etc/drbd.d/huge.res'), 16 * 2 ** 20 + 1)
  const configured = await readDrbdConfig(root, machineClock)
  const { problems, doubt } = configured
  const mirrors = mirrorsIn(configured)
  t.strictSame(mirrors.filter(mirror => !mirror.startsWith('many-')).toSorted(), [
    'mesh0/0',
    'mesh1/0',
    'mesh1/1',
    'xcp-volume-1/0',
  ])
  t.equal(mirrors.length, 3_004, 'thousands of volumes in one file')
  t.match(problems, [{ code: 'file-too-large' }])
  t.equal(doubt, '/etc/drbd.d/huge.res is larger than 16777216 bytes')
})

t.test("drbd.conf's resources and its includes, by paths within the root, each file once", async t => {
  const root = t.testdir({})
  place(root, {
    'etc/drbd.conf': `include "drbd.d/global_common.conf"; include "drbd.d/*.res"; include "/srv/drbd/r?.conf";
      include "../../../../etc/drbd.conf"; include "missing.res"; include "no/such/*.res";
      include "/srv/pool-[ab]/*/*.r[!x]s"; resource own { }`,
    'srv/pool-a/x/r3.res': 'resource r3 { }',
    'srv/pool-b/y/r4.res': 'resource r4 { }',
    'srv/pool-b/y/r5.rxs': 'resource r5 { }',
    'srv/pool-c/y/r6.res': 'resource r6 { }',
    'etc/drbd.d/global_common.conf': 'global { } common { }',
    'etc/drbd.d/r0.res': 'resource r0 { }',
    'etc/drbd.d/.hidden.res': 'resource hidden { }',
    'srv/drbd/r1.conf': 'include "deeper/*.res"; resource r1 { }',
    'srv/drbd/r10.conf': 'resource r10 { }',
    'srv/drbd/deeper/r2.res': 'resource r2 { }',
  })
  const configured = await readDrbdConfig(root, machineClock)
  t.strictSame(mirrorsIn(configured).toSorted(), ['own/0', 'r0/0', 'r1/0', 'r2/0', 'r3/0', 'r4/0'])
  t.match(configured.problems, [{ code: 'include-missing' }])
  t.equal(configured.doubt, '/etc/drbd.conf includes /etc/missing.res, which does not exist')
})

t.test('a file or folder that cannot be read causes a doubt until it can, and its known volumes stay', async t => {
  const whole = 'resource r0 { }'
  const table: [what: string, RegExp, spoil: (root: string) => void, mend: (root: string) => void][] = [
    [
      'a folder',
      /^\/etc\/drbd.d cannot be listed: ELOOP$/,
      root => {
        renameSync(join(root, 'etc/drbd.d'), join(root, 'etc/away'))
        symlinkSync('drbd.d', join(root, 'etc/drbd.d'))
      },
      root => {
        rmSync(join(root, 'etc/drbd.d'))
        renameSync(join(root, 'etc/away'), join(root, 'etc/drbd.d'))
      },
    ],
    [
      'a file',
      /^\/etc\/drbd.d\/r.res cannot be read: ELOOP$/,
      root => {
        rmSync(join(root, 'etc/drbd.d/r.res'))
        symlinkSync('r.res', join(root, 'etc/drbd.d/r.res'))
      },
      root => {
        rmSync(join(root, 'etc/drbd.d/r.res'))
        place(root, { 'etc/drbd.d/r.res': whole })
      },
    ],
    [
      'a file without its last brace',
      /r.res ends inside a section$/,
      root => place(root, { 'etc/drbd.d/r.res': whole.slice(0, -2) }),
      root => place(root, { 'etc/drbd.d/r.res': whole }),
    ],
  ]
  for (const [index, [what, doubt, spoil, mend]] of table.entries()) {
    for (const isKnown of [false, true]) {
      const root = join(t.testdir({}), `${index} ${isKnown}`)
      place(root, { 'etc/drbd.d/r.res': whole })
      const reader = new DrbdConfigReader(root, machineClock, 0)
      if (isKnown) t.strictSame(mirrorsIn(await reader.read()), ['r0/0'])
      spoil(root)
      const spoilt = await reader.read()
      t.match(spoilt.doubt, doubt, what)
      t.ok(spoilt.problems.some(({ text }) => text === spoilt.doubt))
      if (isKnown) t.strictSame(mirrorsIn(spoilt), ['r0/0'])
      mend(root)
      const mended = await reader.read()
      t.match(mended, { problems: [], doubt: null }, `${what} can be read again`)
      t.strictSame(mirrorsIn(mended), ['r0/0'])
    }
  }
  const root = join(t.testdir({}), 'fresh')
  place(root, { 'etc/drbd.d/r.res': whole.slice(0, -2) })
  const justWritten = await new DrbdConfigReader(root, machineClock, 60_000).read()
  t.match(
    justWritten,
    { volumes: [{ mirror: 'r0/0' }], doubt: null },
    'a file that was just written causes no doubt yet',
  )
  const noFolders = join(t.testdir({}), 'files')
  place(noFolders, { etc: '' })
  t.strictSame(
    await readDrbdConfig(noFolders, machineClock),
    { volumes: [], problems: [], doubt: null },
    'ENOTDIR: no files',
  )
})

t.test('during a doubt the files are read again soon', async t => {
  const root = t.testdir({})
  place(root, { 'etc/drbd.conf': 'include "/srv/*.res";', srv: '' })
  rmSync(join(root, 'srv'))
  symlinkSync('srv', join(root, 'srv'))
  const yielded = await watch(
    root,
    soFar => {
      if (soFar.length === 1) {
        rmSync(join(root, 'srv'))
        place(root, { 'srv/r0.res': 'resource r0 { }' })
      }
      return soFar.length === 2
    },
    { settleMs: 1, rereadEveryMs: 60_000, doubtedEveryMs: 20 },
  )
  t.match(yielded, [{ doubt: '/srv cannot be listed: ELOOP' }, { volumes: [{ mirror: 'r0/0' }], doubt: null }])
})

/** Watches until `enough` returns true, and returns what was yielded. */
async function watch(
  root: string,
  enough: (yielded: readonly ConfiguredVolumes[]) => boolean,
  pace: Partial<DrbdConfigPace> = { settleMs: 30, rereadEveryMs: 5_000 },
): Promise<ConfiguredVolumes[]> {
  const stop = new AbortController()
  const deadline = setTimeout(() => stop.abort(), 20_000)
  const yielded: ConfiguredVolumes[] = []
  for await (const configured of watchDrbdConfig({ root, clock: machineClock, signal: stop.signal, pace })) {
    yielded.push(configured)
    if (enough(yielded)) stop.abort()
  }
  clearTimeout(deadline)
  if (!enough(yielded)) throw new Error(`the expected configuration did not come: ${JSON.stringify(yielded)}`)
  return yielded
}

const mirrorsOf = (yielded: readonly ConfiguredVolumes[]) =>
  mirrorsIn(yielded.at(-1) ?? { volumes: [] })
    .toSorted()
    .join(' ')

t.test(
  'the configuration is yielded at once and after each change, also when folders appear and disappear',
  async t => {
    const root = t.testdir({})
    const steps = [
      () => place(root, { 'etc/drbd.d/r0.res': 'resource r0 { }' }),
      () => place(root, { 'var/lib/linstor.d/xcp-volume-1.res.tmp': 'x', 'var/lib/linstor.d/x.res': 'resource x { }' }),
      () => rmSync(join(root, 'etc/drbd.d'), { recursive: true }),
      () => place(root, { 'etc/drbd.d/r1.res': 'resource r1 { volume 4 { } }' }),
      () => renameSync(join(root, 'etc/drbd.d/r1.res'), join(root, 'etc/drbd.d/r1.off')),
    ]
    const yielded = await watch(root, soFar => {
      steps[soFar.length - 1]?.()
      return soFar.length > steps.length
    })
    t.strictSame(
      yielded.map(each => mirrorsIn(each).toSorted().join(' ')),
      ['', 'r0/0', 'r0/0 x/0', 'x/0', 'r1/4 x/0', 'x/0'],
    )
  },
)

t.test('without a file event the files are read again periodically', async t => {
  const root = t.testdir({})
  place(root, { 'etc/drbd.conf': 'include "/srv/*.res";', 'srv/r0.res': 'resource r0 { }' })
  const yielded = await watch(
    root,
    soFar => {
      if (soFar.length === 1) place(root, { 'srv/r1.res': 'resource r1 { }' })
      return mirrorsOf(soFar) === 'r0/0 r1/0'
    },
    { settleMs: 1, rereadEveryMs: 20 },
  )
  t.equal(yielded.length, 2)
})

t.test('a resource stays configured while its file is truncated or empty, until a complete file omits it', async t => {
  const root = t.testdir({})
  const file = 'etc/drbd.d/r.res'
  place(root, { [file]: 'resource r0 { } resource r1 { }' })
  const steps = [
    () => place(root, { [file]: 'resource r2 { } resource r1 {' }),
    () => place(root, { [file]: 'resource r2 { }' }),
    () => place(root, { [file]: '' }),
  ]
  const yielded = await watch(root, soFar => {
    steps[soFar.length - 1]?.()
    return soFar.length > 1 && mirrorsOf(soFar) === ''
  })
  const seen = yielded.map(each => mirrorsIn(each).toSorted().join(' '))
  t.strictSame([...new Set(seen)], ['r0/0 r1/0', 'r0/0 r1/0 r2/0', 'r2/0', ''])
  t.match(yielded[1]?.problems, [{ code: 'config-incomplete' }])
})

t.test('a file that hangs causes a doubt until it is read, and the known volumes stay', async t => {
  const root = t.testdir({})
  place(root, { 'etc/drbd.d/r0.res': 'resource r0 { }' })
  const pipe = join(root, 'etc/drbd.d/r1.res')
  const isHanging = ({ doubt }: ConfiguredVolumes) => doubt === 'reading the DRBD configuration files hangs'
  let made = 0
  const yielded = await watch(
    root,
    soFar => {
      const last = soFar.at(-1)
      if (last === undefined) return false
      if (made === 0 && !isHanging(last)) {
        execFileSync('mkfifo', [pipe])
        made = soFar.length
      } else if (made > 0 && isHanging(last)) {
        // Opened for reading and writing it never blocks, and the waiting reader sees the end when it is closed.
        const both = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
        rmSync(pipe)
        closeSync(both)
      }
      return made > 0 && soFar.length > made + 1 && !isHanging(last)
    },
    { settleMs: 1, rereadEveryMs: 20, readTimeoutMs: 300 },
  )
  t.match(yielded.slice(made).find(isHanging), { volumes: [{ mirror: 'r0/0' }] })
  t.match(yielded.at(-1), { volumes: [{ mirror: 'r0/0' }], doubt: null })
})
