import type { DrbdDoubt } from '../../sync-query/judge/drbd.ts'
import type { ProblemList } from '../problem-list.ts'
import type { VolumeDraft } from './snapshot.ts'

/**
 * The volumes of one text, each name once. A kernel gives each name and each minor to one volume: where one is there twice
 * it cannot be known which of the two is right, so both are doubted.
 */
export class UniqueVolumes {
  readonly #problems: ProblemList
  readonly #volumes = new Map<string, VolumeDraft>()
  readonly #byMinor = new Map<string, VolumeDraft>()

  constructor(problems: ProblemList) {
    this.#problems = problems
  }

  get volumes(): VolumeDraft[] {
    return [...this.#volumes.values()]
  }

  /** @param place where it is: a line or a path */
  add(volume: VolumeDraft, place: string): void {
    const { mirror } = volume
    const known = this.#volumes.get(mirror)
    if (known === undefined) {
      this.#volumes.set(mirror, volume)
      return
    }
    this.#problems.add(mirror, 'contradiction', place, 'A volume that was there before', mirror)
    doubtOnce(known, { code: 'contradiction', field: 'volume', word: mirror })
  }

  addMinor(minor: string, volume: VolumeDraft, place: string): void {
    const known = this.#byMinor.get(minor)
    if (known === undefined) {
      this.#byMinor.set(minor, volume)
      return
    }
    this.#problems.add(volume.mirror, 'contradiction', place, `The minor of ${known.mirror}`, minor)
    for (const each of [known, volume]) doubtOnce(each, { code: 'contradiction', field: 'minor', word: minor })
  }
}

/** So many doubts of one volume are told; one is enough to make it unknown. */
const MAX_DOUBTS = 16

export function doubtOnce(volume: VolumeDraft, doubt: DrbdDoubt): void {
  const { doubts } = volume
  if (doubts.length >= MAX_DOUBTS) return
  const isKnown = doubts.some(
    ({ code, field, word, peer }) =>
      code === doubt.code && field === doubt.field && word === doubt.word && peer === doubt.peer,
  )
  if (!isKnown) doubts.push(doubt)
}
