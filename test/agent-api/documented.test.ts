import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { z } from 'zod'
import { AGENT_EVENTS } from '../../src/agent-api/answers.ts'
import { AGENT_ERRORS, AGENT_METHODS } from '../../src/agent-api/methods.ts'
import { PLUGIN_ERRORS, PLUGIN_FUNCTIONS } from '../../src/agent-api/plugin-functions.ts'

const TEXT = readFileSync(join(import.meta.dirname, '../../docs/AGENT-API.md'), 'utf8')

/** The cells of each row of the table under a heading, by the name in its first cell. */
function rowsOf(heading: string): ReadonlyMap<string, readonly string[]> {
  const [, section = ''] = TEXT.split(`\n## ${heading}\n`)
  const [own = ''] = section.split('\n## ')
  const rows = own.split('\n').filter(line => line.startsWith('| `'))
  return new Map(
    rows.map(row => row.split('|').map(cell => cell.trim())).map(([, name = '', ...cells]) => [name, cells]),
  )
}

const inTicks = (names: readonly string[]) => names.map(name => `\`${name}\``)

/** Every key of a value of this schema, at any depth. */
function keysOf(schema: z.ZodType, io: 'input' | 'output'): readonly string[] {
  const keys = new Set<string>()
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    if ('properties' in node && typeof node.properties === 'object' && node.properties !== null) {
      for (const key of Object.keys(node.properties)) keys.add(key)
    }
    for (const child of Object.values(node)) visit(child)
  }
  visit(z.toJSONSchema(schema, { unrepresentable: 'any', io }))
  return [...keys]
}

t.test('AGENT-API.md lists every method, its socket, its parameters and its errors, and no other method', async t => {
  const rows = rowsOf('Methods')
  t.strictSame([...rows.keys()], inTicks(Object.keys(AGENT_METHODS)))
  for (const [name, { socket, params, errors }] of Object.entries(AGENT_METHODS)) {
    const [documentedSocket, parameters = '', , documentedErrors = ''] = rows.get(`\`${name}\``) ?? []
    t.equal(documentedSocket, socket, name)
    const keys = keysOf(params, 'input')
    t.equal(parameters.includes('`'), keys.length > 0, name)
    for (const key of keys) t.ok(parameters.includes(`\`${key}\``), `${name}: ${key}`)
    t.equal(documentedErrors, inTicks(errors).join(', '), name)
  }
})

t.test('AGENT-API.md names every key of every result and of every event', async t => {
  const documented = new Set(
    Array.from(TEXT.matchAll(/`([^`]+)`/g), ([, code = '']) => code).flatMap(code => code.split(/[^a-zA-Z]+/)),
  )
  for (const [name, { result }] of Object.entries(AGENT_METHODS)) {
    for (const key of keysOf(result, 'input')) t.ok(documented.has(key), `${name}: ${key}`)
  }
  const events = rowsOf('Events')
  t.strictSame([...events.keys()], inTicks(Object.keys(AGENT_EVENTS)))
  for (const [name, { when, data }] of Object.entries(AGENT_EVENTS)) {
    t.equal(events.get(`\`${name}\``)?.[0], when, name)
    for (const key of keysOf(data, 'input')) t.ok(documented.has(key), `${name}: ${key}`)
  }
})

t.test('AGENT-API.md lists every error, with its code and meaning', async t => {
  t.strictSame(
    [...rowsOf('Errors')].map(([name, cells]) => [name, cells[0], cells[1]]),
    Object.entries(AGENT_ERRORS).map(([name, { code, meaning }]) => [`\`${name}\``, String(code), meaning]),
  )
})

t.test('AGENT-API.md lists every function and every error of the XenAPI plugin', async t => {
  const rows = rowsOf('The XenAPI plugin')
  t.strictSame([...rows.keys()], inTicks([...Object.keys(PLUGIN_FUNCTIONS), ...Object.keys(PLUGIN_ERRORS)]))
  for (const [name, { about }] of Object.entries(PLUGIN_FUNCTIONS)) {
    t.equal(rows.get(`\`${name}\``)?.[0], `the ${about}`, name)
  }
  for (const [name, meaning] of Object.entries(PLUGIN_ERRORS)) t.equal(rows.get(`\`${name}\``)?.[0], meaning, name)
})
