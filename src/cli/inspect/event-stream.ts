import type { Readable } from 'node:stream'
import { Events2Reader } from '../../drbd-adapter/events2/events2-reader.ts'
import { Events2State } from '../../drbd-adapter/events2/events2-state.ts'
import { HostMirrors, type ShareChange } from '../../sync-query/history/host-mirrors.ts'
import type { DrbdVolume } from '../../sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../sync-query/judge/judge-drbd.ts'
import type { Observation } from '../../sync-query/judge/judgement.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import type { Reason } from '../../sync-query/reason/reason.ts'
import type { Transition } from '../../sync-query/transition.ts'
import { devicesOf, type Findings } from './findings.ts'

const MAX_TEXT = 200

/** Stalls and estimates are computed this often, by the clock of the recording. */
const TICK_MICROS = 1_000_000

/** One line of `inspect --transitions`. */
export interface InspectedTransition extends Pick<Transition, 'from' | 'to'> {
  readonly mirror: string
  /** By the clock of the recording; `null`: the stream has no timestamps. */
  readonly at: string | null
  readonly transition: Transition['kind']
  readonly progress: number | null
  readonly reasons: readonly Reason[]
}

function observationOf(volume: DrbdVolume, at: number): Observation {
  return { judgement: judgeDrbdVolume(volume), at, silenceMeansStall: volume.family === '9', drbd: volume }
}

/**
 * Parses a recorded `drbdsetup events2` stream and reports the transitions of its mirrors. Lines with one timestamp are one event of
 * the kernel: between them the state is incomplete, so they are judged together.
 */
export async function playEventStream(
  input: Readable,
  onTransition: (transition: InspectedTransition) => void,
): Promise<Findings> {
  const state = new Events2State()
  const mirrors = new HostMirrors()
  const problems: Problem[] = []
  let groupMicros: number | null = null
  let tickedMicros = Number.NEGATIVE_INFINITY
  /** Nothing is judged until the initial dump is complete. */
  let dumped = false
  /** A new initial dump has begun: events before it are missing. */
  let followsGap = false

  const settle = (isLast = false) => {
    const at = (groupMicros ?? 0) / 1000
    for (const name of state.takeChanged()) {
      const volume = state.takeVolume(name)
      const change =
        volume === null ? mirrors.remove(name, at) : mirrors.observe({ ...observationOf(volume, at), followsGap })
      if (change !== null) report(change)
    }
    followsGap = false
    if (groupMicros === null || (!isLast && groupMicros - tickedMicros < TICK_MICROS)) return
    tickedMicros = groupMicros
    for (const change of mirrors.tick(at)) report(change)
  }
  const report = ({ mirror, transitions }: ShareChange) => {
    for (const { kind, from, to } of transitions) {
      const { progress = null, reasons = [] } = mirrors.get(mirror)?.judgement ?? {}
      const at = groupMicros === null ? null : new Date(groupMicros / 1000).toISOString()
      onTransition({ mirror, at, transition: kind, from, to, progress, reasons })
    }
  }
  const reader = new Events2Reader(line => {
    if (dumped && (line.atMicros === null || line.atMicros !== groupMicros)) settle()
    groupMicros = line.atMicros ?? groupMicros
    followsGap ||= line.kind === 'dump-end'
    const known = state.problems.kept.length
    state.apply(line)
    for (const { text, ...problem } of state.problems.kept.slice(known))
      problems.push({ ...problem, text: `line ${reader.line}: ${text}`.slice(0, MAX_TEXT) })
    dumped ||= line.kind === 'dump-end'
  })
  for await (const chunk of input) reader.push(chunk)
  reader.end()
  const known = state.problems.kept.length
  state.endRecording()
  problems.push(...state.problems.kept.slice(known), ...leftOut(state))
  settle(true)
  // There may be more mirrors before the initial dump is complete, and after a line whose resource is not known.
  const understood = state.complete
  const devices = devicesOf(mirrors, (groupMicros ?? 0) / 1000)
  // A line without a known resource may be about a mirror that is not printed.
  const isLost = state.losses.all || (!understood && devices.length === 0)
  return { devices, problems, understood, isLost }
}

/** One entry for each code with problems that are not listed. */
function leftOut({ problems: { kept, counts } }: Events2State): Problem[] {
  const listed = new Map<string, number>()
  for (const { code } of kept) listed.set(code, (listed.get(code) ?? 0) + 1)
  return [...counts].flatMap(([code, count]) => {
    const more = count - (listed.get(code) ?? 0)
    return more === 0 ? [] : [{ device: null, code, text: `${more} more are left out` }]
  })
}
