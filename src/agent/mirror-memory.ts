import { statSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Backend } from '../host-state/backend-view.ts'
import { readWholeSync } from '../platform/durable-file/read-whole.ts'
import { replaceFile } from '../platform/durable-file/replace-file.ts'
import { bareMessageOf } from '../platform/errors.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import { SerialQueue } from '../platform/time/serial-queue.ts'

/** Mirrors of one backend that an SR had on this host. */
export interface HeldMirrors {
  readonly count: number
  /** Some of their names. */
  readonly names: readonly string[]
}

export type Held = Readonly<Record<Backend, HeldMirrors>>

/** What is remembered of an SR. `unreadable`: it may have had mirrors. */
export type Remembered =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'held'; readonly held: Held }
  | { readonly kind: 'unreadable'; readonly why: string }

/** Which SRs had mirrors on this host, across restarts of the daemon and of the machine. */
export interface SrMemory {
  of(sr: string): Remembered
  keep(sr: string, held: Held): void
  /** The configuration does not name the SR any more, or an operator says so. */
  forget(sr: string): void
  /** Forgets the SR if an operator has removed its file. */
  reread(sr: string): void
}

const NOTHING: Remembered = { kind: 'nothing' }
const MAX_FILE_BYTES = 65_536
export const MAX_HELD_NAMES = 8

const HeldSchema = z.object({ count: z.number().int().min(0), names: z.array(z.string()).max(64) })
const FileSchema = z.object({ schema: z.literal(1), drbd: HeldSchema, md: HeldSchema })

/**
 * Keeps one file per SR, so that a damaged one concerns no other SR. After a boot without DRBD's module and configuration
 * files nothing else would tell that the SR has data here.
 *
 * Invariant: what `of` answers is what was kept last, also while it is not on the disk yet; a failed write is made again with
 * the next call of `retry`.
 */
export class MirrorMemory implements SrMemory {
  readonly #folder: string | null
  readonly #onProblem: (text: string) => void
  readonly #known = new Map<string, Remembered>()
  /** SRs that have a file: only then does its absence mean that somebody has removed it. */
  readonly #onDisk = new Set<string>()
  readonly #unwritten = new Set<string>()
  readonly #writes = new SerialQueue()
  #lastProblem: string | null = null

  /**
   * @param folder `null`: nothing is kept on a disk
   * @param onProblem called with each file that cannot be read or written, once until another problem comes
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

  keep(sr: string, held: Held): void {
    this.#known.set(sr, { kind: 'held', held })
    this.#write(sr)
  }

  forget(sr: string): void {
    this.#known.set(sr, NOTHING)
    this.#write(sr)
  }

  reread(sr: string): void {
    const path = this.#pathOf(sr)
    if (path === null || !this.#onDisk.has(sr) || this.#unwritten.has(sr)) return
    try {
      if (statSync(path, { throwIfNoEntry: false }) === undefined) this.#known.set(sr, NOTHING)
    } catch {
      // It cannot be looked at: what is known stays.
    }
  }

  /** Writes again what could not be written. To be called from time to time. */
  retry(): void {
    for (const sr of this.#unwritten) this.#write(sr)
  }

  /** Resolves when everything was written, or has failed. */
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
      const { drbd, md } = parsed.data
      return { kind: 'held', held: { drbd, md } }
    } catch (error) {
      this.#onDisk.add(sr)
      const why = `${path} cannot be read: ${bareMessageOf(error)}`
      this.#complain(why)
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
        this.#complain(`${path} cannot be written: ${bareMessageOf(error)}`)
      }
    })
  }

  #complain(text: string): void {
    if (text !== this.#lastProblem) this.#onProblem(text)
    this.#lastProblem = text
  }

  #pathOf(sr: string): string | null {
    return this.#folder === null ? null : memoryFileOf(this.#folder, sr)
  }
}

/** The file to remove when the mirrors of an SR are gone for good. */
export function memoryFileOf(folder: string, sr: string): string {
  return join(folder, `${sr}.json`)
}
