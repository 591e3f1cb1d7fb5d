import { randomUUID } from 'node:crypto'
import { ApiFailure } from './api-failure.ts'
import type { CallTable } from './call.ts'
import type { Database } from './database.ts'

/** A session unused for so long is over; stock's default (xapi_globs.ml inactive_session_timeout: 24 h). */
const INACTIVE_MS = 86_400_000
/** The least recently used session makes room for a new one beyond this, as in stock (db_gc.ml). */
const MAX_SESSIONS = 500
/** What is echoed of a wrong ref. */
const MAX_REF_LENGTH = 64

/** Who is logged in. A session's ref is its credential: 122 random bits, shown to nobody else. */
export class Sessions {
  readonly #db: Database
  readonly #now: () => number
  readonly #authenticate: (user: string, password: string) => boolean
  /** By ref, the least recently used first. */
  readonly #usedAtMs = new Map<string, number>()

  constructor(db: Database, now: () => number, authenticate: (user: string, password: string) => boolean) {
    this.#db = db
    this.#now = now
    this.#authenticate = authenticate
  }

  /** @throws ApiFailure SESSION_AUTHENTICATION_FAILED */
  login(user: string, password: string): string {
    if (!this.#authenticate(user, password)) {
      throw new ApiFailure('SESSION_AUTHENTICATION_FAILED', user, 'Authentication failure')
    }
    this.#endUnused(MAX_SESSIONS - 1)
    const ref = this.#db.create('session', { uuid: randomUUID(), auth_user_name: user })
    this.#usedAtMs.set(ref, this.#now())
    return ref
  }

  logout(ref: string): void {
    this.#usedAtMs.delete(ref)
    this.#db.delete('session', ref)
  }

  /** The session that a call's first parameter names; it counts as used now. @throws ApiFailure SESSION_INVALID */
  check(ref: unknown): string {
    this.#endUnused(MAX_SESSIONS)
    if (typeof ref !== 'string' || !this.#usedAtMs.delete(ref)) {
      throw new ApiFailure('SESSION_INVALID', typeof ref === 'string' ? ref.slice(0, MAX_REF_LENGTH) : '')
    }
    this.#usedAtMs.set(ref, this.#now())
    return ref
  }

  #endUnused(mostKept: number): void {
    for (const [ref, atMs] of this.#usedAtMs) {
      if (this.#usedAtMs.size <= mostKept && this.#now() - atMs <= INACTIVE_MS) return
      this.logout(ref)
    }
  }
}

/** session.login_with_password and session.logout. */
export function sessionCalls(sessions: Sessions): CallTable {
  return {
    // user, password, and from newer clients: API version, originator
    'session.login_with_password': {
      parameters: [2, 4],
      session: false,
      run: args => sessions.login(args.string('uname'), args.string('pwd')),
    },
    'session.logout': { parameters: 0, run: (_args, { session }) => sessions.logout(session) },
  }
}
