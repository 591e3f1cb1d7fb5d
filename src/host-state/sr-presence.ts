import { BACKEND_NAMES, BACKEND_TITLES, type BackendName, forEachBackend } from '../sync-query/backend-name.ts'
import { type Reason, reason } from '../sync-query/reason/reason.ts'
import type { BackendView } from './backend-view.ts'
import {
  type HeldByBackend,
  type HeldMirrors,
  MAX_HELD_NAMES,
  type MemoryChange,
  type Remembered,
} from './host-changes.ts'
import type { Places } from './places.ts'
import type { WatchedSr } from './watched-sr.ts'

export interface SrPresenceOptions {
  readonly places: Pick<Places, 'of' | 'unwatched'>
  readonly views: Readonly<Record<BackendName, BackendView>>
  /** The host's name, for sentences. */
  readonly hostname: string
}

const NONE: HeldMirrors = { count: 0, names: [] }
const NONE_HELD: HeldByBackend = forEachBackend(() => NONE)
const NOTHING: Remembered = { kind: 'nothing' }
const MAX_NAMED = 5
/** The remembered count is for operators and need not be exact, and each change is a write to the disk. */
const RECOUNT_AFTER_MS = 10 * 60_000

/**
 * Whether an SR has mirrors on this host, and whether it had some before. An SR without mirrors must not count as in sync: a
 * mistyped pattern matches nothing, and neither does a correct one after a boot that lost the configuration.
 */
export class SrPresence {
  readonly #options: SrPresenceOptions
  readonly #recountedAt = new WeakMap<WatchedSr, number>()
  /** By UUID of the SR. */
  readonly #remembered = new Map<string, Remembered>()

  constructor(options: SrPresenceOptions) {
    this.#options = options
  }

  /** Sets what is remembered of an SR. */
  remember(sr: string, remembered: Remembered): void {
    this.#remembered.set(sr, remembered)
  }

  /** The SR is no longer watched. */
  forget(sr: string): void {
    this.#remembered.delete(sr)
  }

  /** Why an SR is not in sync although none of its mirrors says so; `null`: it may be in sync. Only for backends without doubt. */
  absence(sr: WatchedSr): Reason | null {
    // Every event calls this for every SR, so it must cost next to nothing where nothing is missing.
    if (!mayLackMirrors(sr)) return null
    const chosen = BACKEND_NAMES.filter(backend => sr.selection[backend].length > 0)
    const empty = chosen.filter(backend => sr.holdings[backend].all === 0)
    const remembered = this.#remembered.get(sr.uuid) ?? NOTHING
    const { hostname } = this.#options
    if (remembered.kind === 'unreadable') return reason('mirrors-gone', '*', { word: `${hostname}: ${remembered.why}` })
    if (remembered.kind === 'held') {
      const gone = empty.filter(each => remembered.held[each].count > 0 && !sr.holdings[each].emptiedByKernel)
      const had = gone.map(backend => `${BACKEND_TITLES[backend]} ${someOf(remembered.held[backend])}`).join(', ')
      if (gone.length > 0) return reason('mirrors-gone', '*', { word: `${hostname} had ${had}` })
    }
    const isEmpty = empty.length === chosen.length
    return isEmpty && sr.selection.allowEmpty !== true ? this.#nothingMatches(sr, chosen) : null
  }

  /** Updates what is remembered. Call it about once a second. @returns what has changed */
  tick(srs: Iterable<WatchedSr>, now: number): MemoryChange[] {
    return Array.from(srs, sr => this.#update(sr, now)).filter(change => change !== null)
  }

  #update(sr: WatchedSr, now: number): MemoryChange | null {
    const { views } = this.#options
    const { uuid, holdings } = sr
    const remembered = this.#remembered.get(uuid) ?? NOTHING
    if (remembered.kind === 'unreadable' && mayLackMirrors(sr)) return null
    const before = remembered.kind === 'held' ? remembered.held : NONE_HELD
    const isRecount = now - (this.#recountedAt.get(sr) ?? Number.NEGATIVE_INFINITY) >= RECOUNT_AFTER_MS
    let hasChanged = remembered.kind === 'unreadable'
    const next = { ...before }
    for (const backend of BACKEND_NAMES) {
      const { all, shown, emptiedByKernel } = holdings[backend]
      const { count } = before[backend]
      // Removed from the kernel and from the configuration while this daemon ran: that is intended.
      const isReleased = all === 0 && emptiedByKernel && views[backend].doubt === null
      const isUnchosen = sr.selection[backend].length === 0
      if (count > 0 && (isReleased || isUnchosen)) next[backend] = NONE
      else if (shown > 0 && (count === 0 || (isRecount && shown !== count)))
        next[backend] = this.#held(sr, backend, shown)
      else continue
      hasChanged = true
    }
    if (!hasChanged) return null
    this.#recountedAt.set(sr, now)
    const held = BACKEND_NAMES.some(backend => next[backend].count > 0) ? next : null
    this.#remembered.set(uuid, held === null ? NOTHING : { kind: 'held', held })
    return { sr: uuid, held }
  }

  #held(sr: WatchedSr, backend: BackendName, count: number): HeldMirrors {
    const names: string[] = []
    for (const { mirror } of this.#options.places.of(sr, backend)) {
      names.push(mirror)
      if (names.length === MAX_HELD_NAMES) break
    }
    return { count, names }
  }

  #nothingMatches(sr: WatchedSr, chosen: readonly BackendName[]): Reason {
    const { hostname, places } = this.#options
    const patterns = chosen.map(backend => `${backend} ${listed(sr.selection[backend])}`).join('; ')
    const unwatched = places.unwatched()
    const others = BACKEND_NAMES.filter(backend => unwatched[backend].length > 0)
    const left = others.map(backend => `${BACKEND_TITLES[backend]} ${listed(unwatched[backend])}`).join(', ')
    const word = `${hostname}: ${patterns === '' ? 'the SR has no patterns' : patterns}`
    return reason('no-mirrors', '*', left === '' ? { word } : { word, waitsFor: left })
  }
}

/** The SR selects mirrors of a backend and has none of them, or it selects none at all. */
export function mayLackMirrors({ selection, holdings }: WatchedSr): boolean {
  let choosesAny = false
  for (const backend of BACKEND_NAMES) {
    if (selection[backend].length === 0) continue
    if (holdings[backend].all === 0) return true
    choosesAny = true
  }
  return !choosesAny
}

function someOf({ count, names }: HeldMirrors): string {
  return listed(names, count)
}

/** The first names, and how many more there are. */
function listed(names: readonly string[], count: number = names.length): string {
  const first = names.slice(0, MAX_NAMED).map(name => (name.length > 40 ? `${name.slice(0, 39)}…` : name))
  const more = count - first.length
  return more > 0 ? `${first.join(' ')} and ${more} more` : first.join(' ')
}
