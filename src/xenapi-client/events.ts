import type { XenApiClient } from './client.ts'
import { XenApiError } from './errors.ts'
import { parseEventBatch, type ToolstackEvent } from './event-batch.ts'

export interface FollowOptions {
  readonly signal?: AbortSignal
  /** How long one event.from waits when nothing happens. Default 30. */
  readonly waitSeconds?: number
  /** Milliseconds that event.from may take beyond its own wait before it times out. Default 15 000. */
  readonly graceMs?: number
}

/** The changes since the previous `PoolChanges`. */
export interface PoolChanges {
  /** True: the events are all objects that exist. The reader forgets every other object of these classes. */
  readonly everything: boolean
  readonly events: readonly ToolstackEvent[]
}

const DEFAULT_WAIT_SECONDS = 30
const DEFAULT_GRACE_MS = 15_000
/** The toolstack cannot return what happened since the token: events were dropped, or the token is not its own. */
const INVALID_TOKEN = new Set(['EVENTS_LOST', 'EVENT_FROM_TOKEN_PARSE_FAILURE'])

/**
 * Follows the objects of some classes: first all objects, then the changes, as long as the toolstack answers. A wait without events
 * yields changes without events, so the reader knows that the connection is alive.
 *
 * Everything is read again when the known objects may differ from those that exist:
 * - The toolstack keeps few deletions and drops older ones silently (db_cache_types.ml Table.remove), so the known objects are compared
 *   with valid_ref_counts.
 * - A new session means that the toolstack was restarted, or that another host is the coordinator. A token above the generation of its
 *   database would yield nothing until that generation is reached (xapi_event.ml from_inner), while the counts may be equal by chance.
 * - The event of an added or modified object has no record, so what the reader knows of it may be old. If the record is missing even
 *   when everything is read, the object is left out as if it did not exist, and everything is read again after each wait: no event
 *   tells when the record is available again, and single objects are not counted.
 *
 * @param classes names of whole classes, such as `host_metrics`; or single objects, `PBD/OpaqueRef:…`, which are not counted
 * @throws XenApiError, XenApiUnreachable: the reader must start again
 */
export async function* followPool(
  client: XenApiClient,
  classes: readonly string[],
  options: FollowOptions = {},
): AsyncGenerator<PoolChanges, never> {
  const waitSeconds = options.waitSeconds ?? DEFAULT_WAIT_SECONDS
  const known = new Map(classes.map(cls => [cls.toLowerCase(), new Set<string>()]))
  const callOptions = {
    timeoutMs: waitSeconds * 1000 + (options.graceMs ?? DEFAULT_GRACE_MS),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }
  let token = ''
  let logins = 0
  let leftOut = false
  for (;;) {
    const everything = token === ''
    if (everything) for (const refs of known.values()) refs.clear()
    let answer: unknown
    try {
      answer = await client.call('event.from', [classes, token, waitSeconds], callOptions)
    } catch (error) {
      if (everything || !(error instanceof XenApiError) || !INVALID_TOKEN.has(error.code)) throw error
      token = ''
      continue
    }
    const batch = parseEventBatch(answer)
    for (const { cls, operation, ref } of batch.events) {
      if (operation === 'del') known.get(cls)?.delete(ref)
      else known.get(cls)?.add(ref)
    }
    const complete = Array.from(known).every(([cls, refs]) => (batch.counts.get(cls) ?? refs.size) === refs.size)
    const sameSession = client.logins === logins
    logins = client.logins
    // Right after everything was read, a mismatch is accepted until the next answer. Otherwise this would loop without a wait.
    const usable: boolean = everything || (complete && sameSession && !leftOut && !batch.incomplete)
    token = usable ? batch.token : ''
    leftOut = usable && batch.incomplete
    if (usable) yield { everything, events: batch.events }
  }
}
