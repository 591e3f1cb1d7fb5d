import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { ask, servedPool } from './pool-under-test.ts'

const DOCUMENT = readFileSync(join(import.meta.dirname, '../../docs/XENAPI.md'), 'utf8')
const CLASSES = ['pool', 'host', 'host_metrics', 'SR', 'PBD', 'task', 'message', 'event', 'session', 'role', 'system']
/** The getter of a field, or a read method that every class has. The table of methods does not list them. */
const READ = /^(?:Async\.)?(\w+)\.get_(\w+)$/

t.test(
  'docs/XENAPI.md lists every method that is not a plain read, with its asynchronous form, and no other',
  async t => {
    const { url } = await servedPool(t)
    const methods = await ask(url, 'system.listMethods')
    if (!Array.isArray(methods)) throw new Error('system.listMethods returned no list')
    const implemented = new Set(methods.map(String))
    const documented = documentedMethods()
    t.strictSame(
      [...documented].filter(method => !implemented.has(method)),
      [],
      'every documented method exists',
    )
    const isOfClass = (method: string) => CLASSES.includes(method.replace('Async.', '').split('.')[0] ?? '')
    t.strictSame(
      [...implemented].filter(method => isOfClass(method) && !READ.test(method) && !documented.has(method)),
      [],
      'every method is documented',
    )
  },
)

/** `CLASS.METHOD`, and `Async.CLASS.METHOD` where a `*` follows, from the table of methods. */
function documentedMethods(): ReadonlySet<string> {
  const section = DOCUMENT.slice(DOCUMENT.indexOf('## Methods'), DOCUMENT.indexOf('## Differences'))
  const methods = new Set<string>()
  for (const [, cls = '', cell = ''] of section.matchAll(/^\| (\w+) \| (`.*) \|$/gm)) {
    for (const [, name = '', star = ''] of cell.matchAll(/`(\w+)`(\*?)/g)) {
      methods.add(`${cls}.${name}`)
      if (star !== '') methods.add(`Async.${cls}.${name}`)
    }
  }
  return methods
}
