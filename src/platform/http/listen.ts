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
      /** A unix socket that only this user may open. A missing folder is created. */
      readonly path: string
    }

/** Where a server listens. For a unix socket, `host` is its path and `port` is 0. */
export interface ListeningAt {
  readonly host: string
  readonly port: number
}

/** The umask for a socket that only this process's user may open. */
const FOR_ITS_USER = 0o177
const PROBE_TIMEOUT_MS = 1_000

/**
 * Makes a server listen at an address.
 * @throws the system's error, such as EADDRINUSE; Error if every user may write in the folder of a unix socket, or if the path is a file
 * that is no socket
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
    if (!before.isSocket) throw new Error(`${path} exists and is no socket`)
    if (!(await isDead(path))) throw taken(path)
    // A process that was killed leaves its socket behind. `remove` checks that no other one has replaced it meanwhile.
    before.remove()
  }
  // Listen under a temporary name and link it to `path` afterwards. Node removes the name it was given when it closes, even if another
  // process's socket is there by then; and a socket that is bound but does not listen yet would look like that of a dead process.
  const draft = join(dirname(path), `.${randomBytes(4).toString('hex')}`)
  await listening(server, () => {
    // Node binds in this call, so the umask is in effect from the first moment.
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
 * Whether no process listens on a unix socket. Only ECONNREFUSED proves that: a process that is stopped, or whose backlog is full,
 * answers with EAGAIN or not at all.
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
