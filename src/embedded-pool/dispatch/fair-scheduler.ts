import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'

/** One caller of the scheduler. Lanes take turns; each has its own queue. */
export interface Lane {
  readonly key: string
  /** Its work precedes that of all other lanes, which get at least every ninth turn. */
  readonly isFirst: boolean
}

export interface FairSchedulerOptions {
  /** Its steady time has fractions of a millisecond: the cost of work is measured. */
  readonly clock: Pick<Clock, 'steadyNow'>
  /** Pieces of work of one lane that may wait; a further one gets TOO_BUSY. */
  readonly maxWaitingOfALane: number
}

/** How long work runs before the sockets are read again. */
const SLICE_MS = 10

/** After so many consecutive pieces of work of first lanes, a waiting lane of the others gets a turn. */
const MAX_FIRST_IN_A_ROW = 8

interface Queue {
  readonly lane: Lane
  readonly waiting: (() => void)[]
  /** Virtual finish time of the last piece of work of the lane. */
  finishMs: number
}

/**
 * Shares the one thread of this process among its callers: start-time fair queuing by measured time (Goyal, Vin, Cheng 1996). A
 * lane with many calls waits for its own work only; another lane waits for at most one piece of that work.
 *
 * While nothing waits, work runs immediately. Work beyond one slice waits until the sockets have been read.
 *
 * A piece of work is the code after `await take(...)` up to the next wait for something outside this process.
 */
export class FairScheduler {
  readonly #options: FairSchedulerOptions
  /** Lanes that have work, or that recently had more than their share. */
  readonly #queues = new Map<string, Queue>()
  /** The virtual time: of the first lanes, and of the others. */
  readonly #virtualMs = { first: 0, other: 0 }
  #waiting = 0
  #firstInARow = 0
  #isRunning = false
  #isArmed = false
  /** End of the slice in this turn of the event loop; `null` if no work has run in it. */
  #untilMs: number | null = null

  constructor(options: FairSchedulerOptions) {
    this.#options = options
  }

  /** Resolves when the lane has its turn. @throws ApiFailure TOO_BUSY */
  async take(lane: Lane): Promise<void> {
    if ((this.#queues.get(lane.key)?.waiting.length ?? 0) >= this.#options.maxWaitingOfALane) {
      throw new ApiFailure('TOO_BUSY')
    }
    await this.takeAgain(lane)
  }

  /** As `take`, for work that was accepted before: it is never refused. */
  takeAgain(lane: Lane): Promise<void> {
    let queue = this.#queues.get(lane.key)
    if (queue === undefined) {
      queue = { lane, waiting: [], finishMs: this.#virtualMs[rankOf(lane)] }
      this.#queues.set(lane.key, queue)
    }
    const { waiting } = queue
    const turn = new Promise<void>(resolve => waiting.push(resolve))
    this.#waiting += 1
    this.#run()
    return turn
  }

  /** @param afterSockets the sockets have been read in this turn of the event loop */
  #run(afterSockets = false): void {
    if (this.#isRunning || this.#waiting === 0) return
    const nowMs = this.#options.clock.steadyNow()
    this.#untilMs ??= nowMs + SLICE_MS
    if (nowMs >= this.#untilMs) return
    this.#isRunning = true
    this.#work(this.#untilMs, afterSockets)
  }

  #work(untilMs: number, afterSockets: boolean): void {
    const queue = this.#next()
    const grant = queue?.waiting.shift()
    if (queue === undefined || grant === undefined) return
    this.#waiting -= 1
    const beganMs = this.#options.clock.steadyNow()
    const rank = rankOf(queue.lane)
    this.#firstInARow = rank === 'first' ? this.#firstInARow + 1 : 0
    const startMs = Math.max(this.#virtualMs[rank], queue.finishMs)
    this.#virtualMs[rank] = startMs
    grant()
    // Runs after everything that follows from the grant without a wait: Node drains its microtasks before the next tick.
    queueMicrotask(() =>
      process.nextTick(() => {
        const nowMs = this.#options.clock.steadyNow()
        queue.finishMs = startMs + Math.max(nowMs - beganMs, 0)
        if (this.#waiting > 0 && nowMs < untilMs) return this.#work(untilMs, afterSockets)
        this.#isRunning = false
        this.#forgetIdle()
        // Work that is read next waits, so that the gate first computes what this work has changed: setImmediate keeps its order.
        if (afterSockets) this.#untilMs = Number.NEGATIVE_INFINITY
        this.#arm()
        this.#run()
      }),
    )
  }

  /** Starts another slice after the sockets have been read. */
  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    setImmediate(() => {
      this.#isArmed = false
      this.#untilMs = null
      this.#run(true)
    })
  }

  /** The lane with the least service: among the first lanes, else among the others. */
  #next(): Queue | undefined {
    const best: { first?: Queue; other?: Queue } = {}
    for (const queue of this.#queues.values()) {
      const rank = rankOf(queue.lane)
      if (queue.waiting.length > 0 && queue.finishMs < (best[rank]?.finishMs ?? Number.POSITIVE_INFINITY)) {
        best[rank] = queue
      }
    }
    const { first, other } = best
    return this.#firstInARow < MAX_FIRST_IN_A_ROW ? (first ?? other) : (other ?? first)
  }

  /** Removes idle lanes whose share is paid off: they equal lanes that never had work. */
  #forgetIdle(): void {
    for (const [key, { lane, waiting, finishMs }] of this.#queues) {
      const isPaidOff = this.#waiting === 0 || finishMs <= this.#virtualMs[rankOf(lane)]
      if (waiting.length === 0 && isPaidOff) this.#queues.delete(key)
    }
  }
}

function rankOf({ isFirst }: Lane): 'first' | 'other' {
  return isFirst ? 'first' : 'other'
}
