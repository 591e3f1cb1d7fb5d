import { join } from 'node:path'
import type { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import type { Events2State } from '../events2/events2-state.ts'
import { drbdProblem } from '../problem-list.ts'
import { parseProcDrbd } from '../status/parse-proc-drbd.ts'
import { copyProcStatistics, hasDisconnectedPeer, hasNoPeer, isMoving } from './statistics.ts'

export interface ProcDrbdOptions {
  /** The directory that stands for `/`. */
  readonly root: string
  readonly files: FileReader
  readonly clock: Clock
  /** Interval of reads while no data moves and a peer is not connected. Milliseconds. */
  readonly awayEveryMs: number
  /** Called when the file begins to hang or to be unreadable. */
  readonly onProblem: (problem: Problem) => void
}

/** A thousand devices need about 1 MiB. */
const MAX_BYTES = 2 ** 24

/**
 * Reads the statistics that the events of DRBD 8.4 omit from /proc/drbd: the progress of resyncs, and the out-of-sync amount while a
 * peer is not connected. States do not depend on this file: while it hangs only the statistics are missing.
 */
export class ProcDrbd {
  readonly #options: ProcDrbdOptions
  /** Minors whose state word differed from the one of the events in the previous read. */
  #differing = new Set<string>()
  #readAtMs = Number.NEGATIVE_INFINITY
  #hasFailed = false

  constructor(options: ProcDrbdOptions) {
    this.#options = options
  }

  /**
   * Copies the statistics into `state` if any volume needs them.
   *
   * @returns `disagrees`: a device had another state word than the events in two reads in a row
   */
  async update(state: Events2State): Promise<'nothing' | 'updated' | 'disagrees'> {
    const { clock, awayEveryMs } = this.#options
    const isAwayDue = clock.steadyNow() - this.#readAtMs >= awayEveryMs
    const isDue = isAwayDue && state.devices().some(each => hasDisconnectedPeer(each) || hasNoPeer(each))
    if (!isDue && !state.devices().some(isMoving)) return 'nothing'
    this.#readAtMs = clock.steadyNow()
    const text = await this.#read()
    if (text === null) return 'nothing'
    const byMinor = new Map(state.devices().map(device => [`drbd${device.minor}`, device]))
    const differing = new Set<string>()
    for (const volume of parseProcDrbd(text).volumes) {
      const live = byMinor.get(volume.mirror)
      if (live === undefined) continue
      const outcome = copyProcStatistics(live, volume)
      if (outcome === 'disagrees') differing.add(volume.mirror)
      // Equal statistics are reported too while data moves: only they prove a stall.
      else if (outcome === 'changed' || isMoving(live)) state.changed.add(live)
    }
    const isLasting = !differing.isDisjointFrom(this.#differing)
    this.#differing = differing
    return isLasting ? 'disagrees' : 'updated'
  }

  async #read(): Promise<string | null> {
    const { root, files, onProblem } = this.#options
    const path = join(root, 'proc/drbd')
    const reading = await files.read({ key: path, steps: [[path, MAX_BYTES]] })
    const [result] = reading.kind === 'done' ? reading.results : []
    if (result !== undefined && 'text' in result) {
      this.#hasFailed = false
      return result.text
    }
    const cause = result !== undefined && 'code' in result ? result.code : 'the read hangs'
    if (!this.#hasFailed && cause !== 'ENOENT') {
      onProblem(drbdProblem(null, 'unreadable', 'Resync progress is not known, /proc/drbd cannot be read', cause))
    }
    this.#hasFailed = true
    return null
  }
}
