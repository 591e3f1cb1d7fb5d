/**
 * Measures the DRBD source, from the pipe of `drbdsetup` to the published updates:
 *
 *     drbd-source.ts [--resources 1000,5000] [--active 100] [--changes 500000]
 *
 * Prints one JSON line per figure. The flood of events is about all resources, or about `--active` of them. Each size is measured
 * in its own process, including the start of the process.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { followDrbd } from '../src/drbd-adapter/follow/follow-drbd.ts'
import { machineClock } from '../src/platform/time/clock.ts'
import { withDrbdRoot } from './drbd-root.ts'
import { measureInProcesses } from './measuring-process.ts'

const SIMULATED_DRBDSETUP = join(import.meta.dirname, 'simulated-drbdsetup.ts')

const { values } = parseArgs({
  options: {
    resources: { type: 'string', default: '1000,5000' },
    active: { type: 'string' },
    changes: { type: 'string', default: '500000' },
    measure: { type: 'boolean', default: false },
  },
})

function printFigure(figure: string, value: number, unit: string): void {
  const resources = Number(values.resources)
  const active = Number(values.active ?? values.resources)
  process.stdout.write(`${JSON.stringify({ bench: 'drbd-source', figure, resources, active, value, unit })}\n`)
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function measure(root: string, resources: number, active: number, changes: number): Promise<void> {
  const goFile = join(root, 'go')
  const stop = new AbortController()
  const drbdsetup = [process.execPath, SIMULATED_DRBDSETUP, `${resources}:${active}`, String(changes), goFile] as const
  const mirrors = new Set<string>()
  let floodStart: { at: number; cpu: number } | null = null
  let updates = 0
  for await (const { changed, doubt } of followDrbd({ drbdsetup, root, clock: machineClock, signal: stop.signal })) {
    if (doubt !== null) continue
    updates += 1
    for (const { mirror } of changed) mirrors.add(mirror)
    if (floodStart === null) {
      if (mirrors.size !== resources) throw new Error(`the source published ${mirrors.size} of ${resources} volumes`)
      printFigure('start to whole truth', Number(cpuSeconds().toFixed(3)), 'CPU s')
      floodStart = { at: performance.now(), cpu: cpuSeconds() }
      updates = 0
      writeFileSync(goFile, '')
    } else if (changed.some(({ peers }) => peers.some(({ connection }) => connection === 'NetworkFailure'))) {
      const seconds = (performance.now() - floodStart.at) / 1000
      printFigure('flood, events applied', Math.round(changes / seconds), 'events/s')
      printFigure(
        'flood, cost',
        Number((((cpuSeconds() - floodStart.cpu) / changes) * 1e5).toFixed(3)),
        'CPU s per 100 000 events',
      )
      printFigure('flood, updates', updates, 'updates')
      printFigure('peak RSS', Math.round(process.resourceUsage().maxRSS / 1024), 'MiB')
      stop.abort()
    }
  }
}

if (values.measure) {
  const active = Number(values.active ?? values.resources)
  await withDrbdRoot(root => measure(root, Number(values.resources), active, Number(values.changes)))
} else {
  const active = values.active === undefined ? [] : ['--active', values.active]
  const args = (resources: string, changes: string) => [
    ...['--measure', '--resources', resources, '--changes', changes],
    ...active,
  ]
  const runs = values.resources.split(',').map(resources => args(resources, values.changes))
  await measureInProcesses(import.meta.filename, args('1', '10'), runs)
}
