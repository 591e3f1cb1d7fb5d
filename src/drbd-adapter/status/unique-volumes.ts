import type { DrbdDoubt } from '../../sync-query/judge/drbd.ts'
import type { ProblemList } from '../problem-list.ts'
import type { VolumeDraft } from './snapshot.ts'

/**
 * Collects the volumes of one text and doubts duplicates. The kernel gives each name and each minor to one volume, so if a text has
 * one of them twice it is unknown which volume is right.
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

  /** @param place a line or a path in the text */
  add(volume: VolumeDraft, place: string): void {
    const { mirror } = volume
    const known = this.#volumes.get(mirror)
    if (known === undefined) {
      this.#volumes.set(mirror, volume)
      return
    }
    this.#problems.add(mirror, 'contradiction', place, 'The volume occurs twice', mirror)
    doubtOnce(known, { code: 'contradiction', field: 'volume', word: mirror })
  }

  addMinor(minor: string, volume: VolumeDraft, place: string): void {
    const known = this.#byMinor.get(minor)
    if (known === undefined) {
      this.#byMinor.set(minor, volume)
      return
    }
    this.#problems.add(volume.mirror, 'contradiction', place, `The minor belongs to ${known.mirror}`, minor)
    for (const each of [known, volume]) doubtOnce(each, { code: 'contradiction', field: 'minor', word: minor })
  }
}

/** Maximum number of doubts of one volume; one is enough to make it unknown. */
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
