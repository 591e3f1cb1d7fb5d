import { hash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Role } from '../embedded-pool/sessions/roles.ts'
import type { UpdaterConfig } from './updater-config.ts'

interface User {
  readonly password: string
  readonly role: Role
}

/** The users that may log in to the embedded pool. */
export class Users {
  readonly #byName: ReadonlyMap<string, User>

  /** @throws Error naming the password file that cannot be read */
  constructor({ users }: Pick<UpdaterConfig, 'users'>) {
    this.#byName = new Map(
      users.map(({ name, passwordFile, role }) => [name, { password: passwordIn(passwordFile, name), role }]),
    )
  }

  /** The role of a user, or `false` if there is no such user or the password is wrong. */
  authenticate(name: string, password: string): Role | false {
    const user = this.#byName.get(name)
    return user !== undefined && isSameSecret(user.password, password) && user.role
  }

  /**
   * The users of this set that `after` does not contain with the same password and role. Their sessions must end: otherwise they would
   * keep the old rights for a day.
   */
  changedIn(after: Users): ReadonlySet<string> {
    const isUnchanged = (name: string, { password, role }: User) => {
      const other = after.#byName.get(name)
      return other?.password === password && other.role === role
    }
    return new Set([...this.#byName].flatMap(([name, user]) => (isUnchanged(name, user) ? [] : [name])))
  }
}

function passwordIn(path: string, user: string): string {
  const password = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  if (password === '') throw new Error(`${path} is empty: the user ${user} would have no password`)
  return password
}

/** Compares in constant time: the duration does not show where the texts differ. */
function isSameSecret(secret: string, given: string): boolean {
  return timingSafeEqual(hash('sha256', secret, 'buffer'), hash('sha256', given, 'buffer'))
}

const MAX_NAME_LENGTH = 64

/** A sentence about failed logins. The name comes from a client: as JSON it cannot imitate a line of the log. */
export function describeFailedLogins({
  count,
  user,
  address,
}: {
  count: number
  user: string
  address: string
}): string {
  const name = JSON.stringify(user.slice(0, MAX_NAME_LENGTH))
  const last = `as ${name} from ${address}`
  return count === 1 ? `a login ${last} has failed` : `${count} logins have failed, the last one ${last}`
}
