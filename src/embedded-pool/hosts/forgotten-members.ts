import type { Database } from '../database/database.ts'

/** A host, an SR, or the connection of both, by UUIDs: a member that is added again has another ref. */
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
 * Marks members that a XenAPI call has removed from the pool although a configuration names them. Without the mark the next start or
 * reload would add the member again. The marks are in `pool.other_config`, so the state file keeps them and clients can read and
 * remove them.
 */
export class ForgottenMembers {
  readonly #db: Database
  readonly #isConfigured: (member: PoolMember) => boolean

  /** @param isConfigured whether a configuration names the member; only such members are marked */
  constructor(db: Database, isConfigured: (member: PoolMember) => boolean) {
    this.#db = db
    this.#isConfigured = isConfigured
  }

  has(member: PoolMember): boolean {
    return Object.hasOwn(this.#marks(), forgottenKey(member))
  }

  /** @param by the method that removed the member */
  add(member: PoolMember, by: string): void {
    if (!this.#isConfigured(member)) return
    this.#write({ ...this.#marks(), [forgottenKey(member)]: by })
  }

  remove(member: PoolMember): void {
    if (!this.has(member)) return
    const { [forgottenKey(member)]: _, ...others } = this.#marks()
    this.#write(others)
  }

  /** Removes the marks of members that the configuration no longer names, so that a member that is named again is added again. */
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
