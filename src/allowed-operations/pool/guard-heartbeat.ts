import { z } from 'zod'
import { parseStored } from '../../platform/json/parse-stored.ts'

/** The key of `pool.other_config` under which the guard of a pool of unmodified toolstacks states that it acts. */
export const GUARD_KEY = 'resync-monitor:guard'

/** The guard writes a heartbeat at this interval. */
export const HEARTBEAT_EVERY_MS = 60_000
/** A reader believes a heartbeat for this time. */
export const HEARTBEAT_EXPIRES_MS = 180_000

export interface GuardHeartbeat {
  /** `hostname` of the machine that the guard runs on. */
  readonly machine: string
  /** Of the program. */
  readonly version: string
  /** Unix time in milliseconds, by the clock of that machine. */
  readonly atMs: number
}

/** What a reader knows of the guard. */
export type GuardPresence =
  | { readonly state: 'acts' | 'silent'; readonly heartbeat: GuardHeartbeat }
  /** No guard has ever acted in this pool. */
  | { readonly state: 'never' }
  /** A newer version may have written the heartbeat, or its clock or the reader's is wrong. */
  | { readonly state: 'unclear'; readonly why: string }

const MAX_BYTES = 1_024
const Stored = z.object({
  schema: z.literal(1),
  host: z.string().max(256),
  version: z.string().max(64),
  at: z.iso.datetime({ offset: true }),
})

export function encodeHeartbeat({ machine, version, atMs }: GuardHeartbeat): string {
  return JSON.stringify({ schema: 1, host: machine, version, at: new Date(atMs).toISOString() })
}

/**
 * Reads the heartbeat in `pool.other_config`.
 * @param now Unix time in milliseconds: best by the clock of the coordinator, on which the guard runs
 */
export function guardPresence(text: string | undefined, now: number): GuardPresence {
  if (text === undefined) return { state: 'never' }
  const stored = parseStored(text, MAX_BYTES, Stored)
  if (stored === null) return { state: 'unclear', why: 'its heartbeat cannot be read' }
  const { host: machine, version, at } = stored
  const heartbeat = { machine, version, atMs: Date.parse(at) }
  const ageMs = now - heartbeat.atMs
  if (ageMs < -HEARTBEAT_EXPIRES_MS) return { state: 'unclear', why: 'its heartbeat is from the future' }
  return { state: ageMs <= HEARTBEAT_EXPIRES_MS ? 'acts' : 'silent', heartbeat }
}
