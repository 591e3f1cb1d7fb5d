import { isUuid } from '../platform/text/uuid.ts'
import { SmapiError } from './smapi-error.ts'
import { parseUuid } from './sr-configuration.ts'

const URI_PREFIX = 'resync-monitor://'

/** The URI of an SR, which SR.attach returns. */
export function uriOf(uuid: string): string {
  return `${URI_PREFIX}${uuid}`
}

/** The UUID in a URI that SR.attach returned. @throws SmapiError for any other text */
export function uuidOf(uri: string): string {
  if (!uri.startsWith(URI_PREFIX)) throw doesNotExist(uri)
  return parseUuid('sr', uri.slice(URI_PREFIX.length))
}

/** As `uuidOf`; `null` for any other text. */
export function uuidIn(uri: string): string | null {
  const uuid = uri.startsWith(URI_PREFIX) ? uri.slice(URI_PREFIX.length) : ''
  return isUuid(uuid) ? uuid.toLowerCase() : null
}

export function doesNotExist(sr: string): SmapiError {
  return new SmapiError('SR_does_not_exist', [sr])
}
