import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { GATE_REASON_KINDS } from '../src/allowed-operations/index.ts'
import { REASON_KINDS } from '../src/sync-query/reason.ts'

const ROOT = resolve(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

t.test(
  'every reason code has its entry in TROUBLESHOOTING.md, with what clears it, and no entry is left over',
  async t => {
    const entries = new Map(
      Array.from(
        read('docs/TROUBLESHOOTING.md').matchAll(/^\| `([a-z-]+)` \| (time|operator) \|/gm),
        ([, code = '', by = '']) => [code, by],
      ),
    )
    const codes = {
      ...Object.fromEntries(Object.entries(REASON_KINDS).map(([code, { clearedBy }]) => [code, clearedBy])),
      ...GATE_REASON_KINDS,
    }
    for (const [code, clearedBy] of Object.entries(codes)) t.equal(entries.get(code), clearedBy, code)
    t.same(
      [...entries.keys()].filter(code => !(code in codes)),
      [],
    )
  },
)

t.test('links between the documents lead somewhere', async t => {
  for (const document of [
    'README.md',
    'ARCHITECTURE.md',
    'CONTRIBUTING.md',
    'docs/TROUBLESHOOTING.md',
    'docs/WHAT-IF.md',
  ]) {
    for (const [, target = ''] of read(document).matchAll(/\]\(([^)#:]+)\)/g)) {
      t.ok(existsSync(join(ROOT, document, '..', target)), `${document}: ${target}`)
    }
  }
})

t.test('every fixture set has an index, and what the demo plays is described', async t => {
  for (const set of ['drbd84', 'drbd9', 'md']) t.ok(existsSync(join(ROOT, 'test/fixtures', set, 'INDEX.md')), set)
  t.match(read('scenarios/reboot-and-resync/README.md'), /unedited/)
})

t.test('the manifest says the version of the package', async t => {
  t.equal(JSON.parse(read('plugin.json')).version, JSON.parse(read('package.json')).version)
})
