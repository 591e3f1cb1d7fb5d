/** One line of a recorded `drbdsetup events2 --timestamps` stream. */
interface RecordedLine {
  /** The kernel's time of the recording, milliseconds since 1970. */
  readonly at: number
  /** The line after its timestamp. */
  readonly text: string
}

/** A recorded stream: its initial dump of all objects, and the events after that. */
export interface Recording {
  readonly dump: readonly RecordedLine[]
  readonly events: readonly RecordedLine[]
}

/**
 * Splits a recorded stream into its initial dump (up to and with `exists -`) and the events after that.
 *
 * @param resources keep only the lines of these resources; all of them when `null`
 * @throws Error with the line if the text is no recording: recordings are part of the program, so this is a bug
 */
export function parseRecording(text: string, resources: readonly string[] | null): Recording {
  const lines = text
    .split('\n')
    .filter(line => line !== '')
    .map(parseLine)
    .filter(({ text: line }) => resources === null || line === 'exists -' || resources.includes(resourceOf(line)))
  const end = lines.findIndex(line => line.text === 'exists -')
  if (end === -1) throw new Error('the recording has no `exists -`: its initial dump never ends')
  return { dump: lines.slice(0, end + 1), events: lines.slice(end + 1) }
}

/** For each recorded host the pool host that replaces it. Node ids belong to hosts, so they are replaced with the names. */
export type HostMapping = Readonly<Record<string, { readonly hostname: string; readonly nodeId: number }>>

/** Replaces the recorded host and node id in a line by those of the pool. */
export function replaceHost(line: string, mapping: HostMapping): string {
  return line.replace(/ peer-node-id:\d+ conn-name:(\S+)/, (whole, recorded: string) => {
    const host = mapping[recorded]
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
