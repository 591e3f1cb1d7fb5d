import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t, { type Test } from 'tap'
import { PoolRefusal } from '../../src/agent-api/pool-methods.ts'
import {
  copying,
  gateOf,
  HOST_B,
  HOST_C,
  leaseExpired,
  resyncingOn,
  ScriptedAgent,
  SR,
  standAlone,
} from './scripted-agent.ts'

const TEXT = readFileSync(resolve(import.meta.dirname, '../../docs/SHELL.md'), 'utf8')
const JSON_PART = TEXT.slice(TEXT.indexOf('\n## JSON\n'))

/** Names that are data, not keys: of operations, and of states. */
const MAPS = new Set(['operations', 'mirrors'])

function keysOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [key, ...(MAPS.has(key) ? [] : keysOf(inner))])
}

function section(title: string): string {
  const [, text = ''] = JSON_PART.split(`\n### ${title}\n`)
  return text.split('\n### ')[0] ?? ''
}

/** The words in backticks, split at points, brackets and blanks. */
function wordsOf(text: string): Set<string> {
  const quoted = Array.from(text.matchAll(/`([^`]+)`/g), ([, words = '']) => words)
  return new Set(quoted.flatMap(words => words.split(/[^A-Za-z]+/)))
}

/** The keys in the first column of a section's tables. */
function documentedKeys(text: string): string[] {
  const cells = Array.from(text.matchAll(/^\| ((?:`[^`]+`(?:, )?)+) \|/gm), ([, cell = '']) => cell)
  return cells.flatMap(cell => [...wordsOf(cell)]).filter(word => word !== '')
}

async function fullAgent(t: Test) {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(SR, [copying('vol-7/0', 0.421), standAlone('vol-8/0')])
  const gate = gateOf([leaseExpired(HOST_C), resyncingOn(HOST_B)])
  const override = { reason: 'swap', by: 'ada', expiresAt: new Date(Date.now() + 60_000).toISOString(), inForce: true }
  agent.pool = { ...gate, hosts: gate.hosts.map(host => ({ ...host, override })) }
  agent.reboot = { canReboot: false, hosts: [], error: ['X'], reasons: [leaseExpired(HOST_C)] }
  return agent
}

const documentsOf = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

t.test('every key that is printed is documented, and every documented key is printed', async t => {
  const agent = await fullAgent(t)
  const base = new Set([...wordsOf(JSON_PART.slice(0, JSON_PART.indexOf('\n### ')))])
  const status = wordsOf(section('status --json'))
  const explain = wordsOf(section('explain --json'))
  const table: [title: string, args: string[][], also: Set<string>[]][] = [
    ['status --json', [['status']], []],
    ['explain --json', [['explain'], ['explain', 'hostB']], [status]],
    ['can-reboot --json', [['can-reboot', 'hostA']], [explain]],
    [
      'wait --json',
      [
        ['wait', '--timeout', '1s'],
        ['wait', '--host', 'hostA', '--timeout', '1s'],
      ],
      [],
    ],
    [
      'override --json',
      [
        ['override', 'hostA', '--reason', 'x', '--for', '1h'],
        ['override', '--list'],
        ['override', '--clear', 'hostA'],
      ],
      [status, explain],
    ],
  ]
  for (const [title, runs, also] of table) {
    const documents = []
    for (const args of runs) documents.push(...documentsOf((await agent.run(...args, '--json')).stdout))
    for (const document of documents) t.match(document, { schema: 1, at: /^\d{4}-.*Z$/ }, title)
    const printed = new Set(documents.flatMap(keysOf))
    const known = [base, wordsOf(section(title)), ...also]
    t.strictSame(
      [...printed].filter(key => !known.some(words => words.has(key))),
      [],
      `${title}: printed, not documented`,
    )
    t.strictSame(
      title.startsWith('override') ? [] : documentedKeys(section(title)).filter(key => !printed.has(key)),
      [],
      `${title}: documented, not printed`,
    )
  }
})

t.test('watch: each line is a document of an event that is documented', async t => {
  const agent = await fullAgent(t)
  const watching = agent.start('watch', '--json')
  const documents: Record<string, unknown>[] = []
  for await (const line of watching) {
    const document = JSON.parse(line)
    documents.push(document)
    if (document.event === 'host' && document.name === 'hostC') await agent.close()
    if (document.event === 'agent') watching.kill('SIGTERM')
  }
  t.equal((await watching).exitCode, 0)
  t.strictSame(
    documents.map(({ event }) => event),
    ['sr', 'host', 'host', 'host', 'agent'],
  )
  t.match(documents.at(-1), { schema: 1, problem: { code: 'agent-away' } })
  const words = [section('watch --json'), section('status --json'), section('explain --json')].map(wordsOf)
  const base = new Set(['schema', 'at', 'code', 'text'])
  t.strictSame(
    [...new Set(documents.flatMap(keysOf))].filter(key => !base.has(key) && !words.some(known => known.has(key))),
    [],
  )
})

t.test('an error is a document as well', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.pool = new PoolRefusal('noGate', 'there is no gate')
  t.match(documentsOf((await agent.run('status', '--json')).stdout), [
    { gate: null, gateProblem: { code: 'noGate', text: 'there is no gate' } },
  ])
  const listed = await agent.run('override', '--list', '--json')
  t.match(listed, { exitCode: 1 })
  t.match(documentsOf(listed.stdout), [{ schema: 1, error: { code: 'noGate' } }])
  const codes = wordsOf(section('Codes of `error`, `problem` and `gateProblem`'))
  for (const code of ['noGate', 'noToolstack', 'toolstackUnreachable', 'refused', 'notWatched', 'tooManyWaiters']) {
    t.ok(codes.has(code), code)
  }
})
