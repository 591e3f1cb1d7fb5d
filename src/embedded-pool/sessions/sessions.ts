import { randomUUID } from 'node:crypto'
import { largestGroup } from '../../platform/http/largest-group.ts'
import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'
import type { Caller } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import type { LoginBrake } from './login-brake.ts'
import type { Role } from './roles.ts'

/** Who may log in, and as what; `true` is the role `pool-admin`. */
export type Authenticate = (user: string, password: string) => boolean | Role

/** A session unused for so long is over; stock's default (xapi_globs.ml inactive_session_timeout: 24 h). */
const INACTIVE_MS = 86_400_000
/**
 * Beyond this a session makes room for a new one, as in stock (db_gc.ml): one of the same user, and if all users together have too
 * many, one of the user who has most; of that user's it is the least recently used one of the address that has most. Sessions of
 * hosts neither count nor make room.
 */
const MAX_SESSIONS_OF_A_USER = 100
const MAX_SESSIONS = 500
/** The newest sessions of one host that count as its own: an agent that was restarted has left the one before behind. */
const MAX_SESSIONS_OF_A_HOST = 3
/** What is echoed of a wrong ref. */
const MAX_REF_LENGTH = 64

export interface Session {
  readonly caller: Caller
  /** The machine that has logged in. */
  readonly address: string
  readonly usedAtMs: number
  /** Ref of the host whose signs of life it carries; `null`: it carries none. */
  readonly host: string | null
}

interface SessionsOptions {
  readonly clock: Clock
  readonly authenticate: Authenticate
  readonly brake: LoginBrake
}

export interface Login {
  readonly user: string
  readonly password: string
  readonly originator: string
  /** The machine that it comes from. */
  readonly address: string
}

/** Who is logged in. A session's ref is its credential: 122 random bits, shown to nobody else. */
export class Sessions {
  readonly #db: Database
  readonly #clock: Clock
  readonly #authenticate: Authenticate
  readonly #brake: LoginBrake
  /** By ref, the least recently used first. */
  readonly #sessions = new Map<string, Session>()
  /** By ref of the host: its sessions, the newest last. */
  readonly #ofHosts = new Map<string, readonly string[]>()

  constructor(db: Database, { clock, authenticate, brake }: SessionsOptions) {
    this.#db = db
    this.#clock = clock
    this.#authenticate = authenticate
    this.#brake = brake
    db.subscribe(({ cls, ref, operation }) => {
      if (cls !== 'host' || operation !== 'del') return
      for (const session of this.#ofHosts.get(ref) ?? []) this.#set(session, { host: null })
      this.#ofHosts.delete(ref)
    })
  }

  /** @throws ApiFailure SESSION_AUTHENTICATION_FAILED, late; TOO_BUSY: many failures of this address are under way */
  async login({ user, password, originator, address }: Login): Promise<string> {
    this.#brake.assertRoom(user, address)
    const answer = this.#authenticate(user, password)
    if (answer === false) {
      await this.#brake.failed(user, address)
      throw new ApiFailure('SESSION_AUTHENTICATION_FAILED', user, 'Authentication failure')
    }
    this.#endUnused()
    this.#makeRoom(user)
    const session = this.#db.create('session', { uuid: randomUUID(), auth_user_name: user, originator })
    const caller = { session, user, role: answer === true ? 'pool-admin' : answer } as const
    this.#sessions.set(session, { caller, address, usedAtMs: this.#clock.now(), host: null })
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
    const session = this.find(ref)
    if (session === undefined || typeof ref !== 'string') {
      throw new ApiFailure('SESSION_INVALID', typeof ref === 'string' ? ref.slice(0, MAX_REF_LENGTH) : '')
    }
    // taken out and put back: the order is that of use
    this.#sessions.delete(ref)
    this.#sessions.set(ref, { ...session, usedAtMs: this.#clock.now() })
    return session.caller
  }

  /** The session that a call's first parameter names, without using it. */
  find(ref: unknown): Session | undefined {
    return typeof ref === 'string' ? this.#sessions.get(ref) : undefined
  }

  /** A sign of life of a host came with this session: nobody's logins end it from now on. */
  carriesLifeOf(host: string, ref: string): void {
    if (this.#sessions.get(ref)?.host === host) return
    this.#set(ref, { host })
    const known = (this.#ofHosts.get(host) ?? []).filter(
      each => each !== ref && this.#sessions.get(each)?.host === host,
    )
    const all = [...known, ref]
    for (const old of all.slice(0, -MAX_SESSIONS_OF_A_HOST)) this.#set(old, { host: null })
    this.#ofHosts.set(host, all.slice(-MAX_SESSIONS_OF_A_HOST))
  }

  #set(ref: string, change: Partial<Session>): void {
    const session = this.#sessions.get(ref)
    // a key that is there keeps its place
    if (session !== undefined) this.#sessions.set(ref, { ...session, ...change })
  }

  #endUnused(): void {
    for (const [ref, { usedAtMs }] of this.#sessions) {
      if (this.#clock.now() - usedAtMs <= INACTIVE_MS) return
      this.logout(ref)
    }
  }

  #makeRoom(user: string): void {
    const counted = [...this.#sessions.values()].filter(({ host }) => host === null)
    const byUser = Map.groupBy(counted, ({ caller }) => caller.user)
    const own = byUser.get(user) ?? []
    if (own.length < MAX_SESSIONS_OF_A_USER && counted.length < MAX_SESSIONS) return
    const ofUser = own.length >= MAX_SESSIONS_OF_A_USER ? own : largestGroup(byUser)
    const [oldest] = largestGroup(Map.groupBy(ofUser, ({ address }) => address))
    if (oldest !== undefined) this.logout(oldest.caller.session)
  }
}
