import { namePattern } from '../platform/text/name-pattern.ts'
import { BACKEND_NAMES, type BackendName } from '../sync-query/backend-name.ts'

/**
 * The mirrors of one SR on this host: for each backend the patterns that select them. `*` matches any characters. A mirror whose
 * name contains no `*` must exist.
 */
export interface SrSelection extends Readonly<Record<BackendName, readonly string[]>> {
  readonly uuid: string
  /** Peers that are not part of the SR's redundancy, such as an asynchronous disaster-recovery copy. They are not counted. */
  readonly ignorePeers: readonly string[]
  /** The SR may have no mirrors on this host. Default: it may not. */
  readonly allowEmpty?: boolean
}

/** Finds the SRs of a mirror. It may belong to several: a sentinel SR watches the mirrors of others. */
export class SrSelector {
  readonly #rules: readonly { uuid: string; backend: BackendName; matches: (name: string) => boolean }[]

  constructor(selections: readonly SrSelection[]) {
    this.#rules = selections.flatMap(selection =>
      BACKEND_NAMES.flatMap(backend =>
        selection[backend].map(pattern => ({ uuid: selection.uuid, backend, matches: namePattern(pattern) })),
      ),
    )
  }

  /** @param names every name that a pattern may match */
  srsOf(backend: BackendName, names: readonly string[]): string[] {
    const matching = this.#rules.filter(rule => rule.backend === backend && names.some(rule.matches))
    return [...new Set(matching.map(({ uuid }) => uuid))]
  }
}
