import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'

/** Whose work it is. Lanes take turns; each has its own queue. */
export interface Lane {
  readonly key: string
  /** Its work is done before that of all other lanes, which have at least every ninth turn. */
  readonly isFirst: boolean
}

export interface FairSchedulerOptions {
  /** Its steady time has fractions of a millisecond: the cost of work is measured. */
  readonly clock: Pick<Clock, 'steadyNow'>
  /** Pieces of work that one lane may have waiting; one more gets TOO_BUSY. */
  readonly maxWaitingOfALane: number
}

/** How long work goes on before the sockets are read again. */
const SLICE_MS = 10

/** After so many pieces of work of first lanes in a row another lane has its turn, if one waits. */
const MAX_FIRST_IN_A_ROW = 8

interface Queue {
  readonly lane: Lane
  readonly waiting: (() => void)[]
  /** When the lane's last piece of work ends, in the time that it would have if all lanes ran at once. */
  finishMs: number
}

/**
 * Shares this process's one thread among those who call it: start-time fair queuing by measured time (Goyal, Vin, Cheng 1996). A
 * lane that asks for much waits for its own work only; another lane waits for one piece of that at most.
 *
 * While nothing waits, work is done at once. What is more than a slice waits until the sockets have been read.
 *
 * A piece of work is what follows `await take(...)` up to the next wait for something outside this process.
 */
export class FairScheduler {
  readonly #options: FairSchedulerOptions
  /** Lanes that have work, or have had more than their share of late. */
  readonly #queues = new Map<string, Queue>()
  /** Where fair sharing stands: among the first lanes, and among the others. */
  readonly #virtualMs = { first: 0, other: 0 }
  #waiting = 0
  #firstInARow = 0
  #isRunning = false
  #isArmed = false
  /** Until when work goes on in this turn of the event loop; `null`: none was done. */
  #untilMs: number | null = null

  constructor(options: FairSchedulerOptions) {
    this.#options = options
  }

  /** Resolves when it is the lane's turn. @throws ApiFailure TOO_BUSY */
  async take(lane: Lane): Promise<void> {
    if ((this.#queues.get(lane.key)?.waiting.length ?? 0) >= this.#options.maxWaitingOfALane) {
      throw new ApiFailure('TOO_BUSY')
    }
    await this.takeAgain(lane)
  }

  /** The same for work that was accepted before: it is never refused. */
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
    // called when all that follows from the grant without waiting is done: Node drains its microtasks between the two
    queueMicrotask(() =>
      process.nextTick(() => {
        const nowMs = this.#options.clock.steadyNow()
        queue.finishMs = startMs + Math.max(nowMs - beganMs, 0)
        if (this.#waiting > 0 && nowMs < untilMs) return this.#work(untilMs, afterSockets)
        this.#isRunning = false
        this.#forgetIdle()
        // what is read next waits: the gate computes first what the work has changed, as setImmediate keeps its order
        if (afterSockets) this.#untilMs = Number.NEGATIVE_INFINITY
        this.#arm()
        this.#run()
      }),
    )
  }

  /** After the sockets have been read, there is time for another slice. */
  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    setImmediate(() => {
      this.#isArmed = false
      this.#untilMs = null
      this.#run(true)
    })
  }

  /** Of the first lanes the one that has had least, else of the others. */
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

  /** An idle lane whose share is paid off is like one that was never there. */
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
