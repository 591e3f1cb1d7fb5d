import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import { EmbeddedPool } from '../../src/embedded-pool/embedded-pool.ts'
import type { StockMachines, StockTimes } from '../../src/embedded-pool/stock/stock-options.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { GuardEvent } from '../../src/stock-pool/guard-event.ts'
import { StockPoolPort } from '../../src/stock-pool/stock-pool-port.ts'
import { REPORT_KEY, type Report } from '../../src/sync-query/report/report.ts'
import { encodeReport } from '../../src/sync-query/report/report-encode.ts'
import type { SyncState } from '../../src/sync-query/state.ts'
import { Updater } from '../../src/updater/updater.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'

export interface Tap {
  teardown(end: () => unknown): void
  comment(text: string): void
}

/** A reboot takes half a second instead of a minute. */
const FAST: Partial<StockTimes> = {
  goDownCallMs: 20,
  hostCallMs: 2,
  shutdownAfterMs: 300,
  detachAfterMs: 50,
  notLiveAfterMs: 100,
  plugAfterMs: 20,
  enableAfterMs: 10,
}

export interface GuardedPoolOptions {
  readonly times?: Partial<StockTimes>
  /** Default: the guard is started. */
  readonly isGuarded?: boolean
  readonly holdReturningHosts?: boolean
  readonly undoSecondReboot?: boolean
  readonly machines?: StockMachines
  /** How long event.from collects changes. Default 50, as stock xapi. */
  readonly eventBatchMs?: number
}

/**
 * A pool of three hosts of unmodified xapi with a sentinel SR, the agents of its hosts (as far as the pool sees them), and a guard. Time
 * is real: calls, events and the guard run concurrently, as on a host.
 */
export async function guardedPool(
  t: Tap,
  { times, machines = {}, isGuarded = true, eventBatchMs = 50, ...levers }: GuardedPoolOptions = {},
) {
  // The timers of the machine's clock do not keep the process alive.
  const alive = setInterval(() => undefined, 1_000)
  t.teardown(async () => clearInterval(alive))
  const events: GuardEvent[] = []
  const problems: unknown[] = []
  const states = new Map<string, SyncState>()
  const boots = new Map<string, number>()
  const pool = new EmbeddedPool({
    behaveAs: 'stock',
    clock: machineClock,
    onBug: bug => problems.push(bug),
    plugins: async ({ host, fn }) =>
      fn === 'report' && states.has(host)
        ? { result: encodeReport(reportOf(host)) }
        : { error: ['XENAPI_PLUGIN_FAILURE', fn, 'AgentUnreachable', 'the agent does not answer'] },
    machines,
    times: { ...FAST, ...times },
    eventBatchMs,
  })
  t.teardown(() => pool.close())
  const { sr, hosts: seeded } = pool.seed(['a', 'b', 'c'], { type: 'resync-monitor', shared: true })
  const [a = '', b = '', c = ''] = seeded.map(({ ref }) => ref)
  for (const host of [a, b, c]) {
    states.set(host, 'synced')
    boots.set(host, 1)
  }
  const folder = mkdtempSync(join(tmpdir(), 'stock-'))
  t.teardown(async () => rmSync(folder, { recursive: true, force: true }))
  const socketPath = join(folder, 'xapi')
  const memberSocketPath = join(folder, 'xapi-of-b')
  await pool.listen({ socketPath })
  await pool.listen({ socketPath: memberSocketPath, of: b })
  const { port } = await pool.listen({ port: 0 })
  const url = `http://127.0.0.1:${port}`
  const operator = new XenApiClient({ clock: machineClock, url, user: 'root', password: 'any' })
  t.teardown(() => operator.close())
  let seq = 0

  function reportOf(host: string): Report {
    seq += 1
    const state = states.get(host) ?? 'unknown'
    const at = new Date().toISOString()
    return {
      schema: 1,
      host: pool.get('host', host)?.uuid ?? '',
      sr: pool.get('SR', sr)?.uuid ?? '',
      bootId: `b0b0b0b0-0000-4000-8000-${String(boots.get(host)).padStart(12, '0')}`,
      seq,
      at,
      state,
      since: at,
      mirrors: { synced: 0, resyncing: 0, degraded: 0, unknown: 0, [state]: 1 },
      outOfSyncBytes: state === 'synced' ? 0 : 4_096,
      progress: null,
      etaSeconds: null,
      reasons: [],
    }
  }

  /** The agent of a host pushes its report. */
  async function push(host: string, state: SyncState): Promise<void> {
    states.set(host, state)
    const pbd = seeded.find(({ ref }) => ref === host)?.pbd ?? ''
    await operator.call('PBD.remove_from_other_config', [pbd, REPORT_KEY])
    await operator.call('PBD.add_to_other_config', [pbd, REPORT_KEY, encodeReport(reportOf(host))])
  }

  /** A call of an operator. @returns the result, or the code of the error */
  async function call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    try {
      return await operator.call(method, params)
    } catch (error) {
      return error instanceof Error && 'code' in error ? error.code : error
    }
  }

  /** The host is back from its reboot, with a resync to do. */
  function hostReturns(host: string): void {
    boots.set(host, (boots.get(host) ?? 0) + 1)
    states.set(host, 'resyncing')
    pool.hostReturned(host, { bootTimeMs: Date.now() })
  }

  /** @param through the unix socket of the host that the guard runs on */
  function startGuard(through = socketPath) {
    const client = new XenApiClient({ clock: machineClock, url, socketPath: through, user: 'root', password: '' })
    const guard = { machine: 'a', version: '0.0.0' }
    const onEvent = (event: GuardEvent) => events.push(event)
    const port = new StockPoolPort({ client, clock: machineClock, guard, onEvent, ...levers })
    const updater = new Updater({
      pool: port,
      policy: DEFAULT_POLICY,
      clock: machineClock,
      pollEveryMs: 30_000,
      pollTimeoutMs: 10_000,
      decided: () => undefined,
      recomputed: () => undefined,
      effectFailed: error => problems.push(error),
    })
    let closing: Promise<void> | null = null
    const close = () => {
      closing ??= (async () => {
        await updater.close()
        await port.close()
        await client.close()
      })()
      return closing
    }
    t.teardown(close)
    const ready = port.start().then(() => updater.start())
    return { client, port, updater, ready, close }
  }

  const tasks = () => pool.list('task').filter(([, { name_label }]) => name_label === 'SR Recovering')
  const isBlocked = () => tasks().length > 0
  const guard = isGuarded ? startGuard() : null
  await guard?.ready
  // It blocks until every host has confirmed its report.
  const isLifted = () => events.some(({ code }) => code === 'guard-lifts') && !isBlocked()
  if (guard !== null) await until(t, 'the guard knows that all is in sync', isLifted)
  const field = (host: string) => pool.get('host', host)?.allowed_operations ?? []
  return {
    socketPath,
    memberSocketPath,
    url,
    pool,
    sr,
    a,
    b,
    c,
    call,
    push,
    states,
    hostReturns,
    startGuard,
    guard,
    events,
    problems,
    tasks,
    isBlocked,
    field,
    pbds: seeded.map(({ pbd }) => pbd),
  }
}

/** Waits for a condition. @throws Error after a minute */
export async function until(t: Tap, what: string, condition: () => boolean): Promise<void> {
  const endMs = Date.now() + 60_000
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`never: ${what}`)
    await pause(2)
  }
  t.comment(what)
}
