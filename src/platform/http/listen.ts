import { randomBytes } from 'node:crypto'
import { linkSync, mkdirSync, rmSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { codeOf } from '../errors.ts'
import { assertTrustworthyFolder, SocketFile } from './socket-file.ts'

export type ListenAddress =
  | {
      /** 0 takes any free port. */
      readonly port: number
      /** Default 127.0.0.1. */
      readonly host?: string
    }
  | {
      /** A unix socket, which only this user may open. Its folder is made if it is missing. */
      readonly path: string
    }

/** Where a server listens: of a unix socket `host` is its path and `port` 0. */
export interface ListeningAt {
  readonly host: string
  readonly port: number
}

/** What nobody but this process's user may do with a socket: read, write, execute. */
const FOR_ITS_USER = 0o177
const PROBE_TIMEOUT_MS = 1_000

/**
 * @throws the system's error, such as EADDRINUSE: another process listens there; Error when everybody may write in the folder
 * of a unix socket, or when something else than a socket is there
 */
export async function listenOn(server: Server, address: ListenAddress): Promise<ListeningAt> {
  if ('port' in address) {
    const { port, host = '127.0.0.1' } = address
    await listening(server, () => server.listen(port, host))
    const taken = server.address()
    return { host, port: typeof taken === 'object' && taken !== null ? taken.port : port }
  }
  const { path } = address
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  assertTrustworthyFolder(path)
  const before = SocketFile.at(path)
  if (before !== null) {
    if (!before.isSocket) throw new Error(`${path} is there, and is no socket: it is left as it is`)
    if (!(await isDead(path))) throw taken(path)
    // A process that was killed leaves its socket behind. Only that one: another may have come meanwhile.
    before.remove()
  }
  // Under a name of its own, which Node removes when it closes: whose socket is there by then it does not look at. And whoever
  // finds a socket at `path` finds somebody listening: one that is bound, and not yet listened on, looks like a dead one's.
  const draft = join(dirname(path), `.${randomBytes(4).toString('hex')}`)
  await listening(server, () => {
    // Node binds in this very call, so that no moment passes in which others could connect.
    const before = process.umask(FOR_ITS_USER)
    try {
      server.listen(draft)
    } finally {
      process.umask(before)
    }
  })
  try {
    linkSync(draft, path)
  } catch (error) {
    throw codeOf(error) === 'EEXIST' ? taken(path) : error
  } finally {
    rmSync(draft)
  }
  return { host: path, port: 0 }
}

function taken(path: string): Error {
  return Object.assign(new Error(`another process listens at ${path}`), { code: 'EADDRINUSE' })
}

function listening(server: Server, listen: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('listening', () => {
      server.off('error', reject)
      resolve()
    })
    listen()
  })
}

/**
 * Whether nobody listens on a unix socket. Only the one answer that says so counts: a process that is stopped, or that has
 * as many callers as it may, answers with something else (EAGAIN) or not at all.
 */
function isDead(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(path)
    probe.setTimeout(PROBE_TIMEOUT_MS)
    const end = (is: boolean) => {
      probe.destroy()
      resolve(is)
    }
    probe.once('connect', () => end(false))
    probe.once('error', error => end(codeOf(error) === 'ECONNREFUSED'))
    probe.once('timeout', () => end(false))
  })
}
