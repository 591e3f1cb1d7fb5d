import { type Held, type HeldMirrors, MAX_HELD_NAMES, type SrMemory } from '../agent/mirror-memory.ts'
import { type Reason, reason } from '../sync-query/reason/reason.ts'
import { BACKENDS, type Backend, type BackendView } from './backend-view.ts'
import type { Places } from './places.ts'
import type { WatchedSr } from './watched-sr.ts'

export interface SrPresenceOptions {
  readonly places: Pick<Places, 'of' | 'unwatched'>
  readonly views: Readonly<Record<Backend, BackendView>>
  readonly memory: SrMemory
  /** The host's name, for people. */
  readonly hostname: string
}

const NONE: HeldMirrors = { count: 0, names: [] }
const NONE_HELD: Held = { drbd: NONE, md: NONE }
const MAX_NAMED = 5
/** How many mirrors an SR had is for people: it need not be exact, and each write is one to the disk. */
const RECOUNT_AFTER_MS = 10 * 60_000

/**
 * Whether an SR has any mirrors on this host, and had some before. That nothing is out of sync must not read as in sync where
 * nothing is there: a mistyped pattern matches nothing, and neither does a right one after a boot that lost the configuration.
 */
export class SrPresence {
  readonly #options: SrPresenceOptions
  readonly #recountedAt = new WeakMap<WatchedSr, number>()

  constructor(options: SrPresenceOptions) {
    this.#options = options
  }

  /** Why an SR cannot be in sync although none of its mirrors says so; `null`: it can. For a time when no backend is in doubt. */
  absence(sr: WatchedSr): Reason | null {
    // Each event asks this of each SR: where nothing is missing it must cost next to nothing.
    if (!mayBeAbsent(sr)) return null
    const chosen = BACKENDS.filter(backend => sr.selection[backend].length > 0)
    const empty = chosen.filter(backend => sr.holdings[backend].all === 0)
    const remembered = this.#options.memory.of(sr.uuid)
    const { hostname } = this.#options
    if (remembered.kind === 'unreadable') return reason('mirrors-gone', '*', { word: `${hostname}: ${remembered.why}` })
    if (remembered.kind === 'held') {
      const gone = empty.filter(each => remembered.held[each].count > 0 && !sr.holdings[each].emptiedByKernel)
      const had = gone.map(backend => `${NOUNS[backend]} ${someOf(remembered.held[backend])}`).join(', ')
      if (gone.length > 0) return reason('mirrors-gone', '*', { word: `${hostname} had ${had}` })
    }
    const isEmpty = empty.length === chosen.length
    return isEmpty && sr.selection.allowEmpty !== true ? this.#nothingMatches(sr, chosen) : null
  }

  /** Remembers what SRs have. To be called about once a second. */
  tick(srs: Iterable<WatchedSr>, now: number): void {
    for (const sr of srs) this.#remember(sr, now)
  }

  #remember(sr: WatchedSr, now: number): void {
    const { memory, views } = this.#options
    const { uuid, holdings } = sr
    const isShort = mayBeAbsent(sr)
    if (isShort) memory.reread(uuid)
    const remembered = memory.of(uuid)
    if (remembered.kind === 'unreadable' && isShort) return
    const before = remembered.kind === 'held' ? remembered.held : NONE_HELD
    const isRecount = now - (this.#recountedAt.get(sr) ?? Number.NEGATIVE_INFINITY) >= RECOUNT_AFTER_MS
    let isNews = remembered.kind === 'unreadable'
    const next = { ...before }
    for (const backend of BACKENDS) {
      const { all, shown, emptiedByKernel } = holdings[backend]
      const { count } = before[backend]
      // Taken out of the kernel and the configuration while this daemon watched: that is how it is meant to be.
      const isReleased = all === 0 && emptiedByKernel && views[backend].doubt === null
      const isUnchosen = sr.selection[backend].length === 0
      if (count > 0 && (isReleased || isUnchosen)) next[backend] = NONE
      else if (shown > 0 && (count === 0 || (isRecount && shown !== count)))
        next[backend] = this.#held(sr, backend, shown)
      else continue
      isNews = true
    }
    if (!isNews) return
    this.#recountedAt.set(sr, now)
    if (next.drbd.count + next.md.count > 0) memory.keep(uuid, next)
    else memory.forget(uuid)
  }

  #held(sr: WatchedSr, backend: Backend, count: number): HeldMirrors {
    const names: string[] = []
    for (const { mirror } of this.#options.places.of(sr, backend)) {
      names.push(mirror)
      if (names.length === MAX_HELD_NAMES) break
    }
    return { count, names }
  }

  #nothingMatches(sr: WatchedSr, chosen: readonly Backend[]): Reason {
    const { hostname, places } = this.#options
    const patterns = chosen.map(backend => `${backend} ${listed(sr.selection[backend])}`).join('; ')
    const unwatched = places.unwatched()
    const others = BACKENDS.filter(backend => unwatched[backend].length > 0)
    const left = others.map(backend => `${NOUNS[backend]} ${listed(unwatched[backend])}`).join(', ')
    const word = `${hostname}: ${patterns === '' ? 'the SR has no patterns' : patterns}`
    return reason('no-mirrors', '*', left === '' ? { word } : { word, waitsFor: left })
  }
}

/** It has no mirror of a backend of which it chooses some, or it chooses none at all. */
function mayBeAbsent({ selection, holdings }: WatchedSr): boolean {
  let choosesAny = false
  for (const backend of BACKENDS) {
    if (selection[backend].length === 0) continue
    if (holdings[backend].all === 0) return true
    choosesAny = true
  }
  return !choosesAny
}

const NOUNS: Readonly<Record<Backend, string>> = { drbd: 'DRBD', md: 'md' }

function someOf({ count, names }: HeldMirrors): string {
  return listed(names, count)
}

/** The first of some names, and how many more there are. */
function listed(names: readonly string[], count: number = names.length): string {
  const first = names.slice(0, MAX_NAMED).map(name => (name.length > 40 ? `${name.slice(0, 39)}…` : name))
  const more = count - first.length
  return more > 0 ? `${first.join(' ')} and ${more} more` : first.join(' ')
}
