import { Events2Order } from './events2-order.ts'

/** What was lost of a stream: lines of known resources, lines that may have been of any, and lines out of order. */
export class Events2Losses {
  readonly #order = new Events2Order()
  readonly #resources = new Set<string>()
  #all = false
  #wantsReread = false
  #count = 0

  /** A line was lost that may have been of any resource, and nobody reads everything again. */
  get all(): boolean {
    return this.#all
  }

  get any(): boolean {
    return this.#all || this.#resources.size > 0
  }

  /** Rises with each loss: who reads everything again knows by it whether a line was lost meanwhile. */
  get count(): number {
    return this.#count
  }

  get order(): Events2Order {
    return this.#order
  }

  get resources(): ReadonlySet<string> {
    return this.#resources
  }

  has(resource: string): boolean {
    return this.#all || this.#resources.has(resource)
  }

  /** @returns whether that was not known */
  lose(resource: string): boolean {
    this.#wish()
    const isNews = !this.#resources.has(resource)
    this.#resources.add(resource)
    return isNews
  }

  /** @returns whether that was not known */
  loseAll(): boolean {
    this.#wish()
    const isNews = !this.#all
    this.#all = true
    return isNews
  }

  /** Something may have been lost that reading everything again will show. */
  suspect(): void {
    this.#wish()
  }

  /** Whether everything must be read again for what was lost since the last call. */
  takeWish(): boolean {
    const wants = this.#wantsReread
    this.#wantsReread = false
    return wants
  }

  /** The resource is gone, or was found to be as it is known. */
  settle(resource: string): void {
    this.#resources.delete(resource)
  }

  /** A dump begins, which says everything anew. */
  clear(): void {
    this.#resources.clear()
    this.#all = false
    this.#wantsReread = false
    this.#order.reset()
  }

  #wish(): void {
    this.#count += 1
    this.#wantsReread = true
  }
}
