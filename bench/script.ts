/**
 * Measures one call of the toolstack: SR.stat through the script that xapi-storage-script runs, and through a Node client that is
 * started for each call and sends the same request to the same daemon. The agent is real, runs in its own process and has no mirrors.
 *
 *     script.ts [--calls 25] [--rounds 9]
 *
 * Prints one JSON line per figure. Figures are medians of the CPU time of all processes that a call starts, including their children:
 * the shell that makes the calls prints the sum at its end (`times` of POSIX). Rounds of the two clients alternate, and the ratio is
 * the median of the ratios within each round. The CPU time of the daemon is the same for both and is not included.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { execa } from 'execa'

const PROJECT = resolve(import.meta.dirname, '..')
const SCRIPTS = join(PROJECT, 'plugin/volume/org.xen.xapi.storage.resync-monitor')
const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const CONFIGURATION = { drbd: 'xcp-volume-*' }
const DEADLINE_MS = 30_000

/** Makes the calls one after the other. The last line of output is `0m1.23s 0m0.45s`: user and system time of the children. */
const MAKE_CALLS = 'n=$1; shift; while [ $n -gt 0 ]; do "$@" <"$INPUT" >/dev/null || exit 1; n=$((n - 1)); done; times'
const TIMES = /(\d+)m([\d.]+)s (\d+)m([\d.]+)s\s*$/

const { values } = parseArgs({
  options: { calls: { type: 'string', default: '25' }, rounds: { type: 'string', default: '9' } },
})
const calls = Number(values.calls)

const folder = mkdtempSync(join(tmpdir(), 'bench-'))
const socket = join(folder, 'agent.sock')
const env = { RESYNC_MONITOR_SOCKET: socket }

function write(path: string, text: string): string {
  const file = join(folder, path)
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}

/** Writes the files of a host that the agent requires, and the agent's configuration. Returns the path of the configuration. */
function configure(): string {
  write('root/proc/sys/kernel/random/boot_id', 'b0b0b0b0-0000-4000-8000-000000000001\n')
  write('root/proc/uptime', '100.00 100.00\n')
  write('root/proc/mdstat', 'Personalities : \nunused devices: <none>\n')
  mkdirSync(join(folder, 'root/sys/block'), { recursive: true })
  const config = {
    host: '0a0a0a0a-0000-4000-8000-000000000001',
    srs: [],
    md: { mdadm: [] },
    root: join(folder, 'root'),
    socket,
    metrics: { enabled: false },
    stateDirectory: join(folder, 'state'),
  }
  return write('agent.yaml', JSON.stringify(config))
}

function call(method: string, params: object): Promise<{ exitCode?: number; stdout: string }> {
  return execa(join(SCRIPTS, method), ['--json'], { env, input: JSON.stringify(params), reject: false })
}

async function attached(): Promise<string> {
  const untilMs = performance.now() + DEADLINE_MS
  for (;;) {
    const { exitCode, stdout } = await call('Plugin.Query', { dbg: '' })
    if (exitCode === 0) break
    if (hasEnded) throw new Error(`the agent exited: ${(await agent).stderr}`)
    if (performance.now() > untilMs) throw new Error(`the agent does not answer: ${stdout}`)
    await sleep(50)
  }
  const names = { name: 'mirrors', description: '', dbg: '' }
  const created = await call('SR.create', { ...names, uuid: SR, configuration: CONFIGURATION })
  const answer = await call('SR.attach', { configuration: { ...CONFIGURATION, sr_uuid: SR }, dbg: '' })
  if (answer.exitCode !== 0) throw new Error(`no SR could be attached: ${created.stdout} ${answer.stdout}`)
  return JSON.parse(answer.stdout)
}

/** CPU milliseconds of one call. */
async function cpuOf(command: readonly string[], input: string): Promise<number> {
  const { stdout } = await execa('sh', ['-c', MAKE_CALLS, 'sh', String(calls), ...command], {
    env: { ...env, INPUT: input },
    timeout: calls * 10_000,
  })
  const [, ...minutesAndSeconds] = TIMES.exec(stdout) ?? []
  const [userMinutes = Number.NaN, user = Number.NaN, systemMinutes = Number.NaN, system = Number.NaN] =
    minutesAndSeconds.map(Number)
  return (((userMinutes + systemMinutes) * 60 + user + system) * 1000) / calls
}

function median(figures: readonly number[]): number {
  return figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN
}

function printFigure(figure: string, value: number, unit: string): void {
  const line = { bench: 'script', figure, calls: calls * Number(values.rounds), value: Number(value.toFixed(3)), unit }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

const agent = execa(process.execPath, [join(PROJECT, 'bin/resync-monitor.js'), 'agent', '--config', configure()], {
  reject: false,
  stdin: 'ignore',
  stdout: 'ignore',
})
let hasEnded = false
agent.then(
  () => {
    hasEnded = true
  },
  () => undefined,
)
try {
  const input = write('stat.json', JSON.stringify({ sr: await attached(), dbg: '' }))
  const script = [join(SCRIPTS, 'SR.stat'), '--json']
  const client = [process.execPath, join(SCRIPTS, 'client.mjs'), socket, '/plugin/SR.stat', '30']
  const rounds: { readonly script: number; readonly client: number }[] = []
  for (let round = -1; round < Number(values.rounds); round += 1) {
    const figures = { script: await cpuOf(script, input), client: await cpuOf(client, input) }
    // The first round fills caches and is not counted.
    if (round >= 0) rounds.push(figures)
  }
  printFigure('SR.stat by the script', median(rounds.map(each => each.script)), 'CPU ms')
  printFigure('SR.stat by a Node client', median(rounds.map(each => each.client)), 'CPU ms')
  printFigure('SR.stat, script to Node client', median(rounds.map(each => each.script / each.client)), 'ratio')
} finally {
  agent.kill()
  await agent
  rmSync(folder, { recursive: true, force: true })
}
