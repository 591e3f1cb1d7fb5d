import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import { whatIf } from '../../allowed-operations/what-if.ts'
import { messageOf } from '../../platform/errors.ts'
import { type Command, EXIT, readOptions, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor what-if [OPTION…] PATH|-

Reads one pool state per line (JSON, see docs/WHAT-IF.md). Prints for each state one line of JSON: the allowed operations of each
host, and why the others are blocked.

  PATH                         a file; - is standard input
  --rules project|stock        the project's gate, or an unmodified xapi (default: project)
  --policy conservative|placement
                               the storage rule of the gate (default: conservative)
  --now ISO                    the present time, ISO 8601 (default: the machine's)

Exit codes: 0 every line is answered; 64 wrong usage; 66 the file cannot be read.

Example: resync-monitor what-if --rules stock --now 2026-11-22T16:00:00Z pools.jsonl
`

const RULES = ['project', 'stock'] as const
/** The longest line that whatIf reads. */
const MAX_LINE_LENGTH = 16 * 1024 * 1024

const POLICIES = ['conservative', 'placement'] as const

export const whatIfCommand: Command = {
  help: HELP,
  async run(args, { stdin, stdout, stderr }) {
    const options = readOptions(args, {
      rules: { type: 'string' },
      policy: { type: 'string' },
      now: { type: 'string' },
    })
    const path = options.path()
    const rules = options.choice('rules', RULES) ?? 'project'
    const policy = options.choice('policy', POLICIES) ?? 'conservative'
    const now = moment(options.text('now'))
    const input: Readable = path === '-' ? stdin : createReadStream(path)
    try {
      for await (const line of boundedLines(input, MAX_LINE_LENGTH)) {
        if (line.trim() === '') continue
        const written = stdout.write(`${JSON.stringify(whatIf(line, { rules, policy, now }))}\n`)
        if (!written) await once(stdout, 'drain')
      }
      return EXIT.ok
    } catch (error) {
      stderr.write(`resync-monitor what-if: ${messageOf(error)}\n`)
      return EXIT.noInput
    }
  },
}

function moment(iso: string | undefined): number {
  if (iso === undefined) return Date.now()
  const at = Date.parse(iso)
  if (Number.isNaN(at))
    throw new UsageError(`--now must be an ISO 8601 time such as 2026-11-22T16:00:00Z, not '${iso}'`)
  return at
}

/**
 * Yields the lines of a stream. A line longer than `maxLength` is cut to `maxLength` + 1 characters, so that input without newlines
 * does not fill the memory and the reader still sees that the line is too long.
 */
async function* boundedLines(input: Readable, maxLength: number): AsyncGenerator<string, void> {
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
