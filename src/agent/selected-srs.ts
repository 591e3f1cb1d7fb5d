import type { SyncEvents } from '../agent-api/sync-events.ts'
import type { SrSelection } from '../host-state/sr-selection.ts'
import type { BackendName } from '../sync-query/backend-name.ts'
import type { SrWatch } from '../volume-plugin/sr-configuration.ts'
import type { HostMonitor } from './host-monitor.ts'
import type { ToolstackLink } from './pool/toolstack-link.ts'
import type { HostBackend } from './sources/backend-follower.ts'

export interface SelectedSrsOptions {
  readonly monitor: HostMonitor
  readonly backends: readonly HostBackend[]
  readonly events: SyncEvents
  readonly toolstack: ToolstackLink
}

/** The SRs of this host: those of the configuration file, and those that the toolstack has attached through the volume plugin. */
export class SelectedSrs {
  readonly #options: SelectedSrsOptions
  #configured: readonly SrSelection[] = []
  #attached: readonly SrWatch[] = []

  constructor(options: SelectedSrsOptions) {
    this.#options = options
  }

  /** Sets the SRs of the configuration file. */
  configure(configured: readonly SrSelection[]): void {
    const before = this.#all()
    this.#configured = configured
    this.#select(before)
  }

  /** Sets the attached SRs. */
  attach(attached: readonly SrWatch[]): void {
    const before = this.#all()
    this.#attached = attached
    this.#select(before)
  }

  #all(): readonly SrSelection[] {
    return selectionsOf(this.#configured, this.#attached)
  }

  #select(before: readonly SrSelection[]): void {
    const { monitor, backends, events, toolstack } = this.#options
    const srs = this.#all()
    monitor.select(srs)
    const uuids = monitor.srs()
    toolstack.retain(uuids)
    events.watch(uuids, sr => monitor.report(sr))
    for (const backend of backends) {
      const { name, hasPeers } = backend
      if (hasPeers && ignoredPeers(before, name) !== ignoredPeers(srs, name)) backend.restart()
    }
  }
}

/** The configured and the attached SRs. The configuration of an SR that is both comes from the file. */
function selectionsOf(configured: readonly SrSelection[], attached: readonly SrWatch[]): readonly SrSelection[] {
  const more = attached.flatMap(({ sameAs, ...watch }): SrSelection[] => {
    const { uuid, allowEmpty } = watch
    if (configured.some(sr => sr.uuid === uuid)) return []
    if (sameAs === null) return [watch]
    // If the other SR is not configured here, nothing is known of this one: an empty selection would count as nothing to sync.
    return configured.flatMap(sr =>
      sr.uuid === sameAs ? [{ ...sr, uuid, allowEmpty: sr.allowEmpty === true || allowEmpty }] : [],
    )
  })
  return [...configured, ...more]
}

/**
 * Identifies which peers are ignored in which mirrors of a backend. Mirrors are judged without the ignored peers, so all must be read
 * again when this changes. A peer is ignored only if every SR of the mirror ignores it, so the patterns of all SRs matter.
 */
export function ignoredPeers(srs: readonly SrSelection[], backend: BackendName): string {
  if (srs.every(({ ignorePeers }) => ignorePeers.length === 0)) return ''
  return JSON.stringify(srs.map(sr => [sr.uuid, sr[backend], sr.ignorePeers]))
}
