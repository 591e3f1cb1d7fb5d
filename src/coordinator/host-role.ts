import { readFile, stat } from 'node:fs/promises'
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

/**
 * Yields the role of this host at first and after each change, until `signal` aborts. xapi replaces the file when the role changes, so a
 * file that is the same is not read again: one system call a second instead of four.
 */
export async function* watchRole(file: string, clock: Clock, signal: AbortSignal): AsyncGenerator<HostRole, void> {
  let last: HostRole | null = null
  let lastVersion: string | null = null
  while (!signal.aborted) {
    const version = await versionOf(file)
    if (version === null || version !== lastVersion) {
      const role = await readRole(file)
      if (role !== last) yield role
      last = role
      lastVersion = version
    }
    await sleep(clock, READ_EVERY_MS, signal)
  }
}

/** Differs for each content of the file; `null`: there is no file. */
async function versionOf(file: string): Promise<string | null> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch {
    return null
  }
}

async function readRole(file: string): Promise<HostRole> {
  try {
    return parseRole(await readFile(file, 'utf8'))
  } catch {
    return 'unknown'
  }
}
