import { lstatSync, rmSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'

const PERMISSIONS = 0o7777
const WRITABLE_BY_ALL = 0o002
const STICKY = 0o1000

/**
 * Refuses a folder in which every user may replace the socket: clients would believe the answers of any user. In a folder with the
 * sticky bit (/tmp) only the owner may replace it.
 * @throws Error
 */
export function assertTrustworthyFolder(path: string): void {
  const folder = dirname(path)
  const { mode } = statSync(folder)
  if ((mode & WRITABLE_BY_ALL) === 0 || (mode & STICKY) !== 0) return
  throw new Error(
    `every user may write in ${folder} and could replace the socket there: remove that permission (chmod o-w)`,
  )
}

/**
 * The file of a unix socket as it was created. The kernel allows connections only to users who may write the file (unix(7)). That is the
 * only access control, because Node cannot get the user of a connection. So a server refuses connections when the owner, the mode or
 * the file itself has changed.
 */
export class SocketFile {
  readonly #path: string
  readonly #made: Stats

  private constructor(path: string, made: Stats) {
    this.#path = path
    this.#made = made
  }

  /** The file at a path; `null`: there is none. */
  static at(path: string): SocketFile | null {
    const made = lstatSync(path, { throwIfNoEntry: false })
    return made === undefined ? null : new SocketFile(path, made)
  }

  get isSocket(): boolean {
    return this.#made.isSocket()
  }

  /** Whether the path has another file, or none. */
  isLost(): boolean {
    const now = this.#now()
    return now === null || !this.#isSame(now)
  }

  /** What has changed since the file was created, in a few words; `null`: nothing. */
  problem(): string | null {
    const now = this.#now()
    if (now === null) return `${this.#path} was removed`
    if (!this.#isSame(now)) return `${this.#path} was replaced`
    const { uid, gid, mode } = this.#made
    if (now.uid !== uid || now.gid !== gid) return `${this.#path} has another owner`
    if (now.mode === mode) return null
    const [is, was] = [now.mode, mode].map(each => (each & PERMISSIONS).toString(8))
    return `${this.#path} has mode ${is} instead of ${was}`
  }

  /** Removes the file, unless another process has replaced it. */
  remove(): void {
    if (!this.isLost()) rmSync(this.#path, { force: true })
  }

  #now(): Stats | null {
    try {
      return lstatSync(this.#path)
    } catch {
      return null
    }
  }

  #isSame({ ino, dev }: Stats): boolean {
    return ino === this.#made.ino && dev === this.#made.dev
  }
}
