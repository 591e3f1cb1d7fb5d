import type { XenApiClient } from './client.ts'
import { XenApiError } from './errors.ts'
import { parseEventBatch, type ToolstackEvent } from './event-batch.ts'

export interface FollowOptions {
  readonly signal?: AbortSignal
  /** How long one event.from waits when nothing happens. Default 30. */
  readonly waitSeconds?: number
  /** Beyond its own wait, event.from may take this long before it counts as lost. Default 15 000. */
  readonly graceMs?: number
}

/** What is different since the last one. */
export interface PoolChanges {
  /** True: the events are everything that exists; whatever else the reader knew of these classes is gone. */
  readonly everything: boolean
  readonly events: readonly ToolstackEvent[]
}

const DEFAULT_WAIT_SECONDS = 30
const DEFAULT_GRACE_MS = 15_000
/** The toolstack can no longer say what happened since the token: events were dropped, or the token is not one of its own. */
const TOKEN_IS_WORTHLESS = new Set(['EVENTS_LOST', 'EVENT_FROM_TOKEN_PARSE_FAILURE'])

/**
 * Follows the objects of some classes: first all there are, then what changes, for as long as the toolstack answers.
 * A quiet wait yields changes without events, so its reader knows that the connection lives.
 *
 * Everything is read again when the objects known so far may be others than those that are:
 * - the toolstack keeps few deletions and loses older ones silently (db_cache_types.ml Table.remove), so the reader's
 *   objects are counted against valid_ref_counts;
 * - a new session means a toolstack that was restarted, or another coordinator. A token above its database's generation
 *   would yield nothing until that is passed (xapi_event.ml from_inner), while counts may be equal by chance;
 * - the record of something added or modified is not told: what the reader knows of it may be old. As long as it is not
 *   told even when everything is read, it is left out, as if it were not there, and everything is read again after each
 *   wait: nothing else would tell that it can be read now, and single objects are not counted.
 *
 * @param classes names of whole classes, such as `host_metrics`; or single objects, `PBD/OpaqueRef:…`, which are not counted
 * @throws XenApiError, XenApiUnreachable: the reader knows nothing any more and has to begin again
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
      if (everything || !(error instanceof XenApiError) || !TOKEN_IS_WORTHLESS.has(error.code)) throw error
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
    // what is wrong right after reading everything is accepted until the next answer: no loop without a wait
    const usable: boolean = everything || (complete && sameSession && !leftOut && !batch.incomplete)
    token = usable ? batch.token : ''
    leftOut = usable && batch.incomplete
    if (usable) yield { everything, events: batch.events }
  }
}
