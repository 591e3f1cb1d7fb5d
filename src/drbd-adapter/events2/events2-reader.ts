import { StringDecoder } from 'node:string_decoder'
import type { Events2Line } from './events2-line.ts'
import { garbled, parseEvents2 } from './parse-events2.ts'

/** Maximum line length. Lines have some hundred characters; without a limit a broken stream would fill the memory. */
const MAX_LINE = 64 * 1024

const CARRIAGE_RETURN = 13

/**
 * Splits the output of `drbdsetup events2` into lines and passes each parsed line to `onLine`. Every division of the same input into
 * chunks gives the same lines:
 *
 *     const state = new Events2State()
 *     const reader = new Events2Reader(line => state.apply(line))
 *     reader.push('exists resource name:r0 role:Secondary suspended:no\n')
 *     reader.push('exists device name:r0 volume:0 minor:0 disk:UpToDate\nexists -\n')
 *     state.volumes() // one volume: r0/0
 */
export class Events2Reader {
  readonly #onLine: (line: Events2Line) => void
  readonly #decoder = new StringDecoder('utf8')
  /** The beginning of a line whose end is not read yet. */
  #rest = ''
  /** The current line is too long and has been reported: the rest of it is skipped. */
  #skipping = false
  #lines = 0

  constructor(onLine: (line: Events2Line) => void) {
    this.#onLine = onLine
  }

  /** The number of the current line, from 1. */
  get line(): number {
    return this.#lines + 1
  }

  push(chunk: Uint8Array | string): void {
    const bytes = typeof chunk === 'string' ? null : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const text = bytes === null ? String(chunk) : this.#decoder.write(bytes)
    let start = 0
    let newline = text.indexOf('\n')
    if (newline !== -1 && this.#rest !== '') {
      // Only this line is joined: single characters of a joined string are slow to read.
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

  /** The stream ended. A last line without a newline is reported as `line-cut`, because it may be truncated. */
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
