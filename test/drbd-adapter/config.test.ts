import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseDrbdConfig } from '../../src/drbd-adapter/parse-config.ts'
import { readDrbdConfig } from '../../src/drbd-adapter/read-config.ts'

const MESH = readFileSync(join(import.meta.dirname, '../../scenarios/reboot-and-resync/mesh.res'), 'utf8')

t.test('the volumes of a resource, in the resource or in each host section, implicit volume 0', async t => {
  t.strictSame(parseDrbdConfig(MESH, 'mesh.res'), { mirrors: ['mesh0/0', 'mesh1/0', 'mesh1/1'], problems: [] })
  const text = `
    # resource commented { volume 7 { } }
    include "x;{";
    common { net { protocol C; } }
    resource "quoted name" { volume 0 { } volume 3 { disk none; } }
    resource r0 { device /dev/drbd0; on alpha { address 10.9.9.1:7788; } on bravo { address 10.9.9.2:7788; } }
    resource r1{volume 2{device minor 4;}}`
  t.strictSame(parseDrbdConfig(text, 'x.res').mirrors, ['quoted name/0', 'quoted name/3', 'r0/0', 'r1/2'])
})

t.test(
  'a file cut at any byte: no crash, no volume that the whole would not name, and said when it is incomplete',
  async t => {
    const whole = new Set(parseDrbdConfig(MESH, 'mesh.res').mirrors)
    for (let end = 0; end <= MESH.length; end++) {
      const cut = parseDrbdConfig(MESH.slice(0, end), 'mesh.res')
      if (!cut.mirrors.every(mirror => whole.has(mirror))) t.fail(`cut at ${end}: ${cut.mirrors}`)
      if (cut.mirrors.length < whole.size && cut.problems.length === 0 && MESH.slice(0, end).split('{').length > 1) {
        const opened = MESH.slice(0, end).split('{').length
        const closed = MESH.slice(0, end).split('}').length
        if (opened !== closed) t.fail(`cut at ${end} was not noticed`)
      }
    }
    t.match(parseDrbdConfig('resource r0 {', 'x.res').problems, [{ device: 'r0', code: 'config-incomplete' }])
    t.match(parseDrbdConfig('common {', 'x.res').problems, [{ device: null, code: 'config-incomplete' }])
  },
)

t.test('both folders of a host are read; what is not there or too large hides nothing else', async t => {
  const root = t.testdir({})
  t.strictSame(await readDrbdConfig(root), { mirrors: [], problems: [] }, 'no DRBD on this host')
  mkdirSync(join(root, 'etc/drbd.d/folder.res'), { recursive: true })
  mkdirSync(join(root, 'var/lib/linstor.d'), { recursive: true })
  writeFileSync(join(root, 'etc/drbd.d/mesh.res'), MESH)
  writeFileSync(join(root, 'etc/drbd.d/global_common.conf'), 'global { }')
  writeFileSync(join(root, 'etc/drbd.d/huge.res'), 'x'.repeat(300 * 1024))
  writeFileSync(join(root, 'var/lib/linstor.d/xcp-volume-1.res'), 'resource xcp-volume-1 { on a { volume 0 { } } }')
  t.match(await readDrbdConfig(root), {
    mirrors: ['mesh0/0', 'mesh1/0', 'mesh1/1', 'xcp-volume-1/0'],
    problems: [{ code: 'file-too-large' }],
  })
})
