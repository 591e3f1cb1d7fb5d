import { EmbeddedPool } from '../../src/embedded-pool/embedded-pool.ts'
import type { HostMachines, HostOperationGate } from '../../src/embedded-pool/hosts/host-operation-gate.ts'
import type { PoolOptions } from '../../src/embedded-pool/pool-options.ts'
import { machineClock } from '../../src/platform/time/clock.ts'

export const PASSWORD = 'correct horse'

/** Rule R7 of stock xapi, and one host at a time. host-operations.test.ts uses the gate of the project. */
export const oneAtATime: HostOperationGate = {
  claim: (pool, { host, operation }) => {
    if (operation !== 'reboot' && operation !== 'shutdown') return { ok: true }
    if (pool.hosts.find(one => one.ref === host)?.enabled) return { ok: false, error: ['HOST_NOT_DISABLED'] }
    const busy = pool.hosts.find(one => one.leaving || one.currentOperations.length > 0)
    if (busy === undefined) return { ok: true }
    return { ok: false, error: ['OTHER_OPERATION_IN_PROGRESS', 'host', busy.ref] }
  },
}

/** Machines that stay up until the test takes them down. */
export const patientMachines: HostMachines = { goDown: () => undefined }

/** A pool that serves XenAPI on loopback. It closes when the test ends. */
export async function servedPool(t: { teardown(end: () => Promise<void>): void }, options: Partial<PoolOptions> = {}) {
  const bugs: unknown[] = []
  const pool = new EmbeddedPool({
    clock: machineClock,
    gate: oneAtATime,
    machines: patientMachines,
    authenticate: (user, password) => user === 'root' && password === PASSWORD,
    eventBatchMs: 2,
    failedLoginDelayMs: 0,
    onBug: bug => bugs.push(bug),
    ...options,
  })
  t.teardown(() => pool.close())
  const { host, port } = await pool.listen({ port: 0 })
  return { pool, url: `http://${host}:${port}`, port, bugs }
}

/** Posts a body to /jsonrpc and reads the answer as JSON. */
export async function post(url: string, body: unknown): Promise<unknown> {
  const response = await fetch(`${url}/jsonrpc`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return response.json()
}

/** Makes one XenAPI call over JSON-RPC 1 and returns the result or the error description. */
export async function ask(url: string, method: string, ...params: readonly unknown[]): Promise<unknown> {
  const answer = await post(url, { method, params, id: 1 })
  if (typeof answer !== 'object' || answer === null || !('error' in answer) || !('result' in answer)) return answer
  return answer.error ?? answer.result
}

/** As `ask`, for a string result: a session, a ref, a token. */
export async function askText(url: string, method: string, ...params: readonly unknown[]): Promise<string> {
  const answer = await ask(url, method, ...params)
  if (typeof answer !== 'string') throw new Error(`${method}: ${JSON.stringify(answer)}`)
  return answer
}

export function login(url: string): Promise<string> {
  return askText(url, 'session.login_with_password', 'root', PASSWORD)
}

export function firstOf<T>(list: readonly T[]): T {
  const [first] = list
  if (first === undefined) throw new Error('an empty list')
  return first
}

/** Waits for a condition, with a deadline. */
export async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error('timed out waiting for the condition')
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}
