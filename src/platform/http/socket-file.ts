import { lstatSync, rmSync, type Stats, statSync } from 'node:fs'
import { dirname } from 'node:path'

const PERMISSIONS = 0o7777
const WRITABLE_BY_ALL = 0o002
const STICKY = 0o1000

/**
 * Refuses a folder in which everybody may put another socket in the place of this one: who asks there would believe what
 * anybody answers. In one with the sticky bit (/tmp) only the owner may.
 * @throws Error
 */
export function assertTrustworthyFolder(path: string): void {
  const folder = dirname(path)
  const { mode } = statSync(folder)
  if ((mode & WRITABLE_BY_ALL) === 0 || (mode & STICKY) !== 0) return
  throw new Error(`everybody may write in ${folder}, and so replace the socket there: take that right away (chmod o-w)`)
}

/**
 * The file of a unix socket as it was made. The kernel lets only those connect who may write the file (unix(7)), which is
 * all that keeps others out: Node cannot ask who has connected. So whoever has widened that, or put the file elsewhere,
 * gets no answer.
 */
export class SocketFile {
  readonly #path: string
  readonly #made: Stats

  private constructor(path: string, made: Stats) {
    this.#path = path
    this.#made = made
  }

  /** What is at a path now; `null`: nothing. */
  static at(path: string): SocketFile | null {
    const made = lstatSync(path, { throwIfNoEntry: false })
    return made === undefined ? null : new SocketFile(path, made)
  }

  get isSocket(): boolean {
    return this.#made.isSocket()
  }

  /** Whether who goes by its path finds another file, or none. */
  isLost(): boolean {
    const now = this.#now()
    return now === null || !this.#isSame(now)
  }

  /** What is not as it was made, in a few words; `null`: all is. */
  problem(): string | null {
    const now = this.#now()
    if (now === null) return `${this.#path} is gone`
    if (!this.#isSame(now)) return `${this.#path} was replaced`
    const { uid, gid, mode } = this.#made
    if (now.uid !== uid || now.gid !== gid) return `${this.#path} belongs to somebody else`
    if (now.mode === mode) return null
    const [is, was] = [now.mode, mode].map(each => (each & PERMISSIONS).toString(8))
    return `${this.#path} has mode ${is}, and was made with ${was}`
  }

  /** Removes it, and never what another process has put in its place. */
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
