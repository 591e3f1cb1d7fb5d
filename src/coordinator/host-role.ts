import { readFile } from 'node:fs/promises'
import { type Clock, sleep } from '../platform/time/clock.ts'

/** The role of this host in its pool. `unknown`: the file cannot be read, or says something else. */
export type HostRole = 'coordinator' | 'member' | 'unknown'

const READ_EVERY_MS = 1_000

/** Reads the content of xapi's pool.conf: `master`, or `slave:ADDRESS`; `broken`: a host that is in no pool yet. */
export function parseRole(text: string): HostRole {
  const [word] = text.trim().split(':')
  if (word === 'master') return 'coordinator'
  return word === 'slave' || word === 'broken' ? 'member' : 'unknown'
}

/** Yields the role of this host at first and after each change, until `signal` aborts. xapi replaces the file when the role changes. */
export async function* watchRole(file: string, clock: Clock, signal: AbortSignal): AsyncGenerator<HostRole, void> {
  let last: HostRole | null = null
  while (!signal.aborted) {
    const role = await readRole(file)
    if (role !== last) yield role
    last = role
    await sleep(clock, READ_EVERY_MS, signal)
  }
}

async function readRole(file: string): Promise<HostRole> {
  try {
    return parseRole(await readFile(file, 'utf8'))
  } catch {
    return 'unknown'
  }
}
