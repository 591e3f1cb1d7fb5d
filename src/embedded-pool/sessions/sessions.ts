import { randomUUID } from 'node:crypto'
import { largestGroup } from '../../platform/http/client-groups.ts'
import type { Clock } from '../../platform/time/clock.ts'
import { ApiFailure } from '../calls/api-failure.ts'
import type { Caller } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import type { LoginBrake } from './login-brake.ts'
import type { Role } from './roles.ts'

/** Returns the role of a user, or false for a wrong user or password; `true` is the role `pool-admin`. */
export type Authenticate = (user: string, password: string) => boolean | Role

/** A session that is unused for this time ends; the default of stock xapi (xapi_globs.ml inactive_session_timeout: 24 h). */
const INACTIVE_MS = 86_400_000
/**
 * Beyond these limits a new session ends an old one, as in stock xapi (db_gc.ml): one of the same user, or, if all users together have
 * too many, one of the user with the most sessions. Of that user it is the least recently used one of the address with the most
 * sessions. Sessions of hosts do not count and never end by this.
 */
const MAX_SESSIONS_OF_A_USER = 100
const MAX_SESSIONS = 500
/** The number of newest sessions of one host that count as its own: a restarted agent leaves its previous session open. */
const MAX_SESSIONS_OF_A_HOST = 3
/** Longest part of a wrong ref that an error repeats. */
const MAX_REF_LENGTH = 64

export interface Session {
  readonly caller: Caller
  /** Address of the client. */
  readonly address: string
  readonly usedAtMs: number
  /** Ref of the host whose heartbeats the session carries; `null` if it carries none. */
  readonly host: string | null
}

interface SessionsOptions {
  readonly clock: Clock
  readonly authenticate: Authenticate
  readonly brake: LoginBrake
  /** Whether every user at an address is a pool-admin without a password, as at the unix socket of a stock xapi. Default: none is. */
  readonly trusts?: (address: string) => boolean
}

export interface Login {
  readonly user: string
  readonly password: string
  readonly originator: string
  /** Address of the client. */
  readonly address: string
}

/** The sessions of logged-in users. The ref of a session is its credential: 122 random bits that no other user can read. */
export class Sessions {
  readonly #db: Database
  readonly #clock: Clock
  readonly #authenticate: Authenticate
  readonly #brake: LoginBrake
  readonly #trusts: (address: string) => boolean
  /** By ref, the least recently used first. */
  readonly #sessions = new Map<string, Session>()
  /** By ref of the host: its sessions, the newest last. */
  readonly #ofHosts = new Map<string, readonly string[]>()

  constructor(db: Database, { clock, authenticate, brake, trusts = () => false }: SessionsOptions) {
    this.#trusts = trusts
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

  /** @throws ApiFailure SESSION_AUTHENTICATION_FAILED, delayed; TOO_BUSY: too many failed logins of this address are pending */
  async login({ user, password, originator, address }: Login): Promise<string> {
    this.#brake.assertRoom(user, address)
    const answer = this.#trusts(address) || this.#authenticate(user, password)
    if (answer === false) {
      await this.#brake.failed(user, address)
      throw new ApiFailure('SESSION_AUTHENTICATION_FAILED', user, 'Authentication failure')
    }
    this.#endUnused()
    this.#dropOldEpisodes(user)
    const session = this.#db.create('session', { uuid: randomUUID(), auth_user_name: user, originator })
    const caller = { session, user, role: answer === true ? 'pool-admin' : answer } as const
    this.#sessions.set(session, { caller, address, usedAtMs: this.#clock.now(), host: null })
    return session
  }

  logout(ref: string): void {
    this.#sessions.delete(ref)
    this.#db.delete('session', ref)
  }

  /** Ends the sessions of the matching users and their waiting calls. Running operations continue. */
  endOf(matches: (user: string) => boolean): void {
    for (const [ref, { caller }] of [...this.#sessions]) if (matches(caller.user)) this.logout(ref)
  }

  /** The caller of the session that the first parameter of a call names. Marks it as used. @throws ApiFailure SESSION_INVALID */
  check(ref: unknown): Caller {
    this.#endUnused()
    const session = this.find(ref)
    if (session === undefined || typeof ref !== 'string') {
      throw new ApiFailure('SESSION_INVALID', typeof ref === 'string' ? ref.slice(0, MAX_REF_LENGTH) : '')
    }
    // delete and set again: the map is in the order of use
    this.#sessions.delete(ref)
    this.#sessions.set(ref, { ...session, usedAtMs: this.#clock.now() })
    return session.caller
  }

  /** The session that the first parameter of a call names. Does not mark it as used. */
  find(ref: unknown): Session | undefined {
    return typeof ref === 'string' ? this.#sessions.get(ref) : undefined
  }

  /** Records that a heartbeat of a host came with this session: from now on no login ends it. */
  carriesHeartbeatsOf(host: string, ref: string): void {
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
    // an existing key keeps its place in the order
    if (session !== undefined) this.#sessions.set(ref, { ...session, ...change })
  }

  #endUnused(): void {
    for (const [ref, { usedAtMs }] of this.#sessions) {
      if (this.#clock.now() - usedAtMs <= INACTIVE_MS) return
      this.logout(ref)
    }
  }

  #dropOldEpisodes(user: string): void {
    const counted = [...this.#sessions.values()].filter(({ host }) => host === null)
    const byUser = Map.groupBy(counted, ({ caller }) => caller.user)
    const own = byUser.get(user) ?? []
    if (own.length < MAX_SESSIONS_OF_A_USER && counted.length < MAX_SESSIONS) return
    const ofUser = own.length >= MAX_SESSIONS_OF_A_USER ? own : largestGroup(byUser)
    const [oldest] = largestGroup(Map.groupBy(ofUser, ({ address }) => address))
    if (oldest !== undefined) this.logout(oldest.caller.session)
  }
}
