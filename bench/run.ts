/**
 * Runs every benchmark of this folder, each in its own process, and prints their figures:
 *
 *     npm run bench [-- [--json] [--quick] [NAME…]]
 *
 * The output is a table of the figures and their targets, or with --json one line of JSON per figure. Figures of a shared machine are
 * noisy: compare CPU seconds, medians, and ratios within one run. With --quick the sizes are small: that only checks that the
 * benchmarks run, and the figures have no meaning.
 */
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { execa } from 'execa'

const BENCHES = [
  'drbd-source',
  'agent',
  'sync-query',
  'gate',
  'end-to-end',
  'metrics',
  'script',
  'md-source',
  'stock-pool',
] as const

/**
 * The target of a figure on a machine with two cores. `drbdReactor` is the figure of drbd-reactor 1.11 for the same
 * work, if it does that work.
 */
interface Target {
  readonly bench: string
  readonly figure: string
  readonly resources?: number
  readonly resyncing?: number
  readonly atMost?: number
  readonly atLeast?: number
  readonly drbdReactor?: number
}

const TARGETS: readonly Target[] = [
  ...[
    { resources: 1000, start: 0.25, rate: 250_000, cost: 0.5, memory: 150 },
    { resources: 5000, start: 0.6, rate: 200_000, cost: 0.6, memory: 220 },
  ].flatMap(({ resources, start, rate, cost, memory }) =>
    ['drbd-source', 'agent'].flatMap((bench): Target[] => [
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
  { bench: 'stock-pool', figure: 'accepted reboot to task, p99', atMost: 50 },
  { bench: 'stock-pool', figure: 'accepted reboot to field of all disabled hosts, p99', atMost: 50 },
  { bench: 'stock-pool', figure: 'two clients reboot 100 ms after host.disable, both accepted', atMost: 0 },
  { bench: 'stock-pool', figure: 'idle guard', atMost: 0.1 },
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
  'stock-pool': ['--hosts', '9', '--rounds', '3', '--races', '1', '--idle-seconds', '1'],
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
    const figure: unknown = JSON.parse(line)
    if (!isFigure(figure)) throw new Error(`${bench} printed a line that is not a figure: ${line.slice(0, 200)}`)
    figures.push(figure)
    if (values.json) process.stdout.write(`${line}\n`)
  }
  await child
  return figures
}

/** The sizes and kinds that distinguish figures of one name. */
function detailsOf({ bench: _, figure: __, value: ___, unit: ____, ...details }: Figure): string {
  return Object.entries(details)
    .map(([key, value]) => `${key} ${String(value)}`)
    .join(', ')
}

function row(measured: Figure) {
  const target = TARGETS.find(
    ({ bench, figure, resources = measured.resources, resyncing = measured.resyncing }) =>
      bench === measured.bench &&
      figure === measured.figure &&
      resources === measured.resources &&
      resyncing === measured.resyncing,
  )
  const isMet =
    target === undefined
      ? null
      : measured.value <= (target.atMost ?? Number.POSITIVE_INFINITY) && measured.value >= (target.atLeast ?? 0)
  return {
    bench: measured.bench,
    figure: measured.figure,
    of: detailsOf(measured),
    value: measured.value,
    unit: measured.unit,
    target:
      target?.atMost === undefined
        ? target?.atLeast === undefined
          ? ''
          : `>= ${target.atLeast}`
        : `<= ${target.atMost}`,
    met: isMet === null ? '' : isMet ? 'yes' : 'NO',
    'drbd-reactor': target?.drbdReactor ?? '',
  }
}

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const unknown = positionals.filter(name => !BENCHES.some(bench => bench === name))
if (unknown.length > 0) {
  process.stderr.write(`unknown benchmark '${unknown.join("', '")}'; the benchmarks are ${BENCHES.join(', ')}\n`)
  process.exit(64)
}
const figures: Figure[] = []
const selected = values.quick ? BENCHES.filter(bench => QUICK[bench] !== undefined) : BENCHES
for (const bench of positionals.length > 0 ? positionals : selected) figures.push(...(await figuresOf(bench)))
if (!values.json) console.table(figures.map(row))
