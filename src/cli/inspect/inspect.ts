import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import type { Readable, Writable } from 'node:stream'
import { parseProcDrbd } from '../../drbd-adapter/status/parse-proc-drbd.ts'
import { parseStatusJson } from '../../drbd-adapter/status/parse-status-json.ts'
import { parseStatusText } from '../../drbd-adapter/status/parse-status-text.ts'
import type { DrbdSnapshot } from '../../drbd-adapter/status/snapshot.ts'
import { readMdArrays } from '../../mdraid-adapter/follow/md-reader.ts'
import type { MdReading } from '../../mdraid-adapter/parse/md-reading.ts'
import { parseMdstat } from '../../mdraid-adapter/parse/parse-mdstat.ts'
import { codeOf, messageOf } from '../../platform/errors.ts'
import { roundedJson } from '../../platform/json/rounded-json.ts'
import { machineClock } from '../../platform/time/clock.ts'
import { judgeDrbdVolume } from '../../sync-query/judge/judge-drbd.ts'
import { judgeMdArray } from '../../sync-query/judge/judge-md.ts'
import { describe } from '../../sync-query/reason/reason.ts'
import { type Command, EXIT, readOptions, UsageError } from '../terminal.ts'
import { playEventStream } from './event-stream.ts'
import { devicesOfSnapshot, type Findings } from './findings.ts'

const HELP = `usage: resync-monitor inspect --format FORMAT [OPTION…] PATH|-

Parses recorded output of a kernel or its tools, and prints the mirrors with their state.

  PATH                         a file, or with md-sysfs a directory; - is standard input
  --format drbd-events2        drbdsetup events2 [--timestamps] [--statistics] (DRBD 8.4 and 9)
           drbd-status-json    drbdsetup status --json [--verbose --statistics]
           drbd-status-text    drbdsetup status [--verbose --statistics], drbdadm status
           proc-drbd           /proc/drbd (DRBD 8)
           mdstat              /proc/mdstat
           md-sysfs            a directory like /sys/block
  --mdstat PATH                with md-sysfs: the /proc/mdstat of the same moment
  --transitions                with drbd-events2: print one line of JSON per transition instead of the final state
  --json                       print one JSON document instead of a table

What cannot be parsed is printed as a problem with its line or path, and makes its device unknown.

Exit codes: 0 parsed; 64 wrong usage; 65 nothing could be parsed, or a device may be missing in the output; 66 the file cannot be
read.

Example: drbdsetup status --json --verbose --statistics | resync-monitor inspect --format drbd-status-json -
`

const FORMATS = ['drbd-events2', 'drbd-status-json', 'drbd-status-text', 'proc-drbd', 'mdstat', 'md-sysfs'] as const
type Format = (typeof FORMATS)[number]

/** Far more than the output for 65 536 volumes. Larger input is of another kind. */
const MAX_SNAPSHOT_BYTES = 256 * 1024 * 1024

interface InspectRequest {
  readonly path: string
  readonly mdstat: string | undefined
  readonly open: () => Readable
  readonly onTransition: (line: object) => void
}

const READERS: { readonly [Each in Format]: (request: InspectRequest) => Promise<Findings> } = {
  'drbd-events2': ({ open, onTransition }) => playEventStream(open(), onTransition),
  'drbd-status-json': async ({ open }) => drbdFindings(parseStatusJson(await readWhole(open()))),
  'drbd-status-text': async ({ open }) => drbdFindings(parseStatusText(await readWhole(open()))),
  'proc-drbd': async ({ open }) => drbdFindings(parseProcDrbd(await readWhole(open()))),
  mdstat: async ({ open }) => mdFindings(parseMdstat(await readWhole(open()))),
  'md-sysfs': async ({ path, mdstat }) =>
    mdFindings(await readMdArrays({ sysBlock: path, ...(mdstat === undefined ? {} : { mdstat }) }, machineClock)),
}

export const inspect: Command = {
  help: HELP,
  async run(args, { stdin, stdout, stderr }) {
    const options = readOptions(args, {
      format: { type: 'string' },
      mdstat: { type: 'string' },
      transitions: { type: 'boolean' },
      json: { type: 'boolean' },
    })
    const format = options.choice('format', FORMATS)
    if (format === undefined) throw new UsageError(`--format is missing; valid: ${FORMATS.join(', ')}`)
    const path = options.path()
    const mdstat = options.text('mdstat')
    if (mdstat !== undefined && format !== 'md-sysfs') throw new UsageError('--mdstat needs --format md-sysfs')
    if (path === '-' && format === 'md-sysfs') throw new UsageError('md-sysfs reads a directory, not standard input')
    const transitions = options.flag('transitions')
    if (transitions && format !== 'drbd-events2') throw new UsageError('--transitions needs --format drbd-events2')

    const request: InspectRequest = {
      path,
      mdstat,
      open: () => (path === '-' ? stdin : createReadStream(path)),
      onTransition: line => {
        if (transitions) stdout.write(`${roundedJson({ schema: 1, ...line })}\n`)
      },
    }
    let findings: Findings
    try {
      findings = await READERS[format](request)
    } catch (error) {
      if (!isReadError(error)) throw error
      stderr.write(`resync-monitor inspect: ${messageOf(error)}\n`)
      return EXIT.noInput
    }
    const { devices, problems, isLost } = findings
    if (!transitions) {
      const text = options.flag('json') ? `${roundedJson({ schema: 1, format, devices, problems })}\n` : table(findings)
      await write(stdout, text)
    }
    return isLost ? EXIT.dataError : EXIT.ok
  },
}

function drbdFindings({ volumes, problems, understood }: DrbdSnapshot): Findings {
  const devices = devicesOfSnapshot(volumes.map(volume => judgeDrbdVolume(volume)))
  return { devices, problems, understood, isLost: !understood }
}

function mdFindings({ arrays, problems, understood }: MdReading): Findings {
  const devices = devicesOfSnapshot(arrays.map(judgeMdArray))
  return { devices, problems, understood, isLost: !understood && devices.length === 0 }
}

/** @throws NodeJS.ErrnoException the system's error, or EFBIG */
async function readWhole(input: Readable): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of input) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > MAX_SNAPSHOT_BYTES) {
      throw Object.assign(new Error(`the input is larger than ${MAX_SNAPSHOT_BYTES} bytes`), { code: 'EFBIG' })
    }
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function isReadError(error: unknown): error is NodeJS.ErrnoException {
  return /^E[A-Z]+$/.test(codeOf(error) ?? '')
}

async function write(stdout: Writable, text: string): Promise<void> {
  if (!stdout.write(text)) await once(stdout, 'drain')
}

function table({ devices, problems, understood }: Findings): string {
  const lines = devices.flatMap(({ mirror, state, activity, progress, reasons }) => {
    const doing = activity === 'none' ? '' : activity
    const percent = progress === null ? '' : `${(progress * 100).toFixed(1)} %`
    const row = [mirror.padEnd(24), state.padEnd(10), doing.padEnd(9), percent].join('  ').trimEnd()
    return [row, ...reasons.map(reason => `    ${describe(reason)}`)]
  })
  for (const { code, text } of problems) lines.push(`problem ${code}: ${text}`)
  if (!understood) lines.push('There may be more devices: a part of the input could not be parsed.')
  else if (devices.length === 0) lines.push('No mirrors.')
  return `${lines.join('\n')}\n`
}
