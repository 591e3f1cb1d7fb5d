/**
 * Keeps imports going one way, down the floors of the house (ARCHITECTURE.md). A room may import from itself and from
 * the rooms listed for it; from `sync-query` upwards nobody may print, because only `cli` speaks to people.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const SRC = resolve(import.meta.dirname, '../src')

/** Every room of the house, and the rooms it may import from. A room that is not named here has no place. */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  'json-text': [],
  'sync-query': ['json-text'],
  'allowed-operations': ['sync-query', 'json-text'],
  thrown: [],
  'poll-proof': [],
  waiting: [],
  'durable-file': ['thrown'],
  'http-server': ['thrown'],
  'service-manager': [],
  'config-file': ['thrown', 'waiting'],
  'file-reader': ['waiting'],
  'drbd-adapter': ['sync-query', 'thrown', 'waiting', 'file-reader'],
  'mdraid-adapter': ['sync-query', 'thrown', 'waiting', 'file-reader'],
  metrics: ['sync-query', 'allowed-operations', 'thrown', 'http-server', 'service-manager'],
  'volume-plugin': ['sync-query', 'json-text', 'poll-proof', 'thrown', 'waiting', 'durable-file', 'http-server'],
  'xapi-notify': ['sync-query', 'json-text', 'allowed-operations', 'thrown', 'waiting', 'durable-file'],
  agent: [
    'sync-query',
    'json-text',
    'poll-proof',
    'config-file',
    'allowed-operations',
    'thrown',
    'durable-file',
    'waiting',
    'file-reader',
    'durable-file',
    'drbd-adapter',
    'mdraid-adapter',
    'metrics',
    'volume-plugin',
    'xapi-notify',
    'service-manager',
  ],
  updater: ['sync-query', 'allowed-operations', 'config-file', 'waiting', 'xapi-notify'],
  toolstack: [
    'sync-query',
    'json-text',
    'poll-proof',
    'allowed-operations',
    'waiting',
    'thrown',
    'durable-file',
    'http-server',
  ],
  'stand-in': [],
  cli: [
    'sync-query',
    'json-text',
    'poll-proof',
    'allowed-operations',
    'thrown',
    'waiting',
    'drbd-adapter',
    'mdraid-adapter',
    'config-file',
    'metrics',
    'service-manager',
    'volume-plugin',
    'xapi-notify',
    'agent',
    'updater',
    'toolstack',
    'stand-in',
  ],
}

/** Rooms that run as programs of their own or speak to people. */
const MAY_PRINT = new Set(['cli', 'stand-in'])
/** Ground floor: pure, so neither files, processes nor the network. */
const PURE = new Set(['sync-query', 'allowed-operations'])

const complaints: string[] = []

for (const entry of readdirSync(SRC, { withFileTypes: true })) {
  if (!entry.isDirectory()) complaints.push(`src/${entry.name} stands outside every room`)
  else if (FLOORS[entry.name] === undefined)
    complaints.push(`src/${entry.name} is on no floor: add it to scripts/check-floors.ts`)
}

for (const path of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
  if (!path.endsWith('.ts')) continue
  const file = join(SRC, path)
  const room = path.split('/')[0] ?? ''
  const allowed = FLOORS[room] ?? []
  const text = readFileSync(file, 'utf8')
  for (const [, specifier = ''] of text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)) {
    if (specifier.startsWith('node:') && PURE.has(room)) complaints.push(`src/${path} is pure and imports ${specifier}`)
    if (!specifier.startsWith('.')) continue
    const target = relative(SRC, resolve(dirname(file), specifier))
    if (target.startsWith('..')) {
      if (room !== 'cli') complaints.push(`src/${path} imports ${specifier} from outside src`)
      continue
    }
    const targetRoom = target.split('/')[0] ?? ''
    if (targetRoom !== room && !allowed.includes(targetRoom)) {
      complaints.push(`src/${path} (${room}) must not import from ${targetRoom}`)
    }
  }
  if (!MAY_PRINT.has(room) && /\bconsole\.|process\.(?:stdout|stderr|exit)/.test(text)) {
    complaints.push(`src/${path} prints or exits: only ${[...MAY_PRINT].join(' and ')} may`)
  }
}

for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
if (complaints.length > 0) process.exitCode = 1
