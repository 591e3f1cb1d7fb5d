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
import { isJsonObject } from '../json/json-object.ts'
import { parseJson } from '../json/parse-json.ts'
import { isOpenSomewhere, keepFifo } from './open-fifo.ts'

/** A process, told apart from every other that has had its id or will have it. */
interface Holder {
  readonly pid: number
  /** Of the kernel, /proc/sys/kernel/random/boot_id. */
  readonly boot: string
  /** When it started, in the kernel's ticks since the boot: field 22 of /proc/PID/stat (proc(5)). */
  readonly started: string
  /** The namespace in which its id counts, as /proc/self/ns/pid names it; `null`: an earlier version, which did not say. */
  readonly pidNamespace: string | null
  /** Name of a FIFO beside the lock that the holder keeps open for as long as it runs; `null`: it has none. */
  readonly fifo: string | null
}

/** The lock is held by a process that runs, or of which nobody here can know whether it does. */
export class LockHeld extends Error {
  /** The process, in words. */
  readonly holder: string

  constructor(path: string, holder: string) {
    super(`${holder} holds ${path}`)
    this.name = 'LockHeld'
    this.holder = holder
  }
}

/** Each round that fails means that another process has just taken the lock, or has just left it. */
const MAX_ROUNDS = 100
/** A lock that this program writes has about 200 characters. */
const MAX_LOCK_LENGTH = 65_536

/**
 * Makes a lock file, which keeps other processes of this machine out until it is released or this process is gone, however it
 * ended: a lock of a process that is gone, or of another boot, is taken over at once.
 *
 * Whether the holder runs is seen in /proc, if its id counts there. The id of a process in another container (pid namespace)
 * means another process here, or none: of such a holder its FIFO says whether it runs. Without a FIFO it counts as running.
 *
 * The file gets its name when its content is complete (link(2) fails if the name is taken), so nobody ever reads half of it.
 * @param procDirectory `/proc`
 * @returns releases it
 * @throws LockHeld; the system's error, such as ENOENT (its folder must be there)
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
  throw new Error(`${path} was taken and left ${MAX_ROUNDS} times in a moment`)
}

/** The holder in words; `null`: it is gone. */
function runningHolder(holder: Holder, own: Holder, folder: string, procDirectory: string): string | null {
  const { pid, started, pidNamespace, fifo } = holder
  if (pidNamespace === null || pidNamespace === own.pidNamespace) {
    return startOf(pid, procDirectory) === started ? `process ${pid}` : null
  }
  const elsewhere = `process ${pid} of another container (${pidNamespace})`
  if (fifo === null) return `${elsewhere}, of which it is not known whether it runs (if it does not, remove the file),`
  return isOpenSomewhere(join(folder, fifo)) ? elsewhere : null
}

/** `null`: it cannot be read, so a lock that names one is of elsewhere. */
function pidNamespaceIn(procDirectory: string): string | null {
  try {
    return readlinkSync(join(procDirectory, 'self/ns/pid'))
  } catch {
    return null
  }
}

/** On disk before it has its name: after a power cut there is no lock without a content. */
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

/** Removes a lock that nobody holds. Another process may have done that and taken it since: that one's is put back. */
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

/** Somebody may have removed it by hand, and another process may have it now. */
function release(path: string, mine: string): void {
  if (textOf(path) === mine) rmSync(path, { force: true })
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = codeOf(error)
    // ESRCH: a process that ends while its stat is read
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
    // its name only: a lock points at nothing elsewhere
    fifo: typeof fifo === 'string' ? basename(fifo) : null,
  }
}

/** When a process started; `null`: there is none of that id, or only what its parent has not taken note of (a zombie). */
function startOf(pid: number, procDirectory: string): string | null {
  const stat = textOf(join(procDirectory, String(pid), 'stat'))
  // its name, in parentheses, may hold blanks and parentheses
  const [state, ...fields] = stat === null ? [] : stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return state === 'Z' || state === 'X' ? null : (fields[18] ?? null)
}
