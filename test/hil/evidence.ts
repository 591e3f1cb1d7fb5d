import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from './lab.ts'

const LOOK_TIMEOUT_MS = 20_000

const IN_GUEST =
  'uptime; echo; cat /proc/drbd; echo; cat /proc/mdstat; echo; ps; echo; free; echo; ls -la /dev/disk* /run/hil; echo; dmesg'

/**
 * Writes the state of each kernel and of the pool into the lab's directory after a scenario failed. Consoles, daemon logs, events2 and
 * decisions are recorded there all the time.
 */
export async function keepEvidence(lab: Lab, scenario: string): Promise<void> {
  const directory = join(lab.directory, scenario)
  mkdirSync(directory, { recursive: true })
  const keep = async (file: string, look: () => Promise<string>) => {
    const text = await look().catch(error => `not available: ${error}\n`)
    writeFileSync(join(directory, file), text)
  }
  const json = async (asked: Promise<unknown>) => JSON.stringify(await asked, null, 2)
  await Promise.all([
    ...lab.hosts.map(host =>
      keep(`${host.name}.txt`, async () => (await host.try(IN_GUEST, { timeoutMs: LOOK_TIMEOUT_MS })).output),
    ),
    ...['host', 'host_metrics', 'PBD', 'task', 'message'].map(cls =>
      keep(`pool.${cls}.json`, () => json(lab.pool.call(`${cls}.get_all_records`))),
    ),
  ])
}
