import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { PoolPort } from '../updater/pool-port.ts'
import type { EmbeddedPool } from './embedded-pool.ts'

/** Changes of these classes may change a verdict. Tasks do not: the operations of a host are in its own record. */
const WATCHED_CLASSES: ReadonlySet<string> = new Set(['pool', 'host', 'host_metrics', 'SR', 'PBD'])

/**
 * The updater's port to an embedded pool. It reads the pool itself, so a reading is always fresh, and it writes within the call, so
 * that a client that sees the answer to its call also sees the field computed.
 */
export function embeddedPoolPort(pool: EmbeddedPool, pollReport: PoolPort['pollReport']): PoolPort {
  /** The last published value of each host, by ref. */
  const published = new Map<string, readonly HostOperation[]>()
  let isWriting = false
  const write = (act: () => void) => {
    isWriting = true
    try {
      act()
    } finally {
      isWriting = false
    }
  }
  return {
    read: () => ({ pool: pool.poolSnapshot(), freshUntilMs: Number.POSITIVE_INFINITY }),
    coordinator: () => pool.get('pool', pool.ref)?.master ?? '',
    subscribe: changed =>
      pool.subscribe(({ cls, isTouch }) => {
        if (!isWriting && WATCHED_CLASSES.has(cls) && isTouch !== true) changed()
      }),
    publish: ({ allowed }) => {
      for (const host of published.keys()) if (!allowed.has(host)) published.delete(host)
      for (const [host, operations] of allowed) {
        if (published.get(host) === operations) continue
        write(() => pool.setAllowedOperations(host, operations))
        published.set(host, operations)
      }
      return undefined
    },
    keepPeers: (pbd, peers) => {
      write(() => pool.keepPeers(pbd, peers))
      return undefined
    },
    pollReport,
  }
}
