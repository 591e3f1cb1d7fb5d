import { namePattern } from '../platform/text/name-pattern.ts'
import type { Backend } from './backend-view.ts'

/** Which mirrors make up one SR on this host. */
export interface SrSelection {
  readonly uuid: string
  /** DRBD resources by name; `*` stands for any run of characters. One without `*` must be there. */
  readonly drbd: readonly string[]
  /** md arrays by UUID, kernel name or device, with `*` as above. One without `*` must be there. */
  readonly md: readonly string[]
  /** Peers that are no part of the SR's redundancy (an asynchronous disaster-recovery copy): not counted. */
  readonly ignorePeers: readonly string[]
  /** It may have no mirrors on this host. Absent: it may not. */
  readonly allowEmpty?: boolean
}

/** Tells to which SRs a mirror belongs. It may be in several: a sentinel SR watches the mirrors of others. */
export class SrSelector {
  readonly #rules: readonly { uuid: string; backend: Backend; matches: (name: string) => boolean }[]

  constructor(selections: readonly SrSelection[]) {
    this.#rules = selections.flatMap(({ uuid, drbd, md }) => [
      ...drbd.map(pattern => ({ uuid, backend: 'drbd' as const, matches: namePattern(pattern) })),
      ...md.map(pattern => ({ uuid, backend: 'md' as const, matches: namePattern(pattern) })),
    ])
  }

  /** @param names what patterns may call the mirror */
  srsOf(backend: Backend, names: readonly string[]): string[] {
    const matching = this.#rules.filter(rule => rule.backend === backend && names.some(rule.matches))
    return [...new Set(matching.map(({ uuid }) => uuid))]
  }
}

/** The name of the resource of `resource/volume`. */
export function resourceOf(mirror: string): string {
  return mirror.slice(0, mirror.lastIndexOf('/'))
}
