import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { EmbeddedPool } from '../../src/embedded-pool/embedded-pool.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'

interface TearsDown {
  teardown(end: () => unknown): void
}

const ANYWHERE = { host: '127.0.0.1', port: 0 }

/** A pool of two hosts with its XenAPI, a client, and the logins so far. */
export async function connected(t: TearsDown, at: { readonly host: string; readonly port: number } = ANYWHERE) {
  const logins: string[] = []
  const pool = new EmbeddedPool({
    clock: machineClock,
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
  const { host, port } = await pool.listen(at)
  const url = `http://${host}:${port}`
  const clientOf = (password = 'right', callTimeoutMs = 5_000) => {
    const client = new XenApiClient({ clock: machineClock, url, user: 'root', password, callTimeoutMs })
    t.teardown(() => client.close())
    return client
  }
  t.teardown(() => pool.close())
  return { pool, ...pool.seed(['a', 'b']), clientOf, client: clientOf(), logins, url }
}

/** Where a server listens: a unix socket, or an address. Default port: any free one. */
export type ListenAt = string | { readonly host: string; readonly port?: number }

/** Starts a server that is no pool. Returns its URL, which has no meaning for a unix socket. */
export async function serving(
  t: TearsDown,
  listener: RequestListener,
  at: ListenAt = { host: '127.0.0.1' },
): Promise<string> {
  const server = createServer(listener)
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if (typeof at === 'string') server.listen(at, resolve)
    else server.listen(at.port ?? 0, at.host, resolve)
  })
  const address = server.address()
  return typeof address === 'object' && address !== null
    ? `http://${address.address}:${address.port}`
    : 'http://localhost'
}

/** The call in a request. */
export async function callIn(request: IncomingMessage): Promise<{
  readonly id: unknown
  readonly method: string
  readonly params: readonly unknown[]
  readonly body: string
}> {
  let body = ''
  for await (const chunk of request) body += chunk
  const { id, method, params } = JSON.parse(body)
  return { id, method: String(method), params, body }
}

/** A host that is not the coordinator, which counts its requests. It answers with both shapes that stock has for errors. */
export async function slaveOf(t: TearsDown, coordinator: () => string, at?: ListenAt) {
  let asked = 0
  const url = await serving(
    t,
    async (request, response) => {
      const { id } = await callIn(request)
      asked += 1
      const dispatched = { id, error: { code: 1, message: 'HOST_IS_SLAVE', data: [coordinator()] } }
      const undispatched = { id: 0, error: ['HOST_IS_SLAVE', coordinator()] }
      response.end(JSON.stringify({ jsonrpc: '2.0', ...(asked % 2 === 0 ? dispatched : undispatched) }))
    },
    at,
  )
  return { url, asked: () => asked }
}

/**
 * What the proxy does with a call: `refuse` closes the connection before the toolstack gets the call, `lose-answer` after
 * it has done as asked, `hang` never answers.
 */
export type Weather = 'pass' | 'refuse' | 'lose-answer' | 'hang'

/** A proxy in front of a toolstack. Its weather says which calls it forwards. */
export async function behindWeather(t: TearsDown, url: string) {
  const state = {
    weather: (_method: string, _params: readonly unknown[]): Weather => 'pass',
    rewrite: (_method: string, answer: string): string => answer,
  }
  const asked: string[] = []
  const proxy = await serving(t, async (request, response) => {
    const { method, params, body } = await callIn(request)
    asked.push(method)
    const weather = state.weather(method, params)
    if (weather === 'hang') return
    if (weather === 'refuse') return void response.destroy()
    const headers = { 'content-type': 'application/json' }
    const answer = await fetch(`${url}/jsonrpc`, { method: 'POST', headers, body }).then(
      passed => passed.text(),
      () => null,
    )
    if (weather === 'lose-answer' || answer === null) response.destroy()
    else response.end(state.rewrite(method, answer))
  })
  return {
    url: proxy,
    /** The calls that were made, in order. */
    asked,
    set weather(weather: Weather | ((method: string, params: readonly unknown[]) => Weather)) {
      state.weather = typeof weather === 'function' ? weather : () => weather
    },
    /** Changes what the toolstack answers. */
    set rewrite(rewrite: (method: string, answer: string) => string) {
      state.rewrite = rewrite
    },
  }
}

const PATIENCE_MS = 20_000

/** Waits for a condition; the error says which one did not come true. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS
  while (!(await condition())) {
    if (performance.now() > deadlineMs) throw new Error(`it did not happen: ${what}`)
    await sleep(2)
  }
}

/** The result or the error of a call. */
export function endOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => 'success',
    error => error,
  )
}
