import { runConsole } from './console.ts'
import { type DemoOutput, jsonOutput, textOutput } from './demo-output.ts'
import type { DemoTerminal } from './demo-terminal.ts'
import { createDemoPool, type DemoPool } from './pool.ts'
import { playRebootAndResync, ScenarioState } from './reboot-and-resync.ts'

export interface DemoOptions {
  /** How many times faster than recorded. */
  readonly speed: number
  /** Port of the XenAPI endpoint on 127.0.0.1; 0 takes any free port. */
  readonly port: number
  /** Prints one JSON object per line on standard output, and nothing else there. */
  readonly json: boolean
  /** Plays this scenario first. */
  readonly scenario: 'reboot-and-resync' | null
  /** Ends after the scenario instead of reading commands. */
  readonly exit: boolean
}

const PROGRESS_EVERY_MS = 200

/**
 * Runs an embedded pool of three hosts whose SR is mirrored over them, each with a real agent on recorded DRBD events.
 * @returns whether the scenario ended as expected; `true` without a scenario
 */
export async function runDemo(options: DemoOptions, terminal: DemoTerminal): Promise<boolean> {
  const { speed, port, json, scenario, exit } = options
  const bugs: unknown[] = []
  const pool = await createDemoPool(speed, port, bug => bugs.push(bug))
  const output = json ? jsonOutput(terminal) : textOutput(terminal, () => pool.snapshot())
  pool.subscribe(output)
  printIntroduction(pool, output)
  const state = new ScenarioState(pool.hosts.map(({ hostname }) => hostname))
  if (scenario !== null) pool.subscribe(state)
  const bars = setInterval(() => output.progress(statuses(pool)), PROGRESS_EVERY_MS)
  try {
    await pool.begin()
    const ok = scenario === null || (await playRebootAndResync(pool, output, state))
    // Standard output holds nothing but JSON lines for a program that reads them.
    const answers = json ? terminal.stderr : terminal.stdout
    if (!exit) await runConsole(pool, output, terminal, text => answers.write(`${text}\n`))
    if (bugs.length > 0) throw bugs[0]
    return ok
  } finally {
    clearInterval(bars)
    await pool.close()
  }
}

function printIntroduction(pool: DemoPool, output: DemoOutput): void {
  const { url, credentials, folder, hosts } = pool
  const names = hosts.map(({ hostname }) => hostname)
  output.note(`pool of ${names.join(', ')} with one SR that is mirrored over them (resources mesh0 and mesh1)`, {
    hosts: names,
  })
  output.note(`XenAPI: ${url}/jsonrpc, user ${credentials.user}, password ${credentials.password}`, {
    url,
    credentials,
  })
  output.note(`/proc, /sys and /etc of the hosts: ${folder}`, { folder })
  for (const { hostname, socket } of hosts) {
    output.note(`agent of ${hostname}: resync-monitor status --socket ${socket}`, { host: hostname, socket })
  }
  output.note('all hosts are in maintenance mode, because XenAPI offers reboot and shutdown of disabled hosts only', {})
}

function statuses(pool: DemoPool) {
  return pool.hosts.map(({ hostname }) => ({ hostname, status: pool.status(hostname) }))
}
