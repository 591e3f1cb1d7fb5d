import { randomUUID } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { codeOf } from '../errors.ts'
import { isJsonObject, parseJson } from '../json/parse-json.ts'
import { isOpenSomewhere, keepFifo } from './open-fifo.ts'

/** Identifies a process, also among processes that have had or will have the same id. */
interface Holder {
  readonly pid: number
  /** The boot id of the kernel, /proc/sys/kernel/random/boot_id. */
  readonly boot: string
  /** Start time in the kernel's ticks since boot: field 22 of /proc/PID/stat (proc(5)). */
  readonly started: string
  /** The namespace of its id, as in /proc/self/ns/pid; `null`: written by an earlier version. */
  readonly pidNamespace: string | null
  /** Name of a FIFO beside the lock that the holder keeps open while it runs; `null`: none. */
  readonly fifo: string | null
}

/** The lock is held by a process that runs, or whose state cannot be determined here. */
export class LockHeld extends Error {
  /** A description of the process. */
  readonly holder: string

  constructor(path: string, holder: string) {
    super(`${holder} holds ${path}`)
    this.name = 'LockHeld'
    this.holder = holder
  }
}

/** A round fails only if another process took or released the lock meanwhile. */
const MAX_ROUNDS = 100
/** A lock that this program writes has about 200 characters. */
const MAX_LOCK_LENGTH = 65_536

/**
 * Creates a lock file, which excludes other processes of this machine until it is released or this process has ended in any way: a lock of
 * a process that has ended, or of another boot, is taken over at once.
 *
 * /proc shows whether the holder runs, if it is in the same pid namespace. The id of a process in another container means another process
 * here, or none: for such a holder its FIFO shows whether it runs. Without a FIFO it counts as running.
 *
 * The file gets its name when its content is complete (link(2) fails if the name exists), so no process reads an incomplete file.
 * @param procDirectory `/proc`
 * @returns a function that releases the lock
 * @throws LockHeld; the system's error, such as ENOENT (its folder must exist)
 */
export function takeLock(path: string, procDirectory: string): () => void {
  const boot = readFileSync(join(procDirectory, 'sys/kernel/random/boot_id'), 'utf8').trim()
  const started = startOf(process.pid, procDirectory)
  if (started === null) throw new Error(`${procDirectory} does not show this process`)
  const id = randomUUID()
  const draft = `${path}.${id}`
  const fifo = keepFifo(`${path}.alive-${id}`)
  const holder: Holder = {
    pid: process.pid,
    boot,
    started,
    pidNamespace: pidNamespaceIn(procDirectory),
    fifo: fifo === null ? null : basename(fifo.path),
  }
  const mine = JSON.stringify({ ...holder, id })
  try {
    writeWhole(draft, mine)
    takeAs(holder, { path, draft, procDirectory })
  } catch (error) {
    fifo?.close()
    throw error
  } finally {
    rmSync(draft, { force: true })
  }
  return () => {
    release(path, mine)
    fifo?.close()
  }
}

/** Gives the draft the lock's name. @throws LockHeld */
function takeAs(
  own: Holder,
  { path, draft, procDirectory }: { path: string; draft: string; procDirectory: string },
): void {
  for (let round = 0; round < MAX_ROUNDS; round += 1) {
    if (linked(draft, path)) return
    const found = textOf(path)
    if (found === null) continue
    const holder = holderIn(found)
    if (holder !== null && holder.boot === own.boot) {
      const running = runningHolder(holder, own, dirname(path), procDirectory)
      if (running !== null) throw new LockHeld(path, running)
    }
    discard(path, found, `${draft}.stale`)
    if (holder !== null && holder.fifo !== null) rmSync(join(dirname(path), holder.fifo), { force: true })
  }
  throw new Error(`${path} was taken and released ${MAX_ROUNDS} times meanwhile`)
}

/** A description of the holder; `null`: it has ended. */
function runningHolder(holder: Holder, own: Holder, folder: string, procDirectory: string): string | null {
  const { pid, started, pidNamespace, fifo } = holder
  if (pidNamespace === null || pidNamespace === own.pidNamespace) {
    return startOf(pid, procDirectory) === started ? `process ${pid}` : null
  }
  const elsewhere = `process ${pid} of another container (${pidNamespace})`
  if (fifo === null) return `${elsewhere}, which may still run (if it does not, remove the file),`
  return isOpenSomewhere(join(folder, fifo)) ? elsewhere : null
}

/** `null`: it cannot be read, so a lock with a namespace counts as one of another container. */
function pidNamespaceIn(procDirectory: string): string | null {
  try {
    return readlinkSync(join(procDirectory, 'self/ns/pid'))
  } catch {
    return null
  }
}

/** Writes and syncs a file, so that after a power failure there is no lock without content. */
function writeWhole(path: string, text: string): void {
  const file = openSync(path, 'w', 0o600)
  try {
    writeFileSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function linked(draft: string, path: string): boolean {
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

/** Removes a lock whose holder has ended. If another process has taken the lock meanwhile, its lock is put back. */
function discard(path: string, found: string, aside: string): void {
  try {
    renameSync(path, aside)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    throw error
  }
  if (textOf(aside) !== found) linked(aside, path)
  rmSync(aside, { force: true })
}

/** Removes the own lock. Another process may have it now, if an operator has removed the file. */
function release(path: string, mine: string): void {
  if (textOf(path) === mine) rmSync(path, { force: true })
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = codeOf(error)
    // ESRCH: the process ended while its stat was read
    if (code === 'ENOENT' || code === 'ESRCH') return null
    throw error
  }
}

/** `null`: it is no lock of this program. */
function holderIn(text: string): Holder | null {
  const json = parseJson(text, MAX_LOCK_LENGTH)
  if (!('value' in json && isJsonObject(json.value))) return null
  const { pid, boot, started, pidNamespace, fifo } = json.value
  if (typeof pid !== 'number' || typeof boot !== 'string' || typeof started !== 'string') return null
  return {
    pid,
    boot,
    started,
    pidNamespace: typeof pidNamespace === 'string' ? pidNamespace : null,
    // the base name only: the FIFO is always beside the lock
    fifo: typeof fifo === 'string' ? basename(fifo) : null,
  }
}

/** The start time of a process; `null`: there is no process with this id, or only a zombie. */
function startOf(pid: number, procDirectory: string): string | null {
  const stat = textOf(join(procDirectory, String(pid), 'stat'))
  // the name, in parentheses, may contain blanks and parentheses
  const [state, ...fields] = stat === null ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? null : (fields[18] ?? null)
}
