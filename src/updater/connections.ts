import type { PbdSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { type ConnectedHosts, connectedHosts } from '../allowed-operations/rules/sr-members.ts'

/**
 * Which hosts are connected to which SRs. Found anew only when a PBD has come or gone: reports are written into PBDs, so the
 * records change all the time, and what they connect hardly ever.
 */
export class ConnectionCache {
  #pbds: readonly PbdSnapshot[] = []
  #connected: ConnectedHosts = new Map()

  /** The same object as before, if they connect the same. */
  of(pbds: readonly PbdSnapshot[]): ConnectedHosts {
    const isSame = pbds.length === this.#pbds.length && pbds.every((pbd, index) => connectsSame(pbd, this.#pbds[index]))
    this.#pbds = pbds
    if (!isSame) this.#connected = connectedHosts(pbds)
    return this.#connected
  }
}

function connectsSame(pbd: PbdSnapshot, before: PbdSnapshot | undefined): boolean {
  return pbd === before || (pbd.ref === before?.ref && pbd.host === before.host && pbd.sr === before.sr)
}
