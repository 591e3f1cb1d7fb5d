import { hostname, userInfo } from 'node:os'

/** The user behind sudo, if there is one. */
export function currentUser(): string {
  const { SUDO_USER: behindSudo = '' } = process.env
  if (behindSudo !== '') return behindSudo
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    // The account has no entry in the system's database, as in a container.
    return `${process.getuid?.() ?? ''}@${hostname()}`
  }
}
