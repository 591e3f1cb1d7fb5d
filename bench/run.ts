/**
 * Runs every benchmark of this folder, each in a process of its own, and prints their figures:
 *
 *     npm run bench [-- [--json] [--quick] [NAME…]]
 *
 * As a table beside what is aimed at, or with --json as one line of JSON per figure. Figures of a shared machine are noisy:
 * compare CPU seconds, medians, and ratios within one run. With --quick sizes are small and the figures mean nothing: it
 * shows that the benchmarks still run.
 */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { execa } from 'execa'

const BENCHES = ['drbd-source', 'agent', 'sync-query', 'gate', 'end-to-end', 'metrics', 'script', 'md-source'] as const

/** What is aimed at on two cores, and what drbd-reactor 1.11 needs for the same work where it does it. */
interface Aim {
  readonly bench: string
  readonly figure: string
  readonly resources?: number
  readonly resyncing?: number
  readonly atMost?: number
  readonly atLeast?: number
  readonly drbdReactor?: number
}

const AIMS: readonly Aim[] = [
  ...[
    { resources: 1000, start: 0.25, rate: 250_000, cost: 0.5, memory: 150 },
    { resources: 5000, start: 0.6, rate: 200_000, cost: 0.6, memory: 220 },
  ].flatMap(({ resources, start, rate, cost, memory }) =>
    ['drbd-source', 'agent'].flatMap((bench): Aim[] => [
      {
        bench,
        figure: 'start to whole truth',
        resources,
        atMost: start,
        drbdReactor: resources === 1000 ? 0.17 : 0.74,
      },
      {
        bench,
        figure: 'flood, events applied',
        resources,
        atLeast: rate,
        drbdReactor: resources === 1000 ? 67_000 : 42_000,
      },
      { bench, figure: 'flood, cost', resources, atMost: cost, drbdReactor: resources === 1000 ? 1.7 : 2 },
      { bench, figure: 'peak RSS', resources, atMost: memory, drbdReactor: resources === 1000 ? 1_680 : 1_730 },
    ]),
  ),
  { bench: 'agent', figure: 'idle', resources: 1000, atMost: 0.6 },
  { bench: 'agent', figure: 'idle', resources: 5000, atMost: 1.5 },
  { bench: 'sync-query', figure: 'event, 10 000 mirrors to 100', atMost: 1.2 },
  { bench: 'sync-query', figure: 'agent event, 10 000 mirrors to 100', atMost: 1.2 },
  { bench: 'gate', figure: 'decide, all in sync', atMost: 1 },
  { bench: 'gate', figure: 'decide, every report bad', atMost: 1 },
  { bench: 'gate', figure: 'recompute, all in sync', atMost: 1 },
  { bench: 'gate', figure: 'recompute, every report bad', atMost: 1 },
  { bench: 'end-to-end', figure: 'kernel line to all hosts, p99', resources: 1000, atMost: 20 },
  { bench: 'end-to-end', figure: 'kernel line to all hosts, p99', resources: 5000, atMost: 20 },
  { bench: 'metrics', figure: 'scrape of a host, size', resyncing: 0, atMost: 64 },
  { bench: 'metrics', figure: 'scrape of a host, cost', resyncing: 0, atMost: 5 },
  { bench: 'metrics', figure: 'scrape of a host, size', resyncing: 3000, atMost: 256 },
  { bench: 'metrics', figure: 'scrape of a host, cost', resyncing: 3000, atMost: 10 },
  { bench: 'script', figure: 'SR.stat, script to Node client', atMost: 0.5 },
]

interface Figure {
  readonly bench: string
  readonly figure: string
  readonly value: number
  readonly unit: string
  readonly [detail: string]: unknown
}

const QUICK: Partial<Record<string, readonly string[]>> = {
  'drbd-source': ['--resources', '100', '--changes', '20000'],
  agent: ['--resources', '100', '--changes', '20000', '--idle-seconds', '0'],
  'end-to-end': ['--resources', '100', '--flips', '20'],
  script: ['--calls', '5', '--rounds', '1'],
}

function isFigure(value: unknown): value is Figure {
  return typeof value === 'object' && value !== null && 'bench' in value && 'figure' in value && 'value' in value
}

async function figuresOf(bench: string): Promise<Figure[]> {
  const sizes = values.quick ? (QUICK[bench] ?? []) : []
  const child = execa(process.execPath, [join(import.meta.dirname, `${bench}.ts`), ...sizes], {
    buffer: false,
    stdin: 'ignore',
    stderr: 'inherit',
  })
  const figures: Figure[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const told: unknown = JSON.parse(line)
    if (!isFigure(told)) throw new Error(`${bench} printed what is no figure: ${line.slice(0, 200)}`)
    figures.push(told)
    if (values.json) process.stdout.write(`${line}\n`)
  }
  await child
  return figures
}

/** What distinguishes figures of one name: sizes and kinds. */
function detailsOf({ bench: _, figure: __, value: ___, unit: ____, ...details }: Figure): string {
  return Object.entries(details)
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(', ')
}

function row(told: Figure) {
  const aim = AIMS.find(
    ({ bench, figure, resources = told.resources, resyncing = told.resyncing }) =>
      bench === told.bench && figure === told.figure && resources === told.resources && resyncing === told.resyncing,
  )
  const isMet =
    aim === undefined
      ? null
      : told.value <= (aim.atMost ?? Number.POSITIVE_INFINITY) && told.value >= (aim.atLeast ?? 0)
  return {
    bench: told.bench,
    figure: told.figure,
    of: detailsOf(told),
    value: told.value,
    unit: told.unit,
    aim: aim?.atMost === undefined ? (aim?.atLeast === undefined ? '' : `>= ${aim.atLeast}`) : `<= ${aim.atMost}`,
    met: isMet === null ? '' : isMet ? 'yes' : 'NO',
    'drbd-reactor': aim?.drbdReactor ?? '',
  }
}

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const unknown = positionals.filter(name => !BENCHES.some(bench => bench === name))
if (unknown.length > 0) {
  process.stderr.write(`there is no benchmark '${unknown.join("', '")}'; there are ${BENCHES.join(', ')}\n`)
  process.exit(64)
}
const figures: Figure[] = []
const usual = values.quick ? BENCHES.filter(bench => QUICK[bench] !== undefined) : BENCHES
for (const bench of positionals.length > 0 ? positionals : usual) figures.push(...(await figuresOf(bench)))
if (!values.json) console.table(figures.map(row))
