import { type FileHandle, open, rename } from 'node:fs/promises'
import type { DecisionEvent } from './decision-events.ts'
import { type DecisionLine, decisionLine, isoTime } from './decision-lines.ts'

export interface DecisionLogOptions {
  /** The file to append to; its folder must exist. The previous file is kept at `<path>.1`. */
  readonly path: string
  /** A file that would grow beyond this is moved aside. */
  readonly maxBytes: number
  /** A change that is older than this would be known to the gate when it accepts an operation. */
  readonly knownWithinMs: number
  /** Unix time in milliseconds. */
  readonly now: () => number
  /** Called when lines could not be written. They are lost; a line with their number follows when writing works again. */
  readonly onError: (error: unknown) => void
}

/** Lines that wait for a slow disk take at most this, in UTF-16 units. */
const MAX_WAITING_LENGTH = 4 * 1024 * 1024

/**
 * The decision log: a file with one line of JSON for each decision event, and a line `updater-started` at the start of each run.
 *
 * Invariants: lines are in the order of their events. Lines that are not written are counted, also those that come after `close`.
 * A slow, full or missing disk never delays the gate and costs bounded memory. A line that a full disk or a crash cut does not
 * damage another line.
 */
export class DecisionLog {
  readonly #options: DecisionLogOptions
  #waiting: string[] = []
  #waitingLength = 0
  /** Lines that could not be written, before those that wait. */
  #lostBefore = 0
  /** Lines after those that wait: they exceeded the limit or came too late. */
  #lostBehind = 0
  #writing: Promise<void> | null = null
  #closed = false

  constructor(options: DecisionLogOptions) {
    this.#options = options
    this.#add({ at: isoTime(options.now()), event: 'updater-started' })
  }

  record(event: DecisionEvent): void {
    this.#add(decisionLine(event, this.#options.knownWithinMs))
  }

  /** Resolves when everything that can be written is written. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writing
  }

  #add(entry: DecisionLine): void {
    const line = textOf(entry)
    if (this.#closed || this.#waitingLength + line.length > MAX_WAITING_LENGTH) this.#lostBehind += 1
    else {
      this.#waiting.push(line)
      this.#waitingLength += line.length
    }
    this.#writing ??= this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0 || this.#lostBehind > 0) {
      const lines = this.#waiting
      const lostBehind = this.#lostBehind
      this.#waiting = []
      this.#waitingLength = 0
      this.#lostBehind = 0
      const front = this.#lossLine(this.#lostBefore)
      const behind = this.#lossLine(lostBehind)
      const { written, error } = await this.#append([...front, ...lines, ...behind])
      if (written >= front.length) this.#lostBefore = 0
      if (error === null) continue
      // Without an error the last line, which counts those behind, is in the file.
      this.#lostBefore += lines.length - Math.max(0, written - front.length) + lostBehind
      this.#options.onError(error)
    }
    this.#writing = null
  }

  #lossLine(count: number): string[] {
    return count === 0 ? [] : [textOf({ at: isoTime(this.#options.now()), event: 'lines-lost', count })]
  }

  /**
   * Opens the file each time, because another program may have moved it. A full disk may take only some of the lines.
   * @returns how many lines are complete in a file, and the error that stopped the rest
   */
  async #append(lines: readonly string[]): Promise<{ readonly written: number; readonly error: unknown }> {
    let written = 0
    try {
      while (written < lines.length) {
        const { count, error } = await this.#appendToOne(lines.slice(written))
        written += count
        if (error !== null) return { written, error }
      }
      return { written, error: null }
    } catch (error) {
      return { written, error }
    }
  }

  /** Appends as many lines as fit into the file. A file without room for the first line is moved aside. */
  async #appendToOne(lines: readonly string[]): Promise<{ readonly count: number; readonly error: unknown }> {
    const { path, maxBytes } = this.#options
    const [first = ''] = lines
    let file = await openForAppending(path)
    try {
      const { size } = await file.stat()
      if (size > 0 && size + Buffer.byteLength(first) > maxBytes) {
        await file.close()
        await rename(path, `${path}.1`)
        file = await openForAppending(path)
      }
      return await appendWhole(file, lines, maxBytes)
    } finally {
      await file.close()
    }
  }
}

/** @returns how many lines are complete in the file */
async function appendWhole(
  file: FileHandle,
  lines: readonly string[],
  maxBytes: number,
): Promise<{ readonly count: number; readonly error: unknown }> {
  const { size: before } = await file.stat()
  const lineEnd = (await endsInsideLine(file, before)) ? '\n' : ''
  /** The size of the file after each line. */
  const ends: number[] = []
  let end = before + lineEnd.length
  for (const line of lines) {
    end += Buffer.byteLength(line)
    if (ends.length > 0 && end > maxBytes) break
    ends.push(end)
  }
  try {
    await file.appendFile(lineEnd + lines.slice(0, ends.length).join(''))
    return { count: ends.length, error: null }
  } catch (error) {
    const { size } = await file.stat()
    return { count: ends.filter(each => each <= size).length, error }
  }
}

function openForAppending(path: string): Promise<FileHandle> {
  return open(path, 'a+', 0o640)
}

/** Whether the last line is cut: a run ended within it, or the disk was full. */
async function endsInsideLine(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer.toString() !== '\n'
}

function textOf(line: DecisionLine): string {
  return `${JSON.stringify(line)}\n`
}
