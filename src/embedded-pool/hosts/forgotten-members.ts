import type { Database } from '../database/database.ts'

/** A host, an SR, or the connection of both, by UUIDs: one that returns has another ref. */
export type PoolMember =
  | { readonly host: string; readonly sr?: never }
  | { readonly sr: string; readonly host?: never }
  | { readonly host: string; readonly sr: string }

const PREFIX = 'resync-monitor:forgotten:'

/** The key of `pool.other_config` that marks a member as forgotten. */
export function forgottenKey({ host, sr }: PoolMember): string {
  const parts = [sr === undefined ? '' : `sr=${sr}`, host === undefined ? '' : `host=${host}`]
  return `${PREFIX}${parts.filter(part => part !== '').join(',')}`
}

/**
 * What a call of XenAPI has taken out of the pool although a configuration names it. Without this mark the next start or reload
 * would put it back. The marks are in `pool.other_config`: in the state file, and for clients to read and to remove.
 */
export class ForgottenMembers {
  readonly #db: Database
  readonly #isConfigured: (member: PoolMember) => boolean

  /** @param isConfigured whether a configuration names the member; there is a mark for no other */
  constructor(db: Database, isConfigured: (member: PoolMember) => boolean) {
    this.#db = db
    this.#isConfigured = isConfigured
  }

  has(member: PoolMember): boolean {
    return Object.hasOwn(this.#marks(), forgottenKey(member))
  }

  /** @param by the method that has taken it out */
  add(member: PoolMember, by: string): void {
    if (!this.#isConfigured(member)) return
    this.#write({ ...this.#marks(), [forgottenKey(member)]: by })
  }

  remove(member: PoolMember): void {
    if (!this.has(member)) return
    const { [forgottenKey(member)]: _, ...others } = this.#marks()
    this.#write(others)
  }

  /** Removes the marks of what the configuration no longer names: named again, it is added again. */
  keepOnly(members: readonly PoolMember[]): void {
    const named = new Set(members.map(forgottenKey))
    const entries = Object.entries(this.#marks())
    const kept = entries.filter(([key]) => !key.startsWith(PREFIX) || named.has(key))
    if (kept.length < entries.length) this.#write(Object.fromEntries(kept))
  }

  #marks(): Readonly<Record<string, string>> {
    return this.#db.list('pool')[0]?.[1].other_config ?? {}
  }

  #write(other_config: Readonly<Record<string, string>>): void {
    const [ref] = this.#db.list('pool')[0] ?? []
    if (ref !== undefined) this.#db.update('pool', ref, { other_config })
  }
}
