import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { whatIf } from '../../allowed-operations/what-if.ts'
import { messageOf } from '../../platform/errors.ts'
import { boundedLines } from '../bounded-lines.ts'
import { type Command, EXIT, readOptions, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor what-if [OPTION…] PATH|-

Reads one pool state per line (JSON, see docs/WHAT-IF.md) and prints for each, as one line of JSON, which host operations
are allowed and why the others are not.

  --rules project|stock               the gate (default), or what an unmodified xapi computes
  --policy conservative|placement     the storage rule of the gate (default: conservative)
  --now ISO                           the present (default: the machine's)

Example: resync-monitor what-if --rules stock --now 2026-11-22T16:00:00Z pools.jsonl
`

const RULES = ['project', 'stock'] as const
/** What whatIf itself refuses to read; a longer line is not even kept. */
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
  if (Number.isNaN(at)) throw new UsageError(`--now must be a moment such as 2026-11-22T16:00:00Z, not '${iso}'`)
  return at
}
