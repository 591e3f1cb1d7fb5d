/**
 * What following DRBD costs, from the pipe of `drbdsetup` to the updates that are told:
 *
 *     drbd-source.ts [--resources 1000,5000] [--active 100] [--changes 500000]
 *
 * prints one JSON line per figure. A flood is about all resources, or about so many of them that are `active`. Each size is
 * measured in a process of its own, its start included.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { followDrbd } from '../src/drbd-adapter/follow/follow-drbd.ts'
import { machineClock } from '../src/platform/time/clock.ts'
import { measureInProcesses } from './measuring-process.ts'

const STAND_IN = join(import.meta.dirname, 'stand-in-drbdsetup.ts')

const { values } = parseArgs({
  options: {
    resources: { type: 'string', default: '1000,5000' },
    active: { type: 'string' },
    changes: { type: 'string', default: '500000' },
    measure: { type: 'boolean', default: false },
  },
})

function tell(figure: string, value: number, unit: string): void {
  const resources = Number(values.resources)
  const active = Number(values.active ?? values.resources)
  process.stdout.write(`${JSON.stringify({ bench: 'drbd-source', figure, resources, active, value, unit })}\n`)
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function measure(resources: number, active: number, changes: number): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'resync-monitor-bench-'))
  mkdirSync(join(root, 'sys/module/drbd'), { recursive: true })
  const go = join(root, 'go')
  const stop = new AbortController()
  const drbdsetup = [process.execPath, STAND_IN, `${resources}:${active}`, String(changes), go] as const
  const mirrors = new Set<string>()
  let begun: { at: number; cpu: number } | null = null
  let updates = 0
  for await (const { changed, doubt } of followDrbd({ drbdsetup, root, clock: machineClock, signal: stop.signal })) {
    if (doubt !== null) continue
    updates += 1
    for (const { mirror } of changed) mirrors.add(mirror)
    if (begun === null) {
      if (mirrors.size !== resources) throw new Error(`${mirrors.size} volumes of ${resources} were told`)
      tell('start to whole truth', Number(cpuSeconds().toFixed(3)), 'CPU s')
      begun = { at: performance.now(), cpu: cpuSeconds() }
      updates = 0
      writeFileSync(go, '')
    } else if (changed.some(({ peers }) => peers.some(({ connection }) => connection === 'NetworkFailure'))) {
      const seconds = (performance.now() - begun.at) / 1000
      tell('flood, events applied', Math.round(changes / seconds), 'events/s')
      tell('flood, cost', Number((((cpuSeconds() - begun.cpu) / changes) * 1e5).toFixed(3)), 'CPU s per 100 000 events')
      tell('flood, updates', updates, 'updates')
      tell('peak RSS', Math.round(process.resourceUsage().maxRSS / 1024), 'MiB')
      stop.abort()
    }
  }
  rmSync(root, { recursive: true, force: true })
}

if (values.measure) {
  await measure(Number(values.resources), Number(values.active ?? values.resources), Number(values.changes))
} else {
  const active = values.active === undefined ? [] : ['--active', values.active]
  const args = (resources: string, changes: string) => [
    ...['--measure', '--resources', resources, '--changes', changes],
    ...active,
  ]
  const runs = values.resources.split(',').map(resources => args(resources, values.changes))
  await measureInProcesses(import.meta.filename, args('1', '10'), runs)
}
