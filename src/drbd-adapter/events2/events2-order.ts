import type { Events2Change } from './events2-line.ts'

/** So many lines are kept while a notification is missing; with more of them nothing is claimed about their order. */
const MAX_KEPT = 1024

const NO_LINES: readonly Events2Change[] = []

/**
 * The order of notifications as drbdsetup before 9.28 tells it by `- skipped N`. Two notifications about one object that
 * came in the wrong order leave the older words in place of the newer ones.
 */
export class Events2Order {
  /** Resources of which a line came after a newer one about the same object. */
  readonly disordered = new Set<string>()
  #skipped = 0
  #isLate = false
  /** Lines that came before an older one; `null` while none is missing. */
  #early: Events2Change[] | null = null

  /** Lines must be noted: one of them may overwrite a newer one. */
  get hasGap(): boolean {
    return this.#early !== null
  }

  /** The numbers do not add up: some notification never came. */
  get hasLost(): boolean {
    return this.#skipped !== 0
  }

  skip(count: number): void {
    this.#skipped += count
    this.#isLate = count < 0
    if (this.#skipped === 0 && !this.#isLate) this.#early = null
    else this.#early ??= []
  }

  /** Takes account of a line; needed only while there is a gap. */
  note(line: Events2Change): void {
    const early = this.#early ?? NO_LINES
    if (!this.#isLate) {
      if (this.#early !== null && early.length < MAX_KEPT) this.#early.push(line)
    } else if (early.length >= MAX_KEPT || early.some(each => isOverwritten(each, line)))
      this.disordered.add(line.resource)
  }

  /** Everything was read again. */
  reset(): void {
    this.#skipped = 0
    this.#isLate = false
    this.#early = null
    this.disordered.clear()
  }
}

/** The older line `late` has put its words in place of those of `early`. */
function isOverwritten(early: Events2Change, late: Events2Change): boolean {
  if (early.resource !== late.resource || !decides(early) || !decides(late)) return false
  if (early.verb !== 'change' || late.verb !== 'change') return true
  return early.object === late.object && early.peerNodeId === late.peerNodeId && early.volume === late.volume
}

function decides(line: Events2Change): boolean {
  if (line.object === 'helper' || line.object === 'path') return false
  return line.verb !== 'change' || line.saysState()
}
