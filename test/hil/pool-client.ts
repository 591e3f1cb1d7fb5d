import type { Report } from '../../src/sync-query/report/report.ts'

const CALL_TIMEOUT_MS = 10_000
const REPORT_KEY = 'resync-monitor'
const REPLACED_WITHIN_MS = 3_000

/** XenAPI's error for a refused call. */
class XenApiRefusal extends Error {
  readonly code: string

  constructor(method: string, code: string, params: readonly unknown[]) {
    super(`${method}: ${code} ${JSON.stringify(params)}`)
    this.code = code
  }
}

interface HostRecord {
  readonly uuid: string
  readonly hostname: string
  readonly enabled: boolean
  readonly metrics: string
  readonly allowed_operations: readonly string[]
}

interface PbdRecord {
  readonly host: string
  readonly SR: string
  readonly other_config: Readonly<Record<string, string>>
}

export interface TaskRecord {
  readonly name_label: string
  readonly status: string
  readonly progress: number
}

/** A client of the pool: XenAPI over JSON-RPC, without the program's own client. */
export class PoolClient {
  readonly #url: string
  readonly #password: string
  #session: string | null = null

  constructor(url: string, password: string) {
    this.#url = url
    this.#password = password
  }

  /** Calls a method within a session. @throws XenApiRefusal; Error if there is no answer */
  async call(method: string, ...params: readonly unknown[]): Promise<unknown> {
    this.#session ??= String(await this.#post('session.login_with_password', ['root', this.#password]))
    try {
      return await this.#post(method, [this.#session, ...params])
    } catch (error) {
      // A restarted coordinator has no session; the next try logs in again.
      if (!(error instanceof XenApiRefusal) || error.code === 'SESSION_INVALID') this.#session = null
      if (error instanceof XenApiRefusal && error.code === 'SESSION_INVALID') return this.call(method, ...params)
      throw error
    }
  }

  /** `host.allowed_operations` by the name of the host. */
  async allowedOperations(): Promise<Readonly<Record<string, readonly string[]>>> {
    return Object.fromEntries((await this.#hosts()).map(([, host]) => [host.hostname, host.allowed_operations]))
  }

  /** Names of the hosts that allow `reboot` now. */
  async mayReboot(): Promise<readonly string[]> {
    const hosts = await this.#hosts()
    return hosts.flatMap(([, host]) => (host.allowed_operations.includes('reboot') ? [host.hostname] : [])).toSorted()
  }

  /**
   * Puts enabled hosts into maintenance: XenAPI allows reboot only of disabled hosts, so without this an unblocked host would
   * look blocked. A host that is away keeps its state.
   */
  async disableAll(): Promise<void> {
    for (const [ref, { enabled }] of await this.#hosts()) {
      if (!enabled) continue
      await this.call('host.disable', ref).catch(error => {
        if (!(error instanceof XenApiRefusal && error.code === 'HOST_OFFLINE')) throw error
      })
    }
  }

  /** Whether each host is enabled (not in maintenance), by name. */
  async areEnabled(): Promise<Readonly<Record<string, boolean>>> {
    return Object.fromEntries((await this.#hosts()).map(([, { hostname, enabled }]) => [hostname, enabled]))
  }

  /** Whether each host is live for the pool, by name. */
  async areLive(): Promise<Readonly<Record<string, boolean>>> {
    const metrics = new Map(await this.#records<{ readonly live: boolean }>('host_metrics'))
    const hosts = await this.#hosts()
    return Object.fromEntries(hosts.map(([, host]) => [host.hostname, metrics.get(host.metrics)?.live === true]))
  }

  /**
   * The stored reports of an SR by name of the host; `null` if there was none for longer than a replacement takes: XenAPI's maps
   * have no replace, so a host removes the key and adds it again.
   */
  async reports(sr: string): Promise<Readonly<Record<string, Report | null>>> {
    const endMs = performance.now() + REPLACED_WITHIN_MS
    for (;;) {
      const reports = await this.#reportsNow(sr)
      if (!Object.values(reports).includes(null) || performance.now() > endMs) return reports
    }
  }

  async tasks(): Promise<readonly TaskRecord[]> {
    return (await this.#records<TaskRecord>('task')).map(([, task]) => task)
  }

  /** Calls host.reboot: `accepted`, or the error code. */
  async reboot(hostname: string): Promise<string> {
    return this.#order('host.reboot', hostname)
  }

  /** Calls host.shutdown: `accepted`, or the error code. */
  async shutdown(hostname: string): Promise<string> {
    return this.#order('host.shutdown', hostname)
  }

  async #order(method: string, hostname: string): Promise<string> {
    const [ref] = (await this.#hosts()).find(([, host]) => host.hostname === hostname) ?? []
    try {
      await this.call(method, ref)
      return 'accepted'
    } catch (error) {
      if (error instanceof XenApiRefusal) return error.code
      throw error
    }
  }

  async #reportsNow(sr: string): Promise<Readonly<Record<string, Report | null>>> {
    const [hosts, srRef, pbds] = [
      new Map(await this.#hosts()),
      await this.call('SR.get_by_uuid', sr),
      await this.#records<PbdRecord>('PBD'),
    ]
    const ofSr = pbds.filter(([, pbd]) => pbd.SR === srRef)
    return Object.fromEntries(
      ofSr.map(([, pbd]) => {
        const text = pbd.other_config[REPORT_KEY]
        return [hosts.get(pbd.host)?.hostname ?? pbd.host, text === undefined ? null : (JSON.parse(text) as Report)]
      }),
    )
  }

  async #hosts(): Promise<readonly [string, HostRecord][]> {
    return this.#records<HostRecord>('host')
  }

  async #records<T>(cls: string): Promise<readonly [string, T][]> {
    return Object.entries((await this.call(`${cls}.get_all_records`)) as Record<string, T>)
  }

  async #post(method: string, params: readonly unknown[]): Promise<unknown> {
    const answer = await fetch(`${this.#url}/jsonrpc`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    })
    const { result, error } = (await answer.json()) as {
      result?: unknown
      error?: { message: string; data?: unknown[] }
    }
    if (error !== undefined) throw new XenApiRefusal(method, error.message, error.data ?? [])
    return result
  }
}
