import { lstatSync, mkdirSync, rmSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { dirname } from 'node:path'
import { assertTrustworthyFolder } from './socket-file.ts'

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
 * of a unix socket
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
  // A process that was killed leaves its socket behind, on which nobody listens. Whatever else has that name is somebody's,
  // and a slip in the configuration must not cost it.
  if (!(await answers(path)) && isSocket(path)) rmSync(path, { force: true })
  await listening(server, () => {
    // Node binds in this very call, so that no moment passes in which others could connect.
    const before = process.umask(FOR_ITS_USER)
    try {
      server.listen(path)
    } finally {
      process.umask(before)
    }
  })
  return { host: path, port: 0 }
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

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() === true
}

/** Whether somebody listens on a unix socket. */
function answers(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const probe = connect(path)
    probe.setTimeout(PROBE_TIMEOUT_MS)
    const end = (is: boolean) => {
      probe.destroy()
      resolve(is)
    }
    probe.once('connect', () => end(true))
    probe.once('error', () => end(false))
    // It is taken, by somebody who is very slow.
    probe.once('timeout', () => end(true))
  })
}
