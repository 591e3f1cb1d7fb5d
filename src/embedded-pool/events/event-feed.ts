import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure, handleInvalid } from '../calls/api-failure.ts'
import type { Caller } from '../calls/call.ts'
import type { Database, RecordChange } from '../database/database.ts'
import { type ClassName, PUBLIC_CLASSES } from '../database/records.ts'
import { isUnbounded } from '../sessions/roles.ts'
import { type EventPosition, formatToken, keysOf, parseToken, Subscriptions } from './event-request.ts'

interface EventFromRequest {
  /** The caller. The call ends when its session ends. */
  readonly caller: Caller
  readonly classes: readonly string[]
  readonly token: string
  readonly timeoutSeconds: number
  /** Aborted when the client disconnects. */
  readonly signal: AbortSignal
  /** Resolves when the caller has its next turn: for work after a wait. Default: no wait. */
  readonly turn?: () => Promise<void>
}

/** The result of event.from, in the wire format. */
interface EventBatch {
  readonly events: readonly PoolEvent[]
  readonly valid_ref_counts: Readonly<Record<string, number>>
  readonly token: string
}

interface PoolEvent {
  /** Stock xapi sends a string. */
  readonly id: number | string
  readonly timestamp: '0.0'
  readonly class: string
  readonly operation: RecordChange['operation']
  readonly ref: string
  /** The present record, not the one at the time of the event; absent for `del`. */
  readonly snapshot?: unknown
}

export interface EventFeedOptions {
  readonly clock: Clock
  /** How long changes are collected before the answer. Stock xapi: 50 ms (xapi_globs.ml:1186), none for tasks (:1191). */
  readonly batchMs: number
  /** Concurrent event.from calls of sessions that belong to no host; a further one gets TOO_BUSY. */
  readonly maxWaiting: number
  /** Concurrent calls of one session, of a host or not. */
  readonly maxWaitingPerSession: number
  /** Concurrent calls of one user. All hosts are one user, whose role has no such limit. */

  readonly maxWaitingPerUser: number
  /** Subscriptions of all concurrent calls of one user together. Default 5 000. */
  readonly maxSubscriptionsPerUser?: number
  /** Classes without objects, in lower case: `valid_ref_counts` contains them, because readers compare counts. Default: none. */
  readonly emptyClasses?: readonly string[]
  /** Returns a record as clients see it. Default: as in the database. */
  readonly show?: (cls: ClassName, record: object) => unknown
  /** As stock xapi: ids are strings, and deletions that are no longer known are lost in silence. Default false. */
  readonly isStock?: boolean
  /** Whether a session carries the heartbeats of a host. Default: no session does. */
  readonly isOfHost?: (session: string) => boolean
}

/** One pending event.from call. */
interface Waiter {
  readonly session: string
  readonly user: string
  readonly isOfHost: boolean
  readonly subscriptions: Subscriptions
  /** Wakes a waiting call: an object that it follows has changed. */
  wake(): void
  /** Ends the wait of the call. */
  end(): void
}

const DEFAULT_MAX_SUBSCRIPTIONS_PER_USER = 5_000
const DAY_MS = 86_400_000
/** Stock xapi replaces a timeout that is negative, not a number or above this by one day (xapi_event.ml:736-777). */
const MAX_TIMEOUT_MS = 104 * DAY_MS

/**
 * event.from and event.inject as in stock xapi (xapi_event.ml:591-779). Level-triggered: a batch contains the changes since the token,
 * each object once with its present record, and the number of rows, so that a reader that lost an event notices.
 */
export class EventFeed {
  readonly #db: Database
  readonly #options: EventFeedOptions
  readonly #underWay = new Set<Waiter>()
  /** Pending calls by the keys of their subscriptions: the cost of a change is the number of calls that follow it. */
  readonly #followers = new Map<string, Set<Waiter>>()
  readonly #noRefs: Readonly<Record<string, 0>>
  #closed = false

  constructor(db: Database, options: EventFeedOptions) {
    this.#db = db
    this.#options = options
    this.#noRefs = Object.fromEntries((options.emptyClasses ?? []).map(cls => [cls, 0 as const]))
    db.subscribe(({ cls, ref, operation }) => {
      if (cls === 'session') {
        if (operation === 'del') this.#endSession(ref)
        return
      }
      for (const key of keysOf(cls, ref)) for (const waiter of this.#followers.get(key) ?? []) waiter.wake()
    })
  }

  /**
   * Waits until an object that the caller follows changes, or the timeout expires.
   * @throws ApiFailure SESSION_INVALID, TOO_BUSY, EVENTS_LOST (deletions since the token are no longer known: the reader must fetch
   *   everything again), EVENT_FROM_TOKEN_PARSE_FAILURE, EVENT_SUBSCRIPTION_PARSE_FAILURE
   */
  async from({ caller, classes, token, timeoutSeconds, signal, turn }: EventFromRequest): Promise<EventBatch> {
    const { session, user } = caller
    const subscriptions = new Subscriptions(classes)
    const since = parseToken(token)
    const batchMs = token === '' || subscriptions.isOnly('task') ? 0 : this.#options.batchMs
    const isOfHost = this.#options.isOfHost?.(session) ?? false
    this.#assertRoom(caller, isOfHost, subscriptions)

    let over = this.#closed || signal.aborted
    let changed = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    const waiter: Waiter = {
      session,
      user,
      isOfHost,
      subscriptions,
      wake: () => changed.resolve(),
      end: () => {
        over = true
        ended.resolve()
      },
    }
    const cancelTimeout = this.#options.clock.after(timeoutMs(timeoutSeconds), waiter.end)
    signal.addEventListener('abort', waiter.end)
    this.#begin(waiter)
    try {
      for (;;) {
        let hasWaited = false
        if (!over && this.#changes(subscriptions, since).length === 0) {
          changed = Promise.withResolvers<void>()
          await Promise.race([changed.promise, ended.promise])
          hasWaited = true
        }
        if (!over && batchMs > 0) {
          await this.#pause(batchMs, ended.promise)
          hasWaited = true
        }
        if (hasWaited) await turn?.()
        if (!this.#db.has('session', session)) throw new ApiFailure('SESSION_INVALID', session)
        const batch = this.#batch(subscriptions, since)
        if (batch.events.length > 0 || over) return batch
      }
    } finally {
      cancelTimeout()
      signal.removeEventListener('abort', waiter.end)
      this.#end(waiter)
    }
  }

  /**
   * Touches an object and returns the token before that: a reader whose token is above it has seen all earlier changes.
   * @throws ApiFailure HANDLE_INVALID
   */
  inject(className: string, ref: string): string {
    const cls = PUBLIC_CLASSES.find(one => one.toLowerCase() === className.toLowerCase())
    const before = this.#db.generation
    if (cls === undefined || !this.#db.touch(cls, ref)) throw handleInvalid(className, ref)
    return formatToken({ database: before, messages: before })
  }

  /** Id of the last event. */
  get currentId(): number {
    return this.#db.generation
  }

  /** Ends every waiting call immediately with the changes so far. New calls do not wait. */
  close(): void {
    this.#closed = true
    for (const waiter of this.#underWay) waiter.end()
  }

  #begin(waiter: Waiter): void {
    this.#underWay.add(waiter)
    for (const key of waiter.subscriptions.keys) {
      const followers = this.#followers.get(key)
      if (followers === undefined) this.#followers.set(key, new Set([waiter]))
      else followers.add(waiter)
    }
  }

  #end(waiter: Waiter): void {
    this.#underWay.delete(waiter)
    for (const key of waiter.subscriptions.keys) {
      const followers = this.#followers.get(key)
      followers?.delete(waiter)
      if (followers?.size === 0) this.#followers.delete(key)
    }
  }

  #endSession(session: string): void {
    for (const waiter of this.#underWay) if (waiter.session === session) waiter.end()
  }

  /** @throws ApiFailure TOO_BUSY */
  #assertRoom({ session, user, role }: Caller, isOfHost: boolean, subscriptions: Subscriptions): void {
    const { maxWaiting, maxWaitingPerSession, maxWaitingPerUser } = this.#options
    const { maxSubscriptionsPerUser = DEFAULT_MAX_SUBSCRIPTIONS_PER_USER } = this.#options
    const ofUser = [...this.#underWay].filter(waiter => waiter.user === user)
    const ofSession = ofUser.filter(waiter => waiter.session === session)
    const followed = ofUser.reduce((sum, waiter) => sum + waiter.subscriptions.size, subscriptions.size)
    const isUserFull = !isUnbounded(role) && (ofUser.length >= maxWaitingPerUser || followed > maxSubscriptionsPerUser)
    const others = isOfHost ? 0 : [...this.#underWay].filter(waiter => !waiter.isOfHost).length
    if (others >= maxWaiting || isUserFull || ofSession.length >= maxWaitingPerSession) {
      throw new ApiFailure('TOO_BUSY')
    }
  }

  /** @throws ApiFailure EVENTS_LOST */
  #changes(subscriptions: Subscriptions, since: EventPosition): readonly RecordChange[] {
    return PUBLIC_CLASSES.filter(cls => subscriptions.followsClass(cls))
      .flatMap(cls => {
        const generation = cls === 'message' ? since.messages : since.database
        if (!this.#options.isStock && this.#db.hasLostDeletions(cls, generation)) throw new ApiFailure('EVENTS_LOST')
        return this.#db.changesSince(cls, generation)
      })
      .filter(({ cls, ref }) => subscriptions.followsObject(cls, ref))
  }

  #batch(subscriptions: Subscriptions, since: EventPosition): EventBatch {
    const { generation } = this.#db
    const changes = this.#changes(subscriptions, since)
    const messages = changes.filter(change => change.cls === 'message')
    const of = (operation: RecordChange['operation']) =>
      changes.filter(change => change.cls !== 'message' && change.operation === operation)
    return {
      // the order of stock xapi
      events: [...messages, ...of('add'), ...of('mod'), ...of('del')].map(change => this.#event(change)),
      valid_ref_counts: {
        ...this.#noRefs,
        ...Object.fromEntries(PUBLIC_CLASSES.map(cls => [cls.toLowerCase(), this.#db.count(cls)])),
      },
      // a token above the present generation stays: as in stock xapi, its reader gets no events until the generation passes it
      token: formatToken({
        database: Math.max(since.database, generation),
        messages: Math.max(since.messages, generation),
      }),
    }
  }

  #event({ cls, ref, operation }: RecordChange): PoolEvent {
    const { generation } = this.#db
    const id = this.#options.isStock ? String(generation) : generation
    const event = { id, timestamp: '0.0', class: cls.toLowerCase(), operation, ref } as const
    const record = this.#db.get(cls, ref)
    if (operation === 'del' || record === undefined) return event
    return { ...event, snapshot: this.#options.show?.(cls, record) ?? record }
  }

  async #pause(delayMs: number, ended: Promise<void>): Promise<void> {
    const over = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(delayMs, over.resolve)
    await Promise.race([over.promise, ended])
    cancel()
  }
}

function timeoutMs(seconds: number): number {
  const ms = seconds * 1000
  return ms >= 0 && ms <= MAX_TIMEOUT_MS ? ms : DAY_MS
}
