import { join } from 'node:path'
import type { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import type { Events2State } from '../events2/events2-state.ts'
import { problem } from '../problem.ts'
import { parseProcDrbd } from '../status/parse-proc-drbd.ts'
import { hasNoPeer, isAlone, isMoving, takeProcFigures } from './figures.ts'

export interface ProcDrbdOptions {
  /** The directory that stands for `/`. */
  readonly root: string
  readonly files: FileReader
  /** How often to read it though no data moves, while a peer is away. Milliseconds. */
  readonly awayEveryMs: number
  /** Called when it begins to hang or to be unreadable. */
  readonly onProblem: (problem: Problem) => void
}

/** Some thousand devices are a MiB. */
const MAX_BYTES = 2 ** 24

/**
 * /proc/drbd of DRBD 8.4: the progress of resyncs, and what is out of sync while a peer is away, which the events omit. States
 * are known without it: while it hangs only its figures are missing.
 */
export class ProcDrbd {
  readonly #options: ProcDrbdOptions
  /** Minors whose word in it was another one than the events' the last time. */
  #doubtful = new Set<string>()
  #readAt = Number.NEGATIVE_INFINITY
  #hasFailed = false

  constructor(options: ProcDrbdOptions) {
    this.#options = options
  }

  /**
   * Puts its figures into `state` where they are wanted.
   *
   * @returns `disagrees`: twice in a row it had another word than the events for some device
   */
  async takeFigures(state: Events2State): Promise<'nothing' | 'taken' | 'disagrees'> {
    const isAway = performance.now() - this.#readAt >= this.#options.awayEveryMs
    const isDue = isAway && state.devices().some(each => isAlone(each) || hasNoPeer(each))
    if (!isDue && !state.devices().some(isMoving)) return 'nothing'
    this.#readAt = performance.now()
    const text = await this.#read()
    if (text === null) return 'nothing'
    const byMinor = new Map(state.devices().map(device => [`drbd${device.minor}`, device]))
    const doubtful = new Set<string>()
    for (const volume of parseProcDrbd(text).volumes) {
      const live = byMinor.get(volume.mirror)
      if (live === undefined) continue
      const outcome = takeProcFigures(live, volume)
      if (outcome === 'disagrees') doubtful.add(volume.mirror)
      // The same figure again is news where data moves: only that proves a stall.
      else if (outcome === 'taken' || isMoving(live)) state.dirty.touch(live)
    }
    const isLasting = !doubtful.isDisjointFrom(this.#doubtful)
    this.#doubtful = doubtful
    return isLasting ? 'disagrees' : 'taken'
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
    const why = result !== undefined && 'code' in result ? result.code : 'it hangs'
    if (!this.#hasFailed && why !== 'ENOENT') {
      onProblem(problem(null, 'unreadable', 'Progress is not known, /proc/drbd cannot be read', why))
    }
    this.#hasFailed = true
    return null
  }
}
