import { type Complaints, JsonNode } from '../../platform/json/json-node.ts'
import { parseJson } from '../../platform/json/parse-json.ts'
import type { GatePolicy } from './gate-policy.ts'
import type { Override, PoolSnapshot } from './pool-snapshot.ts'

/** The key of `host.other_config` under which the override for a host is kept, as JSON text. */
export const OVERRIDE_KEY = 'resync-monitor:override'

/** How long an override may last: one that was forgotten is over the next day. */
export const MAX_OVERRIDE_MS = 24 * 60 * 60 * 1000

/** An override as an operator gives it; moments are milliseconds of the epoch. */
interface OverrideRequest {
  /** Why the host must go although storage says no. */
  readonly reason: string
  /** Who takes the responsibility. */
  readonly by: string
  readonly createdMs: number
  readonly expiresMs: number
}

/** Far above what `encodeOverride` writes; longer is not worth reading. */
const MAX_TEXT_LENGTH = 16_384

/**
 * The override that a host's `other_config` holds. Whatever is not a whole override of this schema is `null`, none: a
 * text that cannot be read must not let a host go. Whether it is in force at a moment is `overrideInForce`.
 * @param host ref of the host
 */
export function decodeOverride(host: string, text: string): Override | null {
  const parsed = parseJson(text, MAX_TEXT_LENGTH)
  if ('problem' in parsed) return null
  const complaints: Complaints = { first: null }
  const request = readOverride(new JsonNode(parsed.value, '', complaints))
  return complaints.first === null ? { host, ...request } : null
}

/** The text to keep under `OVERRIDE_KEY`, or a sentence about what `decodeOverride` would not accept. */
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
  // Before all else: fields of another schema may mean something else.
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

/** No moment makes this throw; one that is none is complained of when it is read. */
function isoOrEmpty(milliseconds: number): string {
  const date = new Date(milliseconds)
  return Number.isNaN(date.valueOf()) ? '' : date.toISOString()
}

/**
 * The override that lets a host go at this moment. One from further in the future than clocks differ is in force only when
 * its time comes: a clock ahead must not make it last longer than its maximum. A moment that is none (NaN) is never in force.
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
