/**
 * Reads files for another process, one after the other, until its input ends. The text of this function runs in a process of its own, so
 * it can use nothing outside of the function.
 *
 * A line of input is a request: a JSON list of `[path, limit]`. The limit -1 requests the names in a directory. Each read is answered
 * with a line at once, `[text or names, null]` or `[null, code of the error]`; so the first read without an answer is the one that hangs.
 */
export function serveReads(): void {
  const fs = process.getBuiltinModule('node:fs')
  const { StringDecoder } = process.getBuiltinModule('node:string_decoder')
  const answer = (value: unknown) => fs.writeSync(1, `${JSON.stringify(value)}\n`)
  const buffer = Buffer.allocUnsafe(65_536)

  function readFile(path: string, limit: number): string {
    // In tests a FIFO without a writer hangs here, as a file of the kernel does.
    const file = fs.openSync(path, 'r')
    try {
      let bytes = Buffer.alloc(0)
      // procfs returns one page at a time: only an empty read is the end.
      for (let read = -1; read !== 0; ) {
        read = fs.readSync(file, buffer, 0, buffer.length, null)
        bytes = Buffer.concat([bytes, buffer.subarray(0, read)])
        if (bytes.length > limit) throw Object.assign(new Error('too large'), { code: 'EFBIG' })
      }
      return bytes.toString('utf8')
    } finally {
      fs.closeSync(file)
    }
  }

  function serve(line: string): void {
    const request: readonly (readonly [path: string, limit: number])[] = JSON.parse(line)
    for (const [path, limit] of request) {
      try {
        answer([limit < 0 ? fs.readdirSync(path) : readFile(path, limit), null])
      } catch (error) {
        const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : null
        answer([null, typeof code === 'string' ? code : 'unknown error'])
      }
    }
  }

  answer('ready')
  const input = Buffer.allocUnsafe(65_536)
  const decoder = new StringDecoder('utf8')
  let rest = ''
  for (;;) {
    const read = fs.readSync(0, input, 0, input.length, null)
    if (read === 0) return
    const lines = `${rest}${decoder.write(input.subarray(0, read))}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) serve(line)
  }
}
