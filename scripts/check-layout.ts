/**
 * Checks the layout of `src` (ARCHITECTURE.md): imports go down the list of folders, in no circle; pure folders use nothing of the
 * machine; only `cli` and `demo` print; only compositions take the machine's clock and timers; no folder has more than 15 files; no
 * exported name is used twice. Prints each violation and exits with 1 if there is one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

const SRC = resolve(import.meta.dirname, '../src')
const MAX_FILES = 15

const CORE = ['platform', 'sync-query']

/** For each folder of `src`, the folders it may import from besides itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  platform: [],
  'sync-query': ['platform'],
  'drbd-adapter': CORE,
  'mdraid-adapter': CORE,
  'host-state': CORE,
  'allowed-operations': CORE,
  'xenapi-client': ['platform'],
  'xapi-notify': [...CORE, 'allowed-operations', 'xenapi-client'],
  'agent-api': [...CORE, 'allowed-operations'],
  'volume-plugin': [...CORE, 'agent-api'],
  metrics: [...CORE, 'allowed-operations'],
  updater: [...CORE, 'allowed-operations'],
  'embedded-pool': [...CORE, 'allowed-operations', 'agent-api', 'updater'],
  'stock-pool': [...CORE, 'allowed-operations', 'xenapi-client', 'agent-api', 'updater'],
  agent: [
    ...CORE,
    'drbd-adapter',
    'mdraid-adapter',
    'host-state',
    'allowed-operations',
    'xenapi-client',
    'xapi-notify',
    'agent-api',
    'volume-plugin',
    'metrics',
  ],
  coordinator: [
    ...CORE,
    'allowed-operations',
    'agent-api',
    'volume-plugin',
    'metrics',
    'updater',
    'embedded-pool',
    'stock-pool',
    'xenapi-client',
  ],
  demo: [
    ...CORE,
    'drbd-adapter',
    'host-state',
    'allowed-operations',
    'xenapi-client',
    'xapi-notify',
    'agent-api',
    'updater',
    'embedded-pool',
    'agent',
    'coordinator',
  ],
  cli: [
    ...CORE,
    'drbd-adapter',
    'mdraid-adapter',
    'host-state',
    'allowed-operations',
    'agent-api',
    'updater',
    'stock-pool',
    'agent',
    'coordinator',
    'demo',
  ],
}

/** Folders whose programs print and set exit codes. */
const MAY_PRINT = new Set(['cli', 'demo'])
/** Folders without files, processes and network. */
const PURE = new Set(['sync-query', 'host-state', 'allowed-operations'])
/** Folders that put a program together: they take the machine's clock and timers and pass them on. */
const COMPOSITIONS = [
  'agent/',
  'coordinator/',
  'demo/',
  'cli/',
  'platform/time/',
  'platform/file-reader/serve-reads.ts',
]
const MACHINE_TIME = /\b(?:Date\.now|performance\.now|(?<!\.)(?:setTimeout|setInterval)|new Date\(\))/

const complaints: string[] = []

interface SourceFile {
  readonly text: string
  /** Paths below `src`. */
  readonly imports: readonly string[]
}

function readSources(): ReadonlyMap<string, SourceFile> {
  const paths = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter(path => path.endsWith('.ts'))
  return new Map(paths.toSorted().map(path => [path, readSource(path)]))
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(SRC, path), 'utf8')
  const specifiers = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, specifier = '']) => specifier)
  const folder = folderOf(path)
  if (PURE.has(folder)) {
    for (const each of specifiers.filter(specifier => specifier.startsWith('node:') && specifier !== 'node:util')) {
      complaints.push(`src/${path} is pure and imports ${each}`)
    }
  }
  const files = specifiers
    .filter(specifier => specifier.startsWith('.'))
    .map(specifier => relative(SRC, resolve(SRC, dirname(path), specifier)))
  return { text, imports: files }
}

function folderOf(path: string): string {
  return path.split('/')[0] ?? ''
}

function checkFolders(): void {
  for (const entry of readdirSync(SRC, { withFileTypes: true })) {
    if (!entry.isDirectory()) complaints.push(`src/${entry.name} is in no folder`)
    else if (MAY_IMPORT[entry.name] === undefined)
      complaints.push(`src/${entry.name} is not in scripts/check-layout.ts`)
  }
}

function checkArrows(sources: ReadonlyMap<string, SourceFile>): void {
  for (const [path, { imports }] of sources) {
    const folder = folderOf(path)
    for (const target of imports) {
      if (target.startsWith('..')) {
        if (folder !== 'cli') complaints.push(`src/${path} imports ${target} from outside src`)
      } else if (folderOf(target) !== folder && !MAY_IMPORT[folder]?.includes(folderOf(target))) {
        complaints.push(`src/${path} must not import from ${folderOf(target)} (${target})`)
      }
    }
  }
}

function checkCircles(sources: ReadonlyMap<string, SourceFile>): void {
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path)
    if (start !== -1) {
      complaints.push(`circle: ${[...trail.slice(start), path].join(' -> ')}`)
      return
    }
    if (done.has(path)) return
    for (const target of sources.get(path)?.imports ?? []) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of sources.keys()) visit(path, [])
}

function checkEffects(sources: ReadonlyMap<string, SourceFile>): void {
  for (const [path, { text }] of sources) {
    if (!MAY_PRINT.has(folderOf(path)) && /\bconsole\.|process\.(?:stdout|stderr|exit)/.test(text)) {
      complaints.push(`src/${path} prints or exits: only ${[...MAY_PRINT].join(' and ')} may`)
    }
    if (COMPOSITIONS.some(each => path.startsWith(each))) continue
    for (const [at, line] of text.split('\n').entries()) {
      if (MACHINE_TIME.test(line) && !/^\s*(?:\/\/|\*|\/\*)/.test(line)) {
        complaints.push(`src/${path}:${at + 1} takes the machine's time: ${line.trim()}`)
      }
    }
  }
}

function checkFolderSizes(sources: ReadonlyMap<string, SourceFile>): void {
  const counts = new Map<string, number>()
  for (const path of sources.keys()) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1)
  for (const [folder, count] of counts) {
    if (count > MAX_FILES) complaints.push(`src/${folder} has ${count} files, more than ${MAX_FILES}`)
  }
}

function checkNames(sources: ReadonlyMap<string, SourceFile>): void {
  const owners = new Map<string, string>()
  const definition = /^export (?:declare )?(?:abstract )?(?:async )?(?:function\*?|const|class|interface|type) (\w+)/gm
  for (const [path, { text }] of sources) {
    for (const name of new Set([...text.matchAll(definition)].map(([, each = '']) => each))) {
      const owner = owners.get(name)
      if (owner !== undefined) complaints.push(`${name} is exported by src/${owner} and by src/${path}`)
      owners.set(name, path)
    }
  }
}

const sources = readSources()
checkFolders()
checkArrows(sources)
checkCircles(sources)
checkEffects(sources)
checkFolderSizes(sources)
checkNames(sources)

for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
if (complaints.length > 0) process.exitCode = 1
