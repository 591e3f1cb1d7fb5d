/** Which mirrors make up one SR on this host. */
export interface SrSelection {
  readonly uuid: string
  /** DRBD resources by name; `*` stands for any run of characters. */
  readonly drbd: readonly string[]
  /** Peers that are no part of the SR's redundancy (an asynchronous disaster-recovery copy): not counted. */
  readonly ignorePeers: readonly string[]
}

/** Tells of a mirror to which SRs it belongs. A mirror may be in several: a sentinel SR watches the mirrors of others. */
export class SrSelector {
  readonly #rules: readonly { readonly uuid: string; readonly resource: RegExp }[]

  constructor(selections: readonly SrSelection[]) {
    this.#rules = selections.flatMap(({ uuid, drbd }) => drbd.map(pattern => ({ uuid, resource: wildcard(pattern) })))
  }

  /** @param mirror `resource/volume` */
  srsOf(mirror: string): string[] {
    const resource = mirror.slice(0, mirror.lastIndexOf('/'))
    return [...new Set(this.#rules.filter(rule => rule.resource.test(resource)).map(rule => rule.uuid))]
  }
}

function wildcard(pattern: string): RegExp {
  const literal = pattern.split('*').map(part => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${literal.join('.*')}$`)
}
