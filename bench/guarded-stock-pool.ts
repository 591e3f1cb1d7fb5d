import { type ChildProcess, fork } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { HEALTH_CHECK_LABEL } from '../src/allowed-operations/rules/stock-rules.ts'
import { GuardConfigSchema } from '../src/coordinator/guard-config.ts'
import { PoolGuard } from '../src/coordinator/pool-guard.ts'
import { EmbeddedPool } from '../src/embedded-pool/embedded-pool.ts'
import type { StockTimes } from '../src/embedded-pool/stock/stock-options.ts'
import { machineClock } from '../src/platform/time/clock.ts'
import { encodeReservation, RESERVATION_KEY } from '../src/stock-pool/levers/reservation.ts'
import type { Report } from '../src/sync-query/report/report.ts'
import { encodeReport } from '../src/sync-query/report/report-encode.ts'
import { PbdReports } from '../src/xapi-notify/pbd-reports.ts'
import { XenApiClient } from '../src/xenapi-client/client.ts'
import { XenApiError } from '../src/xenapi-client/errors.ts'

/** A reboot takes a tenth of a second. The times of the calls themselves are those of an unmodified xapi. */
const FAST_REBOOT: Partial<StockTimes> = {
  shutdownAfterMs: 50,
  detachAfterMs: 5,
  notLiveAfterMs: 10,
  plugAfterMs: 5,
  enableAfterMs: 5,
}
/** Longer than event.from collects changes, so that the guard sees each host go. */
const DOWN_MS = 100
const DEADLINE_MS = 60_000
const HOUR_MS = 3_600_000

interface BenchHost {
  readonly ref: string
  readonly pbd: string
  readonly uuid: string
}

/** What the process of the guard sends. */
type FromGuard = { readonly event: string } | { readonly cpuSeconds: number }

/** A pool of unmodified toolstacks with a sentinel SR. All hosts are in sync, and the guard runs in its own process. */
export class GuardedStockPool {
  readonly #pool: EmbeddedPool
  readonly #folder = mkdtempSync(join(tmpdir(), 'resync-monitor-bench-'))
  readonly #url: string
  readonly #operator: XenApiClient
  readonly #sr: string
  readonly #guard: ChildProcess
  /** Refs of the tasks that block. */
  readonly #blocking = new Set<string>()
  readonly #boots = new Map<string, number>()
  readonly #startedMs = Date.now()
  #seq = 0
  /** The first host is the coordinator. */
  readonly hosts: readonly BenchHost[]

  /** Resolves when the guard knows that all hosts are in sync. */
  static async start(size: number): Promise<GuardedStockPool> {
    const pool = new EmbeddedPool({
      behaveAs: 'stock',
      clock: machineClock,
      times: FAST_REBOOT,
      plugins: async ({ host }) => ({ result: encodeReport(guarded.#reportOf(host)) }),
      onBug: bug => {
        throw bug
      },
    })
    const { port } = await pool.listen({ port: 0 })
    const guarded: GuardedStockPool = new GuardedStockPool(pool, size, `http://127.0.0.1:${port}`)
    await guarded.#started()
    return guarded
  }

  private constructor(pool: EmbeddedPool, size: number, url: string) {
    this.#pool = pool
    this.#url = url
    const names = Array.from({ length: size }, (_, index) => `host-${index}`)
    const { sr, hosts } = pool.seed(names, { type: 'resync-monitor', shared: true })
    this.#sr = sr
    this.hosts = hosts.map(({ ref, pbd }) => ({ ref, pbd, uuid: pool.get('host', ref)?.uuid ?? '' }))
    pool.subscribe(({ cls, ref, operation }) => {
      if (cls !== 'task') return
      if (operation === 'del') this.#blocking.delete(ref)
      else if (pool.get('task', ref)?.name_label === HEALTH_CHECK_LABEL) this.#blocking.add(ref)
    })
    this.#operator = this.client()
    this.#guard = fork(process.argv[1] ?? '', ['--guard', this.#socketPath], {
      execArgv: process.execArgv,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
  }

  get #socketPath(): string {
    return join(this.#folder, 'xapi')
  }

  async #started(): Promise<void> {
    await this.#pool.listen({ socketPath: this.#socketPath })
    await this.#fromGuard(message => ('event' in message && message.event === 'guard-lifts' ? true : null))
    await this.when('the block is lifted', () => !this.isBlocked())
  }

  /** A client of its own, over TCP. */
  client(): XenApiClient {
    return new XenApiClient({ clock: machineClock, url: this.#url, user: 'root', password: 'any' })
  }

  /** A call of the operator. */
  call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    return this.#operator.call(method, params)
  }

  isBlocked(): boolean {
    return this.#blocking.size > 0
  }

  /** The toolstack has accepted a reboot of the host, and the host is not back. */
  isGoing({ ref }: BenchHost): boolean {
    return Object.keys(this.#pool.get('host', ref)?.current_operations ?? {}).length > 0
  }

  isEnabled({ ref }: BenchHost): boolean {
    return this.#pool.get('host', ref)?.enabled === true
  }

  showsReboot({ ref }: BenchHost): boolean {
    return this.#pool.get('host', ref)?.allowed_operations.includes('reboot') === true
  }

  /** Resolves when a condition on the pool is true. @returns the time of the write that made it true */
  when(what: string, condition: () => boolean): Promise<number> {
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => reject(new Error(`never: ${what}`)), DEADLINE_MS)
      const check = () => {
        if (!condition()) return
        clearTimeout(timeout)
        unsubscribe()
        resolve(performance.now())
      }
      const unsubscribe = this.#pool.subscribe(check)
      check()
    })
  }

  /** States which host may reboot although others are disabled. */
  async reserve({ uuid }: BenchHost): Promise<void> {
    const text = encodeReservation({ host: uuid, by: 'operator', expiresMs: Date.now() + HOUR_MS })
    await this.call('pool.add_to_other_config', this.#pool.ref, RESERVATION_KEY, text)
  }

  async endReservation(): Promise<void> {
    await this.call('pool.remove_from_other_config', this.#pool.ref, RESERVATION_KEY)
  }

  /** @returns whether the toolstack accepts it; @throws XenApiError any other error than that of the guard */
  async reboot({ ref }: BenchHost, client = this.#operator): Promise<boolean> {
    try {
      await client.call('host.reboot', [ref])
      return true
    } catch (error) {
      if (error instanceof XenApiError && error.code === 'CLUSTERED_SR_DEGRADED') return false
      throw error
    }
  }

  /** Waits until a host is down, lets it boot, and resolves when it is enabled and has reported that it is in sync. */
  async bringBack(host: BenchHost): Promise<void> {
    const isDown = () => this.#pool.poolSnapshot().hosts.some(({ ref, live }) => ref === host.ref && live === false)
    await this.when('the host is down', isDown)
    await sleep(DOWN_MS)
    const boot = (this.#boots.get(host.ref) ?? 0) + 1
    this.#boots.set(host.ref, boot)
    // The toolstack stores whole seconds, and two boots are less than a second apart here.
    this.#pool.hostReturned(host.ref, { bootTimeMs: this.#startedMs - HOUR_MS + boot * 1_000 })
    await this.when('the host is enabled', () => this.isEnabled(host))
    await new PbdReports(this.#operator).pushReport(host.pbd, encodeReport(this.#reportOf(host.ref)))
  }

  /** CPU time that the guard has used since its start. */
  async guardCpuSeconds(): Promise<number> {
    const answer = this.#fromGuard(message => ('cpuSeconds' in message ? message.cpuSeconds : null))
    this.#guard.send('cpu')
    return answer
  }

  async close(): Promise<void> {
    const ended = new Promise(resolve => this.#guard.once('exit', resolve))
    this.#guard.disconnect()
    await ended
    await this.#operator.close()
    await this.#pool.close()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  #fromGuard<T>(wanted: (message: FromGuard) => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error('the guard has ended'))
      const read = (message: unknown) => {
        const value = isFromGuard(message) ? wanted(message) : null
        if (value === null) return
        this.#guard.off('message', read).off('exit', ended)
        resolve(value)
      }
      this.#guard.on('message', read).on('exit', ended)
    })
  }

  #reportOf(host: string): Report {
    this.#seq += 1
    const at = new Date().toISOString()
    return {
      schema: 1,
      host: this.#pool.get('host', host)?.uuid ?? '',
      sr: this.#pool.get('SR', this.#sr)?.uuid ?? '',
      bootId: `b0b0b0b0-0000-4000-8000-${String(this.#boots.get(host) ?? 0).padStart(12, '0')}`,
      seq: this.#seq,
      at,
      state: 'synced',
      since: at,
      mirrors: { synced: 100, resyncing: 0, degraded: 0, unknown: 0 },
      outOfSyncBytes: 0,
      progress: null,
      etaSeconds: null,
      reasons: [],
    }
  }
}

function isFromGuard(message: unknown): message is FromGuard {
  return typeof message === 'object' && message !== null && ('event' in message || 'cpuSeconds' in message)
}

/** The process of the guard, as the daemon of a coordinator runs it. It ends when the process of the pool disconnects. */
export async function runGuard(socketPath: string): Promise<void> {
  const send = (message: FromGuard) => {
    // The process of the pool may end at any moment.
    if (process.connected) process.send?.(message, undefined, undefined, () => undefined)
  }
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    send({ cpuSeconds: (user + system) / 1e6 })
  })
  const disconnected = new Promise<void>(resolve => process.once('disconnect', resolve))
  const roleFile = `${socketPath}.role`
  writeFileSync(roleFile, 'master')
  const guard = await PoolGuard.start({
    config: GuardConfigSchema.parse({ socket: socketPath, roleFile, metrics: { port: 0 } }),
    clock: machineClock,
    log: ({ level, code, text }) => {
      send({ event: code })
      if (level === 'error') process.stderr.write(`${code}: ${text}\n`)
    },
    version: 'bench',
  })
  await disconnected
  await guard.close()
}
