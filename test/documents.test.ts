import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { AgentConfigSchema } from '../src/agent/agent-config.ts'
import { AGENT_LOG_LEVELS } from '../src/agent/agent-log.ts'
import { GATE_REASONS } from '../src/allowed-operations/reason/gate-reason.ts'
import { COORDINATOR_LOG_LEVELS } from '../src/coordinator/coordinator-log.ts'
import { GuardConfigSchema } from '../src/coordinator/guard-config.ts'
import { UpdaterConfigSchema } from '../src/coordinator/updater-config.ts'
import { parseConfigFile } from '../src/platform/config-file/parse-config-file.ts'
import { REASONS } from '../src/sync-query/reason/reason.ts'
import { everything } from './metrics/every-metric.ts'
import { parseExposition } from './metrics/parse-exposition.ts'

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
      ...Object.fromEntries(
        Object.entries({ ...REASONS, ...GATE_REASONS }).map(([code, { clearedBy }]) => [code, clearedBy]),
      ),
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
    'docs/AGENT-API.md',
    'docs/ALERTS.md',
    'docs/CONFIGURATION.md',
    'docs/METRICS.md',
    'docs/SHELL.md',
    'docs/STOCK-XAPI.md',
    'docs/TROUBLESHOOTING.md',
    'docs/WHAT-IF.md',
    'docs/XENAPI.md',
  ]) {
    for (const [, target = ''] of read(document).matchAll(/\]\(([^)#:]+)\)/g)) {
      t.ok(existsSync(join(ROOT, document, '..', target)), `${document}: ${target}`)
    }
  }
})

t.test('every fixture set has an index, and what the demo plays is described', async t => {
  for (const set of ['drbd84', 'drbd9', 'drbd9-peers', 'md'])
    t.ok(existsSync(join(ROOT, 'test/fixtures', set, 'INDEX.md')), set)
  t.match(read('scenarios/reboot-and-resync/README.md'), /unedited/)
})

t.test('the manifest says the version of the package', async t => {
  t.equal(JSON.parse(read('plugin.json')).version, JSON.parse(read('package.json')).version)
})

/** The keys that a schema knows, with their defaults, by their paths (`srs[].drbd`). */
function keysOf(schema: z.core.JSONSchema.BaseSchema, path = ''): [key: string, usual: string][] {
  if (schema.type === 'array' && typeof schema.items === 'object' && !Array.isArray(schema.items)) {
    const { items } = schema
    if (typeof items === 'object' && items.type === 'object') return keysOf(items, `${path}[]`)
  }
  if (schema.type !== 'object') {
    const usual = schema.default === undefined ? 'none' : JSON.stringify(schema.default)
    return [[path, usual]]
  }
  return Object.entries(schema.properties ?? {}).flatMap(([key, property]) => {
    if (typeof property === 'boolean') return []
    const inner = keysOf(property, path === '' ? key : `${path}.${key}`)
    const isRequired = schema.required?.includes(key) === true && inner.length === 1 && property.type !== 'object'
    return isRequired && property.default === undefined
      ? inner.map(([name]): [string, string] => [name, 'required'])
      : inner
  })
}

t.test('CONFIGURATION.md has every key with its default, and no other', async t => {
  const [, agent = '', updater = '', guard = ''] = read('docs/CONFIGURATION.md').split(/^## The /m)
  for (const [name, text, schema] of [
    ['agent', agent, AgentConfigSchema],
    ['updater', updater, UpdaterConfigSchema],
    ['guard', guard, GuardConfigSchema],
  ] as const) {
    const documented = Array.from(text.matchAll(/^\| `([^`]+)` \| (?:`([^`]*)`|(required|none)) \|/gm), row => [
      row[1] ?? '',
      row[2] ?? row[3] ?? '',
    ])
    const known = keysOf(z.toJSONSchema(schema, { io: 'input' })).map(([key, usual]) => [
      key,
      usual.replace(/^"(.+)"$/, '$1'),
    ])
    t.strictSame(new Map(documented as [string, string][]), new Map(known as [string, string][]), name)
  }
})

t.test('METRICS.md has every metric of both daemons as it is exported: type, labels and help', async t => {
  const [, agent = '', updater = ''] = read('docs/METRICS.md').split(/^## The /m)
  const [ofProcess, ofAgent, ofGate] = everything()
  for (const [name, text, part] of [
    ['agent', agent, ofAgent],
    ['updater', updater, ofGate],
  ] as const) {
    const documented = Array.from(
      text.matchAll(/^\| `(\w+)` \| (\w+) \|([^|]*)\| (.*) \|$/gm),
      ([, metric, type, labels = '', meaning = '']) =>
        [metric, type, labels.replaceAll(/[` ]/g, ''), meaning.replaceAll('`', '')].join(' | '),
    )
    const rendered = `${await part.render()}\n${await ofProcess.render()}`
    const labels = new Map<string, string>()
    for (const sample of parseExposition(rendered)) {
      labels.set(sample.name.replace(/_(?:bucket|sum|count)$/, ''), namesOf(sample.labels))
    }
    const exported = Array.from(
      rendered.matchAll(/^# HELP (\w+) (.*)\n# TYPE \w+ (\w+)$/gm),
      ([, metric = '', help, type]) => [metric, type, labels.get(metric), help].join(' | '),
    )
    t.strictSame(documented.toSorted(), exported.toSorted(), name)
  }
})

function namesOf(labels: Readonly<Record<string, string>>): string {
  return Object.keys(labels)
    .filter(each => each !== 'le')
    .join(',')
}

t.test('TROUBLESHOOTING.md explains every log code of both daemons, and no other', async t => {
  const [, logged = ''] = read('docs/TROUBLESHOOTING.md').split('## What the daemons log')
  const explained = Array.from(logged.matchAll(/^\| ([a-z-]+(?:, [a-z-]+)*) \|/gm), ([, codes = '']) =>
    codes.split(', '),
  )
    .flat()
    .filter(code => code !== 'code')
  const codes = new Set([...Object.keys(AGENT_LOG_LEVELS), ...Object.keys(COORDINATOR_LOG_LEVELS)])
  t.strictSame(explained.toSorted(), [...codes].toSorted())
})

t.test('every configuration in CONFIGURATION.md is one that its daemon takes', async t => {
  const [, agent = '', updater = '', guard = ''] = read('docs/CONFIGURATION.md').split(/^## The /m)
  for (const [text, schema, count] of [
    [agent, AgentConfigSchema, 2],
    [updater, UpdaterConfigSchema, 1],
    [guard, GuardConfigSchema, 1],
  ] as const) {
    const examples = Array.from(text.matchAll(/^```yaml\n(.*?)^```/gms), ([, example = '']) => example)
    t.equal(examples.length, count)
    for (const example of examples) t.notMatch(parseConfigFile(example, 'example', schema), { ok: false })
  }
})
