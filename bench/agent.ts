/**
 * Measures the whole agent on top of the DRBD source: it judges and records every volume and sums the volumes up into two SRs.
 *
 *     agent.ts [--resources 1000,5000] [--changes 500000] [--idle-seconds 30]
 *
 * Prints one JSON line per figure. Each size is measured in its own process, including the start of the process.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { drbdBackend } from '../src/drbd-adapter/drbd-backend.ts'
import { followDrbd } from '../src/drbd-adapter/follow/follow-drbd.ts'
import { machineClock } from '../src/platform/time/clock.ts'
import type { DrbdVolume } from '../src/sync-query/judge/drbd.ts'
import { withDrbdRoot } from './drbd-root.ts'
import { measuredAgent } from './measured-agent.ts'
import { measureInProcesses } from './measuring-process.ts'

const SIMULATED_DRBDSETUP = join(import.meta.dirname, 'simulated-drbdsetup.ts')
const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const SENTINEL = '5c5c5c5c-0000-4000-8000-000000000002'
const HOST = '0a0a0a0a-0000-4000-8000-000000000001'

const { values } = parseArgs({
  options: {
    resources: { type: 'string', default: '1000,5000' },
    changes: { type: 'string', default: '500000' },
    'idle-seconds': { type: 'string', default: '30' },
    measure: { type: 'boolean', default: false },
  },
})

function printFigure(figure: string, value: number, unit: string): void {
  const resources = Number(values.resources)
  process.stdout.write(`${JSON.stringify({ bench: 'agent', figure, resources, value, unit })}\n`)
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function measure(root: string, resources: number, changes: number): Promise<void> {
  const goFile = join(root, 'go')
  const stop = new AbortController()
  const agent = measuredAgent({ host: HOST, srs: [SR, SENTINEL] })
  const ticking = setInterval(() => agent.tick(), 1000)
  const drbdsetup = [process.execPath, SIMULATED_DRBDSETUP, String(resources), String(changes), goFile] as const
  const state: { floodStart: { readonly at: number; readonly cpu: number } | null; isComplete: boolean } = {
    floodStart: null,
    isComplete: false,
  }
  const idleThenFlood = async () => {
    const idleSeconds = Number(values['idle-seconds'])
    const before = cpuSeconds()
    if (idleSeconds > 0) {
      await sleep(idleSeconds * 1000)
      printFigure('idle', Number((((cpuSeconds() - before) / idleSeconds) * 100).toFixed(3)), '% of a core')
    }
    state.floodStart = { at: performance.now(), cpu: cpuSeconds() }
    writeFileSync(goFile, '')
  }
  for await (const update of followDrbd({ drbdsetup, root, clock: machineClock, signal: stop.signal })) {
    agent.apply(drbdBackend, update)
    if (!state.isComplete && agent.report(SR)?.state === 'synced') {
      state.isComplete = true
      printFigure('start to whole truth', Number(cpuSeconds().toFixed(3)), 'CPU s')
      void idleThenFlood()
    } else if (state.floodStart !== null && update.changed.some(hasLostPeer)) {
      const seconds = (performance.now() - state.floodStart.at) / 1000
      printFigure('flood, events applied', Math.round(changes / seconds), 'events/s')
      const perHundredThousand = ((cpuSeconds() - state.floodStart.cpu) / changes) * 1e5
      printFigure('flood, cost', Number(perHundredThousand.toFixed(3)), 'CPU s per 100 000 events')
      printFigure('peak RSS', Math.round(process.resourceUsage().maxRSS / 1024), 'MiB')
      stop.abort()
    }
  }
  clearInterval(ticking)
  await agent.close()
}

/** The volume has lost a peer, which the last line of the flood reports. */
function hasLostPeer({ peers }: DrbdVolume): boolean {
  return peers.some(({ connection }) => connection === 'NetworkFailure')
}

if (values.measure) {
  await withDrbdRoot(root => measure(root, Number(values.resources), Number(values.changes)))
} else {
  const args = (resources: string, changes: string, idleSeconds: string) =>
    ['--measure', '--resources', resources, '--changes', changes, '--idle-seconds', idleSeconds] as const
  const runs = values.resources.split(',').map(resources => args(resources, values.changes, values['idle-seconds']))
  await measureInProcesses(import.meta.filename, args('1', '10', '0'), runs)
}
