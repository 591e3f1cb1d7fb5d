import { z } from 'zod'
import { parseStored } from '../../platform/json/parse-stored.ts'
import { uuid } from '../../platform/text/uuid.ts'

/** The key of `pool.other_config` that holds the reservation. */
export const RESERVATION_KEY = 'resync-monitor:reserved'

/**
 * An operator's statement which host goes down next although another one is disabled as well, for example because that one is in
 * maintenance for weeks.
 */
export interface Reservation {
  /** UUID of the host. */
  readonly host: string
  readonly by: string
  /** Unix time in milliseconds from which on it counts no more. */
  readonly expiresMs: number
}

/** A longer reservation would be forgotten and surprise somebody. */
export const MAX_RESERVATION_MS = 30 * 24 * 3_600_000
/** The clock of the machine that has written it may be ahead by this. */
const CLOCK_SKEW_MS = 60_000
const MAX_BYTES = 1_024

const Stored = z.object({
  schema: z.literal(1),
  host: uuid,
  by: z.string().max(256),
  expiresAt: z.iso.datetime({ offset: true }),
})

export function encodeReservation({ host, by, expiresMs }: Reservation): string {
  return JSON.stringify({ schema: 1, host, by, expiresAt: new Date(expiresMs).toISOString() })
}

/** The reservation that is in force; `null`: there is none, it has expired or lasts too long, or it cannot be read. */
export function reservationInForce(text: string | undefined, now: number): Reservation | null {
  if (text === undefined) return null
  const stored = parseStored(text, MAX_BYTES, Stored)
  if (stored === null) return null
  const { host, by, expiresAt } = stored
  const expiresMs = Date.parse(expiresAt)
  return now < expiresMs && expiresMs - now <= MAX_RESERVATION_MS + CLOCK_SKEW_MS ? { host, by, expiresMs } : null
}
