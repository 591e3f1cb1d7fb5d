import { createServer, type RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPool } from '../../src/toolstack/index.ts'
import { XenApiClient } from '../../src/xapi-notify/index.ts'

interface TearsDown {
  teardown(end: () => unknown): void
}

/** A pool of two hosts behind its XenAPI, a client of it, and the calls that a client made so far. */
export async function connected(t: TearsDown) {
  const logins: string[] = []
  const pool = createPool({
    gate: { claim: () => ({ ok: true }) },
    machines: { goDown: () => undefined },
    authenticate: (user, password) => {
      logins.push(user)
      return password === 'right'
    },
    eventBatchMs: 2,
    plugins: async ({ signal }) => {
      await sleep(10_000, null, { signal }).catch(() => undefined)
      return { result: 'late' }
    },
  })
  const { port } = await pool.listen({ port: 0 })
  const url = `http://127.0.0.1:${port}`
  const clientOf = (password = 'right', callTimeoutMs = 5_000) => {
    const client = new XenApiClient({ url, user: 'root', password, callTimeoutMs })
    t.teardown(() => client.close())
    return client
  }
  t.teardown(() => pool.close())
  return { pool, ...pool.seed(['a', 'b']), clientOf, client: clientOf(), logins, url }
}

/** A server that is no pool. */
export async function serving(t: TearsDown, listener: RequestListener, path?: string): Promise<string> {
  const server = createServer(listener)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>(resolve => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(path, resolve)
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

/** What a call ended with. */
export function endOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'success',
    error => error,
  )
}
