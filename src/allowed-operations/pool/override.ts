import { type Complaints, JsonNode } from '../../platform/json/json-node.ts'
import { parseJson } from '../../platform/json/parse-json.ts'
import type { GatePolicy } from './gate-policy.ts'
import type { Override, PoolSnapshot } from './pool-snapshot.ts'

/** The key of `host.other_config` that holds the override for a host, as JSON text. */
export const OVERRIDE_KEY = 'resync-monitor:override'

/** The longest duration of an override: a forgotten one expires the next day. */
export const MAX_OVERRIDE_MS = 24 * 60 * 60 * 1000

/** An override as an operator sets it. Moments are Unix time in milliseconds. */
interface OverrideRequest {
  /** Why the host must go down although the storage rule blocks it. */
  readonly reason: string
  /** Who sets it. */
  readonly by: string
  readonly createdMs: number
  readonly expiresMs: number
}

/** Far above what `encodeOverride` writes; a longer text is not read. */
const MAX_TEXT_LENGTH = 16_384

/**
 * Reads the override in a host's `other_config`. Anything but a complete override of this schema gives `null`, because a text that
 * cannot be read must not allow a reboot. `overrideInForce` decides whether it is in force at a moment.
 * @param host ref of the host
 */
export function decodeOverride(host: string, text: string): Override | null {
  const parsed = parseJson(text, MAX_TEXT_LENGTH)
  if ('problem' in parsed) return null
  const complaints: Complaints = { first: null }
  const request = readOverride(new JsonNode(parsed.value, '', complaints))
  return complaints.first === null ? { host, ...request } : null
}

/** The text to store under `OVERRIDE_KEY`, or a sentence about what `decodeOverride` would not accept. */
export function encodeOverride({
  reason,
  by,
  createdMs,
  expiresMs,
}: OverrideRequest): { text: string } | { problem: string } {
  const value = { schema: 1, reason, by, createdAt: isoOrEmpty(createdMs), expiresAt: isoOrEmpty(expiresMs) }
  const complaints: Complaints = { first: null }
  readOverride(new JsonNode(value, '', complaints))
  return complaints.first === null ? { text: JSON.stringify(value) } : { problem: complaints.first }
}

function readOverride(node: JsonNode): OverrideRequest {
  // First of all: the fields of another schema may have another meaning.
  if (node.at('schema').value !== 1) node.at('schema').complain('1')
  const expiresAt = node.at('expiresAt')
  const request = {
    reason: node.at('reason').text(),
    by: node.at('by').text(),
    createdMs: node.at('createdAt').isoMoment(),
    expiresMs: expiresAt.isoMoment(),
  }
  const durationMs = request.expiresMs - request.createdMs
  if (!(durationMs > 0 && durationMs <= MAX_OVERRIDE_MS)) {
    expiresAt.complain('a time after createdAt, by 24 hours at most')
  }
  return request
}

/** Never throws. An invalid moment gives `''`, which the reader then rejects. */
function isoOrEmpty(milliseconds: number): string {
  const date = new Date(milliseconds)
  return Number.isNaN(date.valueOf()) ? '' : date.toISOString()
}

/**
 * The override that is in force for a host at this moment. An override from further in the future than clocks may differ comes into
 * force only when its time comes: a clock that is ahead must not extend it beyond the maximum. An invalid moment (NaN) is never in force.
 */
export function overrideInForce(
  { overrides }: Pick<PoolSnapshot, 'overrides'>,
  host: string,
  policy: Pick<GatePolicy, 'clockSkewMs'>,
  now: number,
): Override | undefined {
  return overrides.find(
    each =>
      each.host === host &&
      now < each.expiresMs &&
      (each.createdMs === undefined || each.createdMs <= now + policy.clockSkewMs),
  )
}
