import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { HttpRoute } from '../../../src/platform/http/http-route.ts'
import { type HttpLimits, HttpServer } from '../../../src/platform/http/http-server.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'

export const DEADLINE_MS = 30_000

export interface Tap {
  teardown(end: () => unknown): void
}

export async function until(what: string, isReached: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!isReached()) {
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`)
    await sleep(10)
  }
}

export function folderOf(t: Tap): string {
  // The path of a socket has at most 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'http-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export const HELLO: HttpRoute = { method: 'GET', path: '/hello', answer: () => ({ status: 200, body: '"hello"' }) }

export async function serving(t: Tap, routes: readonly HttpRoute[], limits: Partial<HttpLimits> = {}) {
  const path = join(folderOf(t), 'run', 's.sock')
  const bugs: unknown[] = []
  const problems: string[] = []
  const server = new HttpServer({
    clock: machineClock,
    routes,
    onBug: bug => bugs.push(bug),
    onProblem: problem => problems.push(problem),
    limits,
  })
  await server.listen({ path })
  t.teardown(() => server.close())
  return { path, bugs, problems, server }
}

/** A client whose bytes the test controls. */
export function client(t: Tap, path: string): { readonly socket: Socket; readonly received: () => string } {
  const socket = connect(path)
  let received = ''
  socket.on('error', () => undefined)
  socket.setEncoding('utf8').on('data', text => {
    received += text
  })
  t.teardown(() => socket.destroy())
  return { socket, received: () => received }
}

export function closed(socket: Socket): Promise<void> {
  return new Promise(resolve => socket.once('close', () => resolve()))
}

/** The status; `null`: no answer. */
export function statusOf(socketPath: string, path = '/hello'): Promise<number | null> {
  return new Promise(resolve => {
    const outgoing = request({ socketPath, path, agent: false }, response => {
      response.resume().on('end', () => resolve(response.statusCode ?? null))
    })
    outgoing.on('error', () => resolve(null))
    outgoing.end()
  })
}
