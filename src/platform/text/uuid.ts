import { z } from 'zod'

/** The source of a regular expression that matches one UUID; without the `i` flag, one in lower case. */
export const UUID_PATTERN = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'

const UUID = new RegExp(`^${UUID_PATTERN}$`, 'i')

/** Whether the text is a UUID, in upper or lower case. */
export function isUuid(text: string): boolean {
  return UUID.test(text)
}

/** A UUID in lower case. XenAPI compares UUIDs as text, so an upper-case one matches nothing. */
export const uuid = z.string().regex(UUID, 'must be a UUID').toLowerCase()
