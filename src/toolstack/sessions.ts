import { randomUUID } from 'node:crypto'
import { ApiFailure } from './api-failure.ts'
import type { Caller } from './call.ts'
import type { Database } from './database.ts'
import type { LoginBrake } from './login-brake.ts'
import type { Role } from './roles.ts'

/** Who may log in, and as what; `true` is the role `pool-admin`. */
export type Authenticate = (user: string, password: string) => boolean | Role

/** A session unused for so long is over; stock's default (xapi_globs.ml inactive_session_timeout: 24 h). */
const INACTIVE_MS = 86_400_000
/**
 * The least recently used session makes room for a new one beyond this, as in stock (db_gc.ml): one of the same user, and
 * if all users together have too many, one of the user who has most. Nobody is logged out by what another one does.
 */
const MAX_SESSIONS_OF_A_USER = 100
const MAX_SESSIONS = 500
/** What is echoed of a wrong ref. */
const MAX_REF_LENGTH = 64

interface Session {
  readonly caller: Caller
  readonly usedAtMs: number
}

interface SessionsOptions {
  readonly authenticate: Authenticate
  readonly brake: LoginBrake
}

/** Who is logged in. A session's ref is its credential: 122 random bits, shown to nobody else. */
export class Sessions {
  readonly #db: Database
  readonly #now: () => number
  readonly #authenticate: Authenticate
  readonly #brake: LoginBrake
  /** By ref, the least recently used first. */
  readonly #sessions = new Map<string, Session>()

  constructor(db: Database, now: () => number, { authenticate, brake }: SessionsOptions) {
    this.#db = db
    this.#now = now
    this.#authenticate = authenticate
    this.#brake = brake
  }

  /** @throws ApiFailure SESSION_AUTHENTICATION_FAILED, late; TOO_BUSY: many failures are under way */
  async login(user: string, password: string, originator: string): Promise<string> {
    this.#brake.assertRoom(user)
    const answer = this.#authenticate(user, password)
    if (answer === false) {
      await this.#brake.failed(user)
      throw new ApiFailure('SESSION_AUTHENTICATION_FAILED', user, 'Authentication failure')
    }
    this.#endUnused()
    this.#makeRoom(user)
    const session = this.#db.create('session', { uuid: randomUUID(), auth_user_name: user, originator })
    const caller = { session, user, role: answer === true ? 'pool-admin' : answer } as const
    this.#sessions.set(session, { caller, usedAtMs: this.#now() })
    return session
  }

  logout(ref: string): void {
    this.#sessions.delete(ref)
    this.#db.delete('session', ref)
  }

  /** Ends the sessions of some users, and what they wait for. What they have begun goes on. */
  endOf(isMeant: (user: string) => boolean): void {
    for (const [ref, { caller }] of [...this.#sessions]) if (isMeant(caller.user)) this.logout(ref)
  }

  /** Whose session a call's first parameter names; it counts as used now. @throws ApiFailure SESSION_INVALID */
  check(ref: unknown): Caller {
    this.#endUnused()
    const session = typeof ref === 'string' ? this.#sessions.get(ref) : undefined
    if (session === undefined || typeof ref !== 'string') {
      throw new ApiFailure('SESSION_INVALID', typeof ref === 'string' ? ref.slice(0, MAX_REF_LENGTH) : '')
    }
    // taken out and put back: the order is that of use
    this.#sessions.delete(ref)
    this.#sessions.set(ref, { caller: session.caller, usedAtMs: this.#now() })
    return session.caller
  }

  #endUnused(): void {
    for (const [ref, { usedAtMs }] of this.#sessions) {
      if (this.#now() - usedAtMs <= INACTIVE_MS) return
      this.logout(ref)
    }
  }

  #makeRoom(user: string): void {
    const byUser = Map.groupBy(this.#sessions, ([, { caller }]) => caller.user)
    const own = byUser.get(user) ?? []
    if (own.length < MAX_SESSIONS_OF_A_USER && this.#sessions.size < MAX_SESSIONS) return
    const fullest = [...byUser.values()].reduce((most, each) => (each.length > most.length ? each : most), own)
    const [oldest] = own.length >= MAX_SESSIONS_OF_A_USER ? own : fullest
    if (oldest !== undefined) this.logout(oldest[0])
  }
}
