/** What was thrown, in words. It may be anything: a value that is no Error must not become an error of its own. */

/** One sentence, for whoever is told what went wrong. Never empty. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  if (thrown.message !== '') return thrown.message
  // node:net, where each address of a name was tried in vain, says only in here what happened
  if (thrown instanceof AggregateError) return thrown.errors.map(messageOf).join('; ') || thrown.name
  return thrown.name
}

/** Where it was thrown too, for the log: of an error of this program. */
export function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? messageOf(thrown)) : messageOf(thrown)
}

/** How the system calls what went wrong (`ENOENT`, `EADDRINUSE`); `null`: it was not the system that failed. */
export function codeOf(thrown: unknown): string | null {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null
}
