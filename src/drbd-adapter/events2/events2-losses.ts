import type { Events2Change } from './events2-line.ts'

/** Records what is missing from a stream: lines of known resources, lines of unknown resources, and lines out of order. */
export class Events2Losses {
  readonly order = new Events2Order()
  readonly #resources = new Set<string>()
  #all = false
  #isRereadRequested = false
  #count = 0

  /** A lost line may belong to any resource, and nothing rereads the state. */
  get all(): boolean {
    return this.#all
  }

  get any(): boolean {
    return this.#all || this.#resources.size > 0
  }

  /** Rises with each loss. A reread compares it before and after to find losses meanwhile. */
  get count(): number {
    return this.#count
  }

  get resources(): ReadonlySet<string> {
    return this.#resources
  }

  has(resource: string): boolean {
    return this.#all || this.#resources.has(resource)
  }

  /** @returns true if this is the first loss of the resource */
  add(resource: string): boolean {
    this.requestReread()
    const isNew = !this.#resources.has(resource)
    this.#resources.add(resource)
    return isNew
  }

  /** @returns true if this is the first such loss */
  addAll(): boolean {
    this.requestReread()
    const isNew = !this.#all
    this.#all = true
    return isNew
  }

  /** Records a possible loss that a reread will show. */
  requestReread(): void {
    this.#count += 1
    this.#isRereadRequested = true
  }

  /** True if a loss since the last call needs a reread. */
  takeRereadRequest(): boolean {
    const isRequested = this.#isRereadRequested
    this.#isRereadRequested = false
    return isRequested
  }

  /** The resource was removed, or a reread confirmed its state. */
  settle(resource: string): void {
    this.#resources.delete(resource)
  }

  /** A dump begins, which contains everything. */
  clear(): void {
    this.#resources.clear()
    this.#all = false
    this.#isRereadRequested = false
    this.order.clear()
  }
}

/** Maximum number of lines to remember while a notification is missing. With more of them every later line counts as out of order. */
const MAX_REMEMBERED = 1024

const NO_LINES: readonly Events2Change[] = []

/**
 * Tracks the order of notifications by the `- skipped N` lines of drbdsetup before 9.28. If two notifications about one object arrive
 * in the wrong order, the older words overwrite the newer ones.
 */
class Events2Order {
  /** Resources with a line that came after a newer line about the same object. */
  readonly disordered = new Set<string>()
  #skipped = 0
  #isLate = false
  /** Lines that came before an older one; `null` while none is missing. */
  #early: Events2Change[] | null = null

  /** True while lines must be noted, because a late one can overwrite a newer one. */
  get hasGap(): boolean {
    return this.#early !== null
  }

  /** The numbers do not add up to 0: a notification never came. */
  get hasLost(): boolean {
    return this.#skipped !== 0
  }

  skip(count: number): void {
    this.#skipped += count
    this.#isLate = count < 0
    if (this.#skipped === 0 && !this.#isLate) this.#early = null
    else this.#early ??= []
  }

  /** Notes a line. Needed only while there is a gap. */
  note(line: Events2Change): void {
    const early = this.#early ?? NO_LINES
    if (!this.#isLate) {
      if (this.#early !== null && early.length < MAX_REMEMBERED) this.#early.push(line)
    } else if (early.length >= MAX_REMEMBERED || early.some(each => isOverwritten(each, line)))
      this.disordered.add(line.resource)
  }

  /** Everything has been read again. */
  clear(): void {
    this.#skipped = 0
    this.#isLate = false
    this.#early = null
    this.disordered.clear()
  }
}

/** The older line `late` overwrote the words of `early`. */
function isOverwritten(early: Events2Change, late: Events2Change): boolean {
  if (early.resource !== late.resource || !decides(early) || !decides(late)) return false
  if (early.verb !== 'change' || late.verb !== 'change') return true
  return early.object === late.object && early.peerNodeId === late.peerNodeId && early.volume === late.volume
}

function decides(line: Events2Change): boolean {
  if (line.object === 'helper' || line.object === 'path') return false
  return line.verb !== 'change' || line.hasState()
}
