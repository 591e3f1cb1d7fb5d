import type { HostChanges } from '../../host-state/host-changes.ts'
import type { Expected, HostState } from '../../host-state/host-state.ts'
import type { SrSelection } from '../../host-state/sr-selection.ts'
import type { Backend, ConfiguredMirrors, MirrorSource } from '../../sync-query/backend.ts'
import type { BackendName } from '../../sync-query/backend-name.ts'

/** The latest readings of one backend, whichever it is. */
export interface AnyReadings {
  readonly name: BackendName
  /** The mirrors that should exist; `undefined`: the configuration has not been read yet, so none can be missed. */
  expected(srs: readonly SrSelection[]): Expected | undefined
  /** The patterns of an SR for this backend, with the kernel's names for the configured mirrors that they select. */
  resolve(sr: SrSelection): readonly string[]
  /** Answers `HostChanges.rejudge`. */
  rejudge(state: HostState, mirrors: readonly string[], now: number): HostChanges
}

/** Keeps the running source of a backend and its last configuration. */
export class BackendReadings<Mirror, Configured extends ConfiguredMirrors> implements AnyReadings {
  readonly #backend: Backend<Mirror, Configured>
  source: MirrorSource<Mirror> | null = null
  configured: Configured | null = null

  constructor(backend: Backend<Mirror, Configured>) {
    this.#backend = backend
  }

  get name(): BackendName {
    return this.#backend.name
  }

  expected(srs: readonly SrSelection[]): Expected | undefined {
    if (this.configured === null) return undefined
    const patterns = srs.flatMap(sr => sr[this.name])
    return { mirrors: this.#backend.expected(this.configured, patterns), doubt: this.configured.doubt }
  }

  resolve(sr: SrSelection): readonly string[] {
    const patterns = sr[this.name]
    return this.configured === null ? patterns : this.#backend.resolve(patterns, this.configured)
  }

  rejudge(state: HostState, mirrors: readonly string[], now: number): HostChanges {
    const readings = mirrors.map(mirror => this.source?.current(mirror) ?? null).filter(reading => reading !== null)
    return state.rejudge(this.#backend, readings, now)
  }
}
