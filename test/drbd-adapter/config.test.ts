import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type ConfiguredVolumes, parseDrbdConfig } from '../../src/drbd-adapter/parse-config.ts'
import { DrbdConfigReader, readDrbdConfig } from '../../src/drbd-adapter/read-config.ts'
import { watchDrbdConfig } from '../../src/drbd-adapter/watch-config.ts'

const MESH = readFileSync(join(import.meta.dirname, '../../scenarios/reboot-and-resync/mesh.res'), 'utf8')

t.test('the volumes of a resource, in the resource or in each host section, implicit volume 0', async t => {
  t.match(parseDrbdConfig(MESH, 'mesh.res'), {
    mirrors: ['mesh0/0', 'mesh1/0', 'mesh1/1'],
    isWhole: true,
    problems: [],
  })
  const text = `
    # resource commented { volume 7 { } }
    include "x;{";
    include drbd.d/*.res;
    skip resource skipped { volume 7 { } }
    common { net { protocol C; } }
    resource "quoted name" { volume 0 { } volume 3 { disk none; } }
    resource r0 { device /dev/drbd0; on alpha { address 10.9.9.1:7788; } on bravo { address 10.9.9.2:7788; } }
    resource r1{volume 2{device minor 4;}}`
  const { mirrors, includes } = parseDrbdConfig(text, 'x.res')
  t.strictSame(mirrors, ['quoted name/0', 'quoted name/3', 'r0/0', 'r1/2'])
  t.strictSame(includes, ['x;{', 'drbd.d/*.res'])
})

t.test('a resource whose host sections are all for other hosts is none of this one', async t => {
  const table: [text: string, onAlpha: readonly string[]][] = [
    ['resource r { on alpha { volume 0 { } volume 1 { } } on bravo { volume 2 { } } }', ['r/0', 'r/1']],
    ['resource r { on bravo { volume 0 { } } on charlie { volume 0 { } } }', []],
    ['resource r { volume 3 { } on bravo { } }', []],
    ['resource r { on bravo alpha { } volume 3 { } }', ['r/3']],
    ['resource r { on "alpha" { } }', ['r/0']],
    ['resource r { _this_host { volume 1 { } } }', ['r/1']],
    ['resource r { on _this_host { volume 1 { } } on bravo { } }', ['r/1']],
    ['resource r { floating 10.9.9.1:7788 { } floating 10.9.9.2:7788 { } on bravo { } }', ['r/0']],
    ['resource r { connection { host alpha; host bravo; } volume 0 { } }', ['r/0']],
  ]
  for (const [text, onAlpha] of table) t.strictSame(parseDrbdConfig(text, 'x.res', 'alpha').mirrors, onAlpha, text)
  const root = t.testdir({})
  place(root, {
    'etc/drbd.d/r.res': 'resource r { on bravo { volume 0 { } } }',
    'proc/sys/kernel/hostname': 'alpha\n',
  })
  const reader = new DrbdConfigReader(root, 0)
  t.strictSame((await reader.read()).mirrors, [])
  writeFileSync(join(root, 'proc/sys/kernel/hostname'), 'bravo\n')
  t.strictSame((await reader.read()).mirrors, ['r/0'], 'a host that was renamed')
})

t.test(
  'a file cut at any byte: no crash, no volume that the whole would not name, and said when it is cut',
  async t => {
    const whole = new Set(parseDrbdConfig(MESH, 'mesh.res').mirrors)
    for (let end = 0; end <= MESH.length; end++) {
      const cut = parseDrbdConfig(MESH.slice(0, end), 'mesh.res')
      if (!cut.mirrors.every(mirror => whole.has(mirror))) t.fail(`cut at ${end}: ${cut.mirrors}`)
      const opened = MESH.slice(0, end).split('{').length
      const closed = MESH.slice(0, end).split('}').length
      if (opened !== closed && (cut.isWhole || cut.problems.length === 0)) t.fail(`cut at ${end} was not noticed`)
    }
    t.match(parseDrbdConfig('resource r0 {', 'x.res').problems, [{ device: 'r0', code: 'config-incomplete' }])
    t.match(parseDrbdConfig('common {', 'x.res').problems, [{ device: null, code: 'config-incomplete' }])
    t.match(parseDrbdConfig('resource r0', 'x.res'), { isWhole: false })
  },
)

/** A host's root with the given files. */
function place(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

t.test('both folders of a host are read; what is not there or too large hides nothing else', async t => {
  const root = t.testdir({})
  t.strictSame(await readDrbdConfig(root), { mirrors: [], problems: [] }, 'no DRBD on this host')
  mkdirSync(join(root, 'etc/drbd.d/folder.res'), { recursive: true })
  place(root, {
    'etc/drbd.d/mesh.res': MESH,
    'etc/drbd.d/global_common.conf': 'global { }',
    'etc/drbd.d/huge.res': 'x'.repeat(300 * 1024),
    'var/lib/linstor.d/xcp-volume-1.res': 'resource xcp-volume-1 { on a { volume 0 { } } }',
  })
  t.match(await readDrbdConfig(root), {
    mirrors: ['mesh0/0', 'mesh1/0', 'mesh1/1', 'xcp-volume-1/0'],
    problems: [{ code: 'file-too-large' }],
  })
})

t.test("drbd.conf's own resources and what it includes, by paths within the root, each file once", async t => {
  const root = t.testdir({})
  place(root, {
    'etc/drbd.conf': `include "drbd.d/global_common.conf"; include "drbd.d/*.res"; include "/srv/drbd/r?.conf";
      include "../../../../etc/drbd.conf"; include "missing.res"; include "no/such/*.res"; resource own { }`,
    'etc/drbd.d/r0.res': 'resource r0 { }',
    'etc/drbd.d/.hidden.res': 'resource hidden { }',
    'srv/drbd/r1.conf': 'include "deeper/*.res"; resource r1 { }',
    'srv/drbd/r10.conf': 'resource r10 { }',
    'srv/drbd/deeper/r2.res': 'resource r2 { }',
  })
  const { mirrors, problems } = await readDrbdConfig(root)
  t.strictSame(mirrors.toSorted(), ['own/0', 'r0/0', 'r1/0', 'r2/0'])
  t.strictSame(problems, [])
})

/** Watches until `enough` says so, and returns all that was told. */
async function watch(
  root: string,
  enough: (told: readonly ConfiguredVolumes[]) => boolean,
  pace = { restMs: 30, rereadEveryMs: 5_000 },
): Promise<ConfiguredVolumes[]> {
  const stop = new AbortController()
  const deadline = setTimeout(() => stop.abort(), 20_000)
  const told: ConfiguredVolumes[] = []
  for await (const configured of watchDrbdConfig({ root, signal: stop.signal, pace })) {
    told.push(configured)
    if (enough(told)) stop.abort()
  }
  clearTimeout(deadline)
  if (!enough(told)) throw new Error(`it never came about: ${JSON.stringify(told)}`)
  return told
}

const mirrorsOf = (told: readonly ConfiguredVolumes[]) => told.at(-1)?.mirrors.toSorted().join(' ')

t.test(
  'what is configured is told at once, and when it is something else: folders that appear, come and go',
  async t => {
    const root = t.testdir({})
    const steps = [
      () => place(root, { 'etc/drbd.d/r0.res': 'resource r0 { }' }),
      () => place(root, { 'var/lib/linstor.d/xcp-volume-1.res.tmp': 'x', 'var/lib/linstor.d/x.res': 'resource x { }' }),
      () => rmSync(join(root, 'etc/drbd.d'), { recursive: true }),
      () => place(root, { 'etc/drbd.d/r1.res': 'resource r1 { volume 4 { } }' }),
      () => renameSync(join(root, 'etc/drbd.d/r1.res'), join(root, 'etc/drbd.d/r1.off')),
    ]
    const told = await watch(root, so => {
      steps[so.length - 1]?.()
      return so.length > steps.length
    })
    t.strictSame(
      told.map(({ mirrors }) => mirrors.toSorted().join(' ')),
      ['', 'r0/0', 'r0/0 x/0', 'x/0', 'r1/4 x/0', 'x/0'],
    )
  },
)

t.test('without any file event the files are read again from time to time', async t => {
  const root = t.testdir({})
  place(root, { 'etc/drbd.conf': 'include "/srv/*.res";', 'srv/r0.res': 'resource r0 { }' })
  const told = await watch(
    root,
    so => {
      if (so.length === 1) place(root, { 'srv/r1.res': 'resource r1 { }' })
      return mirrorsOf(so) === 'r0/0 r1/0'
    },
    { restMs: 1, rereadEveryMs: 20 },
  )
  t.equal(told.length, 2)
})

t.test(
  'a resource stays configured while its file is half written or empty, until a whole text says otherwise',
  async t => {
    const root = t.testdir({})
    const file = 'etc/drbd.d/r.res'
    place(root, { [file]: 'resource r0 { } resource r1 { }' })
    const steps = [
      () => place(root, { [file]: 'resource r2 { } resource r1 {' }),
      () => place(root, { [file]: 'resource r2 { }' }),
      () => place(root, { [file]: '' }),
    ]
    const told = await watch(root, so => {
      steps[so.length - 1]?.()
      return so.length > 1 && mirrorsOf(so) === ''
    })
    const seen = told.map(({ mirrors }) => mirrors.toSorted().join(' '))
    t.strictSame([...new Set(seen)], ['r0/0 r1/0', 'r0/0 r1/0 r2/0', 'r2/0', ''])
    t.match(told[1]?.problems, [{ code: 'config-incomplete' }])
  },
)
