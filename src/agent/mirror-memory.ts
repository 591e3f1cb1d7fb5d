import { statSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { HeldByBackend, Remembered } from '../host-state/host-changes.ts'
import { readWholeSync } from '../platform/durable-file/read-whole.ts'
import { replaceFile } from '../platform/durable-file/replace-file.ts'
import { bareMessageOf } from '../platform/errors.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import { SerialQueue } from '../platform/time/serial-queue.ts'
import { forEachBackend } from '../sync-query/backend-name.ts'

const NOTHING: Remembered = { kind: 'nothing' }
const MAX_FILE_BYTES = 65_536

const HeldSchema = z.object({ count: z.number().int().min(0), names: z.array(z.string()).max(64) })
const FileSchema = z.object({ schema: z.literal(1), ...forEachBackend(() => HeldSchema) })

/**
 * Remembers which SRs had mirrors on this host, across restarts of the daemon and of the machine. After a boot without DRBD's
 * module and configuration files nothing else tells that an SR has data here. Each SR has its own file, so a damaged file
 * concerns no other SR.
 *
 * Invariant: `of` returns what was kept last, even if it is not on the disk yet. `retry` repeats failed writes.
 */
export class MirrorMemory {
  readonly #folder: string | null
  readonly #onProblem: (text: string) => void
  readonly #known = new Map<string, Remembered>()
  /** SRs that have a file. If such a file is absent, an operator has removed it. */
  readonly #onDisk = new Set<string>()
  readonly #unwritten = new Set<string>()
  readonly #writes = new SerialQueue()
  #lastProblem: string | null = null

  /**
   * @param folder `null`: keep nothing on the disk
   * @param onProblem receives each file that cannot be read or written, once until the problem changes
   */
  constructor(folder: string | null, onProblem: (text: string) => void) {
    this.#folder = folder
    this.#onProblem = onProblem
  }

  of(sr: string): Remembered {
    const known = this.#known.get(sr)
    if (known !== undefined) return known
    const read = this.#read(sr)
    this.#known.set(sr, read)
    return read
  }

  keep(sr: string, held: HeldByBackend): void {
    this.#known.set(sr, { kind: 'held', held })
    this.#write(sr)
  }

  /** Forgets an SR that the configuration no longer names, or that an operator wants forgotten. */
  forget(sr: string): void {
    this.#known.set(sr, NOTHING)
    this.#write(sr)
  }

  /** Forgets the SR if an operator has removed its file. @returns whether that is so */
  forgetIfRemoved(sr: string): boolean {
    const path = this.#pathOf(sr)
    if (path === null || !this.#onDisk.has(sr) || this.#unwritten.has(sr)) return false
    try {
      if (statSync(path, { throwIfNoEntry: false }) !== undefined) return false
    } catch {
      return false
    }
    this.#known.set(sr, NOTHING)
    return true
  }

  /** Repeats writes that have failed. Call it about once a second. */
  retry(): void {
    for (const sr of this.#unwritten) this.#write(sr)
  }

  /** Resolves when every write has succeeded or failed. */
  async close(): Promise<void> {
    await this.#writes.ended()
  }

  #read(sr: string): Remembered {
    const path = this.#pathOf(sr)
    if (path === null) return NOTHING
    try {
      const text = readWholeSync(path, MAX_FILE_BYTES)
      if (text === null) return NOTHING
      const json = parseJson(text, MAX_FILE_BYTES)
      const parsed = FileSchema.safeParse('value' in json ? json.value : null)
      if (!parsed.success) throw new Error('it is damaged')
      this.#onDisk.add(sr)
      const { schema: _, ...held } = parsed.data
      return { kind: 'held', held }
    } catch (error) {
      this.#onDisk.add(sr)
      const why = `${path} cannot be read: ${bareMessageOf(error)}`
      this.#report(why)
      return { kind: 'unreadable', why }
    }
  }

  #write(sr: string): void {
    const path = this.#pathOf(sr)
    if (path === null) return
    this.#unwritten.add(sr)
    void this.#writes.run(async () => {
      const known = this.#known.get(sr)
      if (!this.#unwritten.delete(sr) || known === undefined || known.kind === 'unreadable') return
      try {
        if (known.kind === 'nothing') {
          await rm(path, { force: true })
          this.#onDisk.delete(sr)
          return
        }
        await mkdir(dirname(path), { recursive: true, mode: 0o700 })
        await replaceFile(path, `${JSON.stringify({ schema: 1, ...known.held })}\n`)
        this.#onDisk.add(sr)
      } catch (error) {
        this.#unwritten.add(sr)
        this.#report(`${path} cannot be written: ${bareMessageOf(error)}`)
      }
    })
  }

  #report(text: string): void {
    if (text !== this.#lastProblem) this.#onProblem(text)
    this.#lastProblem = text
  }

  #pathOf(sr: string): string | null {
    return this.#folder === null ? null : memoryFileOf(this.#folder, sr)
  }
}

/** The file that an operator removes when the mirrors of an SR are gone for good. */
export function memoryFileOf(folder: string, sr: string): string {
  return join(folder, `${sr}.json`)
}
