import type { XenApiClient } from './client.ts'
import type { CallOptions } from './connection.ts'
import { XenApiError, XenApiUnreachable } from './errors.ts'

/** A XenAPI message about an SR. */
export interface SrMessage {
  readonly name: string
  /** 1 critical, 2 major, 3 warning, 4 "something just improved", 5 informational (api_messages.ml). */
  readonly priority: number
  readonly body: string
}

const NULL_REF = 'OpaqueRef:NULL'
const BEGINNING_OF_TIME = '19700101T00:00:00Z'

/**
 * message.create. @returns its ref
 * @throws XenApiError, such as UUID_INVALID: the toolstack has no such SR; XenApiUnreachable: the message may have been created
 */
export async function createSrMessage(
  client: XenApiClient,
  srUuid: string,
  { name, priority, body }: SrMessage,
  options?: CallOptions,
): Promise<string> {
  const ref = await client.call('message.create', [name, priority, 'SR', srUuid, body], options)
  if (typeof ref !== 'string') throw new XenApiUnreachable('message.create did not answer with a ref')
  // Stock returns the null ref when it could not write the message to its disk (xapi_message.ml create).
  if (ref === NULL_REF) throw new XenApiError('MESSAGE_NOT_WRITTEN', [name, srUuid])
  return ref
}

/** Returns the bodies of all messages about an SR that the toolstack keeps. @throws XenApiError, XenApiUnreachable */
export async function srMessageBodies(
  client: XenApiClient,
  srUuid: string,
  options?: CallOptions,
): Promise<readonly string[]> {
  const records = await client.call('message.get', ['SR', srUuid, BEGINNING_OF_TIME], options)
  if (typeof records !== 'object' || records === null) {
    throw new XenApiUnreachable('message.get did not answer with records')
  }
  return Object.values(records).flatMap((record: unknown) =>
    typeof record === 'object' && record !== null && 'body' in record && typeof record.body === 'string'
      ? [record.body]
      : [],
  )
}
