import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import { AgentSocket } from '../../src/agent/agent-socket.ts'
import type { SyncAnswers } from '../../src/agent-api/agent-methods.ts'
import type {
  CanRebootAnswer,
  GateAnswer,
  GateReasonAnswer,
  MirrorAnswer,
  OverrideAnswer,
  UnwatchedAnswer,
} from '../../src/agent-api/answers.ts'
import { type OverrideRequest, type PoolAnswers, PoolRefusal } from '../../src/agent-api/pool-methods.ts'
import { SyncEvents } from '../../src/agent-api/sync-events.ts'
import { shellWord } from '../../src/platform/text/shell-word.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { Reason } from '../../src/sync-query/reason/reason.ts'
import type { Report } from '../../src/sync-query/report/report.ts'
import type { StateCounts } from '../../src/sync-query/state.ts'
import { folderOf, Host, type Tap } from '../volume-plugin/plugin-under-test.ts'

/** Of bsdutils: runs a command on a terminal of its own. */
const PSEUDO_TERMINAL = '/usr/bin/script'
export const HAS_TERMINALS = existsSync(PSEUDO_TERMINAL)
const PROGRAM = resolve(import.meta.dirname, '../../bin/resync-monitor.js')

export const SR = '5c5c5c5c-0000-4000-8000-000000000001'
export const OTHER_SR = '5c5cffff-0000-4000-8000-000000000002'
export const HOST_A = { uuid: '0a0a0a0a-0000-4000-8000-000000000001', name: 'hostA' }
export const HOST_B = { uuid: '0a0a0a0a-0000-4000-8000-000000000002', name: 'hostB' }
export const HOST_C = { uuid: '0a0a0a0a-0000-4000-8000-000000000003', name: 'hostC' }
const HOSTS = [HOST_A, HOST_B, HOST_C]
/** Constant, so that all answers are about the same resync. */
const SINCE = new Date(Date.now() - 180_000).toISOString()

/** What an agent answers, and what a test may change while it runs. */
export class ScriptedAgent implements SyncAnswers, PoolAnswers {
  readonly reports = new Map<string, Report>()
  readonly mirrorsOf = new Map<string, readonly MirrorAnswer[]>()
  pool: GateAnswer | PoolRefusal = gateOf([])
  reboot: CanRebootAnswer | PoolRefusal = { canReboot: true, hosts: [], error: null, reasons: [] }
  override: OverrideAnswer | null = null
  /** What a pool of unmodified toolstacks adds to the answer to an override. */
  effect: Pick<OverrideAnswer, 'inForce' | 'guard'> = { inForce: true }
  /** Whether the hosts of a `can-reboot` are enabled; `null`: an updater that does not report it. */
  enabled: boolean | null = null
  /** The answer about the mirrors that no SR watches. */
  notWatched: UnwatchedAnswer = { drbd: [], md: [], omitted: 0, doubts: [] }
  /** How many mirrors of each SR are left out of the answers. */
  omitted = 0
  readonly requests: (OverrideRequest | { readonly host: string; readonly reason: string } | string)[] = []
  readonly socket: string
  readonly #folder: string
  #listening: AgentSocket | null = null

  constructor(t: Tap) {
    this.#folder = folderOf(t)
    this.socket = join(this.#folder, 'agent.sock')
    this.setReport(SR, [])
    t.teardown(() => this.close())
  }

  unwatched(): UnwatchedAnswer {
    return this.notWatched
  }

  async listen(): Promise<this> {
    const listening = new AgentSocket({
      clock: machineClock,
      answers: this,
      events: new SyncEvents(),
      onBug: bug => {
        throw bug
      },
      own: { plugin: await new Host().open(this.#folder), pool: this },
    })
    await listening.listen({ path: this.socket })
    this.#listening = listening
    return this
  }

  async close(): Promise<void> {
    const listening = this.#listening
    this.#listening = null
    await listening?.close()
  }

  /** Sets the report of an SR with twelve mirrors: these, and the others in sync. */
  setReport(sr: string, mirrors: readonly MirrorAnswer[], changes: Partial<Report> = {}): void {
    const counts: StateCounts = { unknown: 0, degraded: 0, resyncing: 0, synced: 12 - mirrors.length }
    for (const { state } of mirrors) counts[state] += 1
    const worst = (['unknown', 'degraded', 'resyncing', 'synced'] as const).find(state => counts[state] > 0)
    const progress = mirrors.find(mirror => mirror.progress !== null)?.progress ?? null
    this.mirrorsOf.set(sr, mirrors)
    this.reports.set(sr, {
      schema: 1,
      host: HOST_A.uuid,
      sr,
      bootId: 'b0b0b0b0-0000-4000-8000-000000000001',
      seq: 1,
      at: new Date().toISOString(),
      state: worst ?? 'synced',
      since: SINCE,
      mirrors: counts,
      outOfSyncBytes: mirrors.reduce((sum, { outOfSyncBytes }) => sum + (outOfSyncBytes ?? 0), 0),
      progress: worst === 'resyncing' ? progress : null,
      etaSeconds: worst === 'resyncing' && progress !== null ? 130 : null,
      reasons: mirrors.flatMap(({ reasons }) => reasons),
      ...changes,
    })
  }

  srs() {
    return [...this.reports.keys()]
  }

  report(sr: string) {
    return this.reports.get(sr) ?? null
  }

  mirrors(sr: string) {
    const counts = this.reports.get(sr)?.mirrors
    return counts === undefined ? null : { counts, mirrors: this.mirrorsOf.get(sr) ?? [], omitted: this.omitted }
  }

  async gate() {
    return unlessRefused(this.pool)
  }

  async canReboot(hosts: readonly string[]) {
    const named = hosts.map(host => HOSTS.find(({ uuid, name }) => host === uuid || host === name))
    if (named.includes(undefined)) throw new PoolRefusal('invalid', `hosts: there is no host '${hosts.join()}'`)
    const answer = unlessRefused(this.reboot)
    const enabled = this.enabled === null ? {} : { enabled: this.enabled }
    return { ...answer, hosts: named.flatMap(host => (host === undefined ? [] : { ...host, ...enabled })) }
  }

  async setOverride(request: OverrideRequest) {
    this.requests.push(request)
    const { reason, by, expiresInSeconds } = request
    const expiresAt = new Date(Date.now() + expiresInSeconds * 1000).toISOString()
    return { reason, by, expiresAt, ...this.effect }
  }

  async clearOverride(host: string) {
    this.requests.push(host)
  }

  async clearOrder(host: string, reason: string) {
    this.requests.push({ host, reason })
  }

  /** Runs the program as a user does. */
  run(...args: readonly string[]) {
    return runShell([...args, '--socket', this.socket])
  }

  /** Starts the program, whose lines can be read while it runs. */
  start(...args: readonly string[]) {
    return execa(process.execPath, [PROGRAM, ...args, '--socket', this.socket], OPTIONS)
  }

  /** What the program prints on a terminal of 80 columns and 24 rows. */
  async onTerminal(args: readonly string[], env: Readonly<Record<string, string>>): Promise<string> {
    const { stdout } = await this.startOnTerminal(args, env)
    return stdout
  }

  startOnTerminal(args: readonly string[], env: Readonly<Record<string, string>>, rows = 24, columns = 80) {
    const words = [process.execPath, PROGRAM, ...args, '--socket', this.socket].map(shellWord)
    const command = `stty cols ${columns} rows ${rows}; exec ${words.join(' ')}`
    return execa(PSEUDO_TERMINAL, ['-qfec', command, '/dev/null'], { ...OPTIONS, env: { ...ENVIRONMENT, ...env } })
  }
}

/** Without what the test runner puts into its children, and without what would give them colours. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^(NODE_OPTIONS|NODE_V8_COVERAGE|_?TAP.*|FORCE_COLOR|NO_COLOR|CI)$/.test(name),
  ),
)

const OPTIONS = { reject: false, timeout: 60_000, env: ENVIRONMENT, extendEnv: false } as const

export function runShell(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return execa(process.execPath, [PROGRAM, ...args], { ...OPTIONS, env: { ...ENVIRONMENT, ...env } })
}

function unlessRefused<T>(answer: T | PoolRefusal): T {
  if (answer instanceof PoolRefusal) throw answer
  return answer
}

/** A mirror that copies to hostB. */
export function copying(mirror: string, progress: number): MirrorAnswer {
  const reason: Reason = { code: 'resync-running', mirror, clearedBy: 'time', peer: 'hostB', side: 'source', progress }
  return mirrorOf(mirror, 'resyncing', [reason], {
    activity: 'resync',
    progress,
    etaSeconds: 130,
    outOfSyncBytes: 4096,
  })
}

/** A mirror that is StandAlone to hostC. */
export function standAlone(mirror: string): MirrorAnswer {
  return mirrorOf(mirror, 'degraded', [{ code: 'stand-alone', mirror, clearedBy: 'operator', peer: 'hostC' }])
}

export function mirrorOf(
  mirror: string,
  state: MirrorAnswer['state'],
  reasons: readonly Reason[],
  changes: Partial<MirrorAnswer> = {},
): MirrorAnswer {
  return {
    mirror,
    backend: 'drbd',
    state,
    activity: 'none',
    since: SINCE,
    progress: null,
    etaSeconds: null,
    outOfSyncBytes: null,
    reasons,
    ...changes,
  }
}

/** A pool whose hosts are all blocked for these reasons, or all free. */
export function gateOf(reasons: readonly GateReasonAnswer[]): GateAnswer {
  const error = reasons.length === 0 ? null : ['CLUSTERED_SR_DEGRADED', 'OpaqueRef:sr']
  return {
    at: new Date().toISOString(),
    coordinator: HOST_A,
    hosts: HOSTS.map(host => ({
      ...host,
      live: true,
      enabled: true,
      operations: { reboot: error, shutdown: error, apply_updates: error, vm_start: null },
      reasons,
      override: null,
    })),
  }
}

export function leaseExpired(host: { readonly uuid: string; readonly name: string }): GateReasonAnswer {
  return {
    code: 'lease-expired',
    host,
    sr: { uuid: SR, name: 'mirrored' },
    clearedBy: 'operator',
    text: `SR mirrored: ${host.name} has not confirmed its report in time; look at its agent and its clock (needs an operator)`,
    since: new Date(Date.now() - 120_000).toISOString(),
  }
}

export function resyncingOn(host: { readonly uuid: string; readonly name: string }): GateReasonAnswer {
  return {
    code: 'not-synced',
    host,
    sr: { uuid: SR, name: 'mirrored' },
    clearedBy: 'time',
    text: `SR mirrored: ${host.name} is resynchronising: vol-7/0 is copying data from hostA, 42.1 % done`,
    since: SINCE,
    state: 'resyncing',
    mirrorReasons: [
      { code: 'resync-running', mirror: 'vol-7/0', clearedBy: 'time', peer: 'hostA', side: 'target', progress: 0.421 },
    ],
  }
}

/** An agent with a resync and a fault, whose pool is blocked by two other hosts; its second SR is in sync. */
export async function blockedAgent(t: Tap): Promise<ScriptedAgent> {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(SR, [copying('vol-7/0', 0.421), standAlone('vol-8/0')])
  agent.setReport(OTHER_SR, [])
  agent.pool = gateOf([leaseExpired(HOST_C), resyncingOn(HOST_B)])
  const error = ['CLUSTERED_SR_DEGRADED', 'OpaqueRef:sr']
  agent.reboot = { canReboot: false, hosts: [], error, reasons: [leaseExpired(HOST_C)] }
  return agent
}
