import type { JsonNode } from '../../platform/json/json-node.ts'

const SECONDS_TEXT = /^\d{1,12}(\.\d*)?$/
const MAX_SECONDS = 1e12

/**
 * A moment as milliseconds of the epoch: written as ISO 8601 with a zone, or as seconds of the epoch, in a number or in a
 * string such as XenAPI's `boot_time` (`"1700000000."`).
 */
export function decodeMoment(node: JsonNode): number {
  const { value } = node
  const seconds = typeof value === 'string' && SECONDS_TEXT.test(value) ? Number(value) : value
  if (typeof seconds === 'number' && seconds >= 0 && seconds < MAX_SECONDS) return seconds * 1000
  return node.isoMoment()
}
