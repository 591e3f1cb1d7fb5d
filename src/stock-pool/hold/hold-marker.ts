import { z } from 'zod'
import { parseStored } from '../../platform/json/parse-stored.ts'

/** The key of `host.other_config` that says that this program keeps the host disabled after its return. */
export const HOLD_KEY = 'resync-monitor:hold'

/** A hold of one host, which was placed before it went down. */
export interface HoldMarker {
  /** `host.other_config["boot_time"]` of the boot that it was placed in, in milliseconds; `null`: not stated. */
  readonly bootTimeMs: number | null
}

const MAX_BYTES = 256
const Stored = z.object({ schema: z.literal(1), bootTimeMs: z.number().nullable() })

export function encodeHold({ bootTimeMs }: HoldMarker): string {
  return JSON.stringify({ schema: 1, bootTimeMs })
}

/** `null`: there is no hold, or none that can be read. */
export function decodeHold(text: string | undefined): HoldMarker | null {
  if (text === undefined) return null
  const stored = parseStored(text, MAX_BYTES, Stored)
  return stored === null ? null : { bootTimeMs: stored.bootTimeMs }
}
