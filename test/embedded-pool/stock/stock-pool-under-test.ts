import { EmbeddedPool } from '../../../src/embedded-pool/embedded-pool.ts'
import type { StockPoolOptions } from '../../../src/embedded-pool/stock/stock-options.ts'
import { VirtualClock } from '../../platform/time/virtual-clock.ts'
import { ask, askText } from '../pool-under-test.ts'

export interface Tap {
  teardown(end: () => Promise<void>): void
}

/** Calls return at once: a test that observes a running call sets its duration. */
const AT_ONCE = { goDownCallMs: 0, hostCallMs: 0 } as const

/** A pool of three hosts that behaves as an unmodified xapi, with a clustered SR that is plugged on all of them. `a` is the coordinator. */
export async function stockPool(t: Tap, { times, ...options }: Partial<StockPoolOptions> = {}) {
  const clock = new VirtualClock()
  const bugs: unknown[] = []
  const pool = new EmbeddedPool({
    behaveAs: 'stock',
    clock,
    eventBatchMs: 0,
    onBug: bug => bugs.push(bug),
    ...options,
    times: { ...AT_ONCE, ...times },
  })
  t.teardown(() => pool.close())
  const { sr, hosts } = pool.seed(['a', 'b', 'c'])
  const [a, b, c] = hosts
  if (a === undefined || b === undefined || c === undefined) throw new Error('expected three hosts')
  const { port } = await pool.listen({ port: 0 })
  const url = `http://127.0.0.1:${port}`
  const session = await askText(url, 'session.login_with_password', 'root', '')
  const call = (method: string, ...params: readonly unknown[]) => ask(url, method, session, ...params)
  /** The storage operations that host.allowed_operations lists. */
  const allowed = (host: string) =>
    (pool.get('host', host)?.allowed_operations ?? []).filter(each => ['reboot', 'shutdown'].includes(each))
  /** Makes the task with which a client blocks the pool. */
  const block = () => call('task.create', 'SR Recovering', sr)
  return { pool, clock, url, session, call, allowed, block, bugs, sr, a, b, c }
}
