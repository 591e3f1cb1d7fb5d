import { StringDecoder } from 'node:string_decoder'
import type { Events2Line } from './events2-line.ts'
import { garbled, parseEvents2 } from './parse-events2.ts'

/** A line of events2 has some hundred characters; without a limit a broken stream would fill the memory. */
const MAX_LINE = 64 * 1024

const CARRIAGE_RETURN = 13

/**
 * Cuts the output of `drbdsetup events2` into lines, whatever the chunks it comes in, and hands each one to `onLine`
 * as it is read. Any cut of the same input gives the same lines.
 */
export class Events2Reader {
  readonly #onLine: (line: Events2Line) => void
  readonly #decoder = new StringDecoder('utf8')
  /** The beginning of a line whose end has not come yet. */
  #rest = ''
  /** The present line was found too long and told: nothing more of it is read. */
  #skipping = false
  #lines = 0

  constructor(onLine: (line: Events2Line) => void) {
    this.#onLine = onLine
  }

  /** The number of the line that is being read, from 1. */
  get line(): number {
    return this.#lines + 1
  }

  push(chunk: Uint8Array | string): void {
    const bytes = typeof chunk === 'string' ? null : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const text = bytes === null ? String(chunk) : this.#decoder.write(bytes)
    let start = 0
    let newline = text.indexOf('\n')
    if (newline !== -1 && this.#rest !== '') {
      // Only this line is joined: characters of a joined string are slow to read one by one.
      const line = this.#rest + text.slice(0, newline)
      this.#rest = ''
      this.#line(line, 0, line.length)
      this.#lines += 1
      start = newline + 1
      newline = text.indexOf('\n', start)
    }
    while (newline !== -1) {
      this.#line(text, start, newline)
      this.#lines += 1
      start = newline + 1
      newline = text.indexOf('\n', start)
    }
    this.#keep(start === 0 ? this.#rest + text : text.slice(start))
  }

  /** The stream ended. What stands there without a newline is told as `line-cut`: it may be half of anything. */
  end(): void {
    this.push(this.#decoder.end())
    const rest = this.#rest
    this.#rest = ''
    if (rest === '') return
    const line = parseEvents2(rest, 0, rest.length)
    this.#onLine(line.kind === 'dump-end' ? line : garbled(rest, 0, rest.length, 'line-cut'))
  }

  #line(text: string, start: number, newline: number): void {
    if (this.#skipping) {
      this.#skipping = false
      return
    }
    if (newline - start > MAX_LINE) {
      this.#onLine(garbled(text, start, newline, 'line-too-long'))
      return
    }
    const end = newline > start && text.charCodeAt(newline - 1) === CARRIAGE_RETURN ? newline - 1 : newline
    if (end === start) return
    this.#onLine(parseEvents2(text, start, end))
  }

  #keep(rest: string): void {
    if (!this.#skipping && rest.length > MAX_LINE) {
      this.#skipping = true
      this.#onLine(garbled(rest, 0, rest.length, 'line-too-long'))
    }
    this.#rest = this.#skipping ? '' : rest
  }
}
