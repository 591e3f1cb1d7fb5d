import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'

/**
 * The lines of a stream. Of a line longer than `maxLength` only that much is kept, plus one character that shows it:
 * input without newlines must not fill the memory.
 */
export async function* boundedLines(input: Readable, maxLength: number): AsyncGenerator<string, void> {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for await (const chunk of input) {
    const parts = (rest + decoder.write(Buffer.from(chunk))).split('\n')
    rest = (parts.pop() ?? '').slice(0, maxLength + 1)
    for (const part of parts) yield part.replace(/\r$/, '').slice(0, maxLength + 1)
  }
  rest += decoder.end()
  if (rest !== '') yield rest
}
