import { ApiFailure } from '../calls/api-failure.ts'
import type { Caller } from '../calls/call.ts'
import { isUnbounded } from '../sessions/roles.ts'

/** Tasks that one user below pool-operator may have pending, and as many completed: any role may make tasks, as in stock. */
const MAX_OF_A_USER = 100
/** Tasks that clients may have pending, and asynchronous calls, and completed ones of both. Stock keeps 200 completed (db_gc.ml). */
const MAX_OF_A_KIND = 1_000

/** Made by a client for what it does itself, or for a call that runs in this process. */
type TaskKind = 'made' | 'call'

interface Entry {
  readonly user: string
  readonly kind: TaskKind
  /** Whether its user's own share bounds it: hosts tell of their resyncs as one user, with a task for each SR and host. */
  readonly isBounded: boolean
  state: 'pending' | 'completed'
}

/**
 * Who has how many tasks. Nobody's tasks take the room of what others do: a user of any role may make them, and the pool's
 * own calls run as tasks.
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

  /** One that was completed may be taken up again where there is room. @throws ApiFailure TOO_MANY_PENDING_TASKS */
  pend(ref: string): void {
    const entry = this.#entries.get(ref)
    if (entry === undefined || entry.state === 'pending') return
    this.#assertRoomFor(entry)
    entry.state = 'pending'
    this.#completed.delete(ref)
  }

  /** @returns the completed ones that make room: the oldest of its user's if those are too many, else the oldest of all */
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
  return kind === 'made' && !isUnbounded(role)
}
