import { ApiFailure } from '../calls/api-failure.ts'
import type { Caller } from '../calls/call.ts'
import { isUnbounded } from '../sessions/roles.ts'

/** Pending tasks of one user below pool-operator, and completed ones likewise: as in stock xapi, every role may create tasks. */
const MAX_OF_A_USER = 100
/** Pending tasks of clients, likewise of asynchronous calls, and completed ones of both. Stock xapi keeps 200 completed (db_gc.ml). */
const MAX_OF_A_KIND = 1_000

/** Created by a client for its own work, or for an asynchronous call of this process. */
type TaskKind = 'client' | 'call'

interface Entry {
  readonly user: string
  readonly kind: TaskKind
  /** Whether the limit per user applies: all hosts are one user, with a task for each SR and host that resyncs. */
  readonly isBounded: boolean
  state: 'pending' | 'completed'
}

/**
 * Counts and limits tasks per user and kind, because users of every role may create tasks and asynchronous calls run as tasks: the
 * tasks of one user must not exhaust the limit for others.
 */
export class TaskBudget {
  readonly #entries = new Map<string, Entry>()
  /** The completed ones in the order of their completion. */
  readonly #completed = new Set<string>()

  /** @throws ApiFailure TOO_MANY_PENDING_TASKS */
  assertRoom(kind: TaskKind, { user, role }: Pick<Caller, 'user' | 'role'>): void {
    this.#assertRoomFor({ kind, user, isBounded: isBoundedBy(kind, role) })
  }

  add(ref: string, kind: TaskKind, { user, role }: Pick<Caller, 'user' | 'role'>): void {
    this.#entries.set(ref, { user, kind, isBounded: isBoundedBy(kind, role), state: 'pending' })
  }

  isOwner(ref: string, user: string): boolean {
    return this.#entries.get(ref)?.user === user
  }

  /** Makes a completed task pending again if the limits allow it. @throws ApiFailure TOO_MANY_PENDING_TASKS */
  pend(ref: string): void {
    const entry = this.#entries.get(ref)
    if (entry === undefined || entry.state === 'pending') return
    this.#assertRoomFor(entry)
    entry.state = 'pending'
    this.#completed.delete(ref)
  }

  /** Marks a task as completed. @returns the completed tasks to delete: the oldest of its user if it has too many, else the oldest of all */
  complete(ref: string): readonly string[] {
    const entry = this.#entries.get(ref)
    if (entry === undefined) return []
    entry.state = 'completed'
    this.#completed.delete(ref)
    this.#completed.add(ref)
    const ofUser = entry.isBounded ? this.#completedOf(entry.user) : []
    return ofUser.length > MAX_OF_A_USER
      ? ofUser.slice(0, 1)
      : [...this.#completed].slice(0, Math.max(this.#completed.size - MAX_OF_A_KIND, 0))
  }

  remove(ref: string): void {
    this.#entries.delete(ref)
    this.#completed.delete(ref)
  }

  #assertRoomFor({ kind, user, isBounded }: Omit<Entry, 'state'>): void {
    const pending = [...this.#entries.values()].filter(entry => entry.kind === kind && entry.state === 'pending')
    const ofUser = pending.filter(entry => entry.user === user)
    if (pending.length >= MAX_OF_A_KIND || (isBounded && ofUser.length >= MAX_OF_A_USER)) {
      throw new ApiFailure('TOO_MANY_PENDING_TASKS')
    }
  }

  #completedOf(user: string): readonly string[] {
    return [...this.#completed].filter(ref => {
      const entry = this.#entries.get(ref)
      return entry?.user === user && entry.isBounded
    })
  }
}

function isBoundedBy(kind: TaskKind, role: Caller['role']): boolean {
  return kind === 'client' && !isUnbounded(role)
}
