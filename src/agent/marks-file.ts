import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { readWhole } from '../platform/durable-file/read-whole.ts'
import { replaceFile } from '../platform/durable-file/replace-file.ts'
import { messageOf } from '../platform/errors.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import type { Clock } from '../platform/time/clock.ts'
import { MarksMemory, type MirrorMarks } from '../sync-query/history/marks/marks-memory.ts'
import {
  newPairMarks,
  type PairMarks,
  REPAIR_SIDES,
  REST_ORIGINS,
  VERDICTS,
} from '../sync-query/history/marks/pair-marks.ts'

/** A crash loses at most this much of the facts. Milliseconds. */
const FACTS_AFTER_MS = 1_000
/** Amounts grow with every write of a virtual disk, so a change of amounts alone is written this often. */
const AMOUNTS_AFTER_MS = 60_000

/** At most this many pairs are written. 5 000 mirrors with 8 peers each have 40 000. */
const MAX_PAIRS = 100_000
const MAX_BYTES = 64 * 1024 * 1024
const MAX_NAME = 1024
const MAX_SHOWN_TEXT = 200

const name = z.string().min(1).max(MAX_NAME)
const bytes = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER).default(0)

/** An absent key has the value of a pair without any memory. */
const PairSchema = z.strictObject({
  peer: name,
  owedBytes: bytes,
  restBytes: bytes,
  rest: z.enum(REST_ORIGINS).default('none'),
  restWasAway: z.boolean().default(false),
  foundBytes: bytes,
  verdict: z.enum(VERDICTS).default('none'),
  verdictBytes: bytes,
  repair: z.enum(REPAIR_SIDES).default('none'),
  repairBytes: bytes,
  verifying: z.boolean().default(false),
}) satisfies z.ZodType<Omit<PairMarks, 'markedSince'>>

const FileSchema = z.strictObject({ schema: z.literal(1), mirrors: z.array(z.unknown()) })
const MirrorSchema = z.strictObject({ mirror: name, pairs: z.array(PairSchema) })

export interface MarksFileOptions {
  readonly path: string
  readonly clock: Clock
  /** Receives the first failed write, and the first one after each success. */
  readonly onProblem: (text: string) => void
}

/**
 * The file that keeps `MarksMemory` over restarts of this program and of the host: the disks still differ after a reboot.
 *
 * Facts are written a second after they changed, amounts once a minute, one write at a time.
 */
export class MarksFile {
  readonly memory: MarksMemory
  /** Why the file could not be read, in whole or in part; `null`: it was read, or it does not exist. */
  readonly doubt: string | null
  readonly #options: MarksFileOptions
  #saved: MarksMemory['version']
  #savedAt = Number.NEGATIVE_INFINITY
  #busy: Promise<void> | null = null
  #isFailing = false

  private constructor(options: MarksFileOptions, remembered: readonly MirrorMarks[], doubt: string | null) {
    this.#options = options
    this.memory = new MarksMemory(remembered)
    this.doubt = doubt
    this.#saved = this.memory.version
  }

  /** Reads the file, with any content. If it cannot be read, `doubt` says why, and the file is never overwritten. */
  static async open(options: MarksFileOptions): Promise<MarksFile> {
    try {
      const text = await readWhole(options.path, MAX_BYTES)
      if (text === null) return new MarksFile(options, [], null)
      const { mirrors, doubt } = decodeMarks(text)
      return new MarksFile(options, mirrors, doubt)
    } catch (error) {
      return new MarksFile(options, [], messageOf(error))
    }
  }

  /** Writes what has changed, when it is due. Call it about once a second. */
  tick(): void {
    if (this.#busy !== null || !this.#isDue()) return
    this.#busy = this.#save().finally(() => {
      this.#busy = null
    })
  }

  /** Writes what has changed. */
  async close(): Promise<void> {
    await this.#busy
    const { facts, amounts } = this.memory.version
    if (facts !== this.#saved.facts || amounts !== this.#saved.amounts) await this.#save()
  }

  #isDue(): boolean {
    const { facts, amounts } = this.memory.version
    const forMs = this.#options.clock.steadyNow() - this.#savedAt
    return facts !== this.#saved.facts
      ? forMs >= FACTS_AFTER_MS
      : amounts !== this.#saved.amounts && forMs >= AMOUNTS_AFTER_MS
  }

  async #save(): Promise<void> {
    // A file that could not be read is evidence. It stays until an operator has examined it.
    if (this.doubt !== null) return
    const { path, clock, onProblem } = this.#options
    const { version } = this.memory
    this.#savedAt = clock.steadyNow()
    try {
      await mkdir(dirname(path), { recursive: true })
      await replaceFile(path, encodeMarks(this.memory.all()))
      this.#saved = version
      this.#isFailing = false
    } catch (error) {
      if (!this.#isFailing) onProblem(`${path} cannot be written: ${messageOf(error)}`)
      this.#isFailing = true
    }
  }
}

/** Encodes the content of the file. @param mirrors the most important first: the last ones are left out if there are too many */
export function encodeMarks(mirrors: Iterable<MirrorMarks>): string {
  const kept: unknown[] = []
  let pairs = 0
  for (const each of mirrors) {
    pairs += each.pairs.length
    if (pairs > MAX_PAIRS) break
    kept.push({ mirror: each.mirror, pairs: each.pairs.map(withoutDefaults) })
  }
  return `${JSON.stringify({ schema: 1, mirrors: kept })}\n`
}

function withoutDefaults({ markedSince: _, ...pair }: Readonly<PairMarks>): object {
  const blank = new Map(Object.entries(newPairMarks('')))
  return Object.fromEntries(Object.entries(pair).filter(([key, value]) => value !== blank.get(key)))
}

/** Decodes any text. Mirrors that cannot be read are left out, and `doubt` says why. */
export function decodeMarks(text: string): { readonly mirrors: readonly MirrorMarks[]; readonly doubt: string | null } {
  const json = parseJson(text, MAX_BYTES)
  if ('problem' in json) return { mirrors: [], doubt: 'it is not JSON' }
  const file = FileSchema.safeParse(json.value)
  if (!file.success) return { mirrors: [], doubt: problemOf(file.error) }
  const mirrors: MirrorMarks[] = []
  let doubt: string | null = null
  for (const each of file.data.mirrors) {
    const read = MirrorSchema.safeParse(each)
    if (!read.success) doubt ??= problemOf(read.error)
    else {
      const pairs = read.data.pairs.map(pair => ({ ...pair, markedSince: Number.NaN }))
      mirrors.push({ mirror: read.data.mirror, pairs })
    }
  }
  return { mirrors, doubt }
}

function problemOf({ issues: [first] }: z.ZodError): string {
  return `${first?.path.join('.') ?? ''}: ${first?.message ?? 'it is not understood'}`.slice(0, MAX_SHOWN_TEXT)
}
