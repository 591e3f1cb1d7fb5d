/** One line of a recorded `drbdsetup events2 --timestamps` stream. */
interface RecordedLine {
  /** The kernel's time of the recording, milliseconds since 1970. */
  readonly at: number
  /** The line after its timestamp. */
  readonly text: string
}

/** A recorded stream: the account of all objects that it opens with, and what happened after that. */
export interface Recording {
  readonly dump: readonly RecordedLine[]
  readonly events: readonly RecordedLine[]
}

/**
 * Splits a recorded stream into its opening dump (up to and with `exists -`) and the events that followed.
 *
 * @param resources keep only the lines of these resources; all of them when `null`
 * @throws Error naming the line when the text is no recording: a recording is part of the program, so this is a bug
 */
export function parseRecording(text: string, resources: readonly string[] | null): Recording {
  const lines = text
    .split('\n')
    .filter(line => line !== '')
    .map(parseLine)
    .filter(({ text: line }) => resources === null || line === 'exists -' || resources.includes(resourceOf(line)))
  const end = lines.findIndex(line => line.text === 'exists -')
  if (end === -1) throw new Error('the recording has no `exists -`: its opening dump never ends')
  return { dump: lines.slice(0, end + 1), events: lines.slice(end + 1) }
}

/** Which pool host plays which recorded host. Node ids belong to hosts, so they are changed along with the names. */
export type Casting = Readonly<Record<string, { readonly hostname: string; readonly nodeId: number }>>

/** Puts the names of the pool's hosts in place of the recorded ones. */
export function cast(line: string, casting: Casting): string {
  return line.replace(/ peer-node-id:\d+ conn-name:(\S+)/, (whole, recorded: string) => {
    const host = casting[recorded]
    return host === undefined ? whole : ` peer-node-id:${host.nodeId} conn-name:${host.hostname}`
  })
}

function parseLine(line: string): RecordedLine {
  const space = line.indexOf(' ')
  const at = Date.parse(line.slice(0, space))
  if (Number.isNaN(at)) throw new Error(`not a line of a recorded stream with timestamps: ${line.slice(0, 80)}`)
  return { at, text: line.slice(space + 1) }
}

function resourceOf(line: string): string {
  return / name:(\S+)/.exec(line)?.[1] ?? ''
}
