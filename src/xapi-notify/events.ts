import type { XenApiClient } from './client.ts'
import { parseEventBatch, type ToolstackEvent } from './event-batch.ts'

export interface FollowOptions {
  readonly signal?: AbortSignal
  /** How long one event.from waits when nothing happens. Default 30. */
  readonly waitSeconds?: number
}

/** What is different since the last one. */
export interface PoolChanges {
  /** True: the events are everything that exists; whatever else the reader knew of these classes is gone. */
  readonly everything: boolean
  readonly events: readonly ToolstackEvent[]
}

const DEFAULT_WAIT_SECONDS = 30
/** Beyond its own wait, event.from may take this long before it counts as lost. */
const GRACE_MS = 15_000

/**
 * Follows the objects of some classes: first all there are, then what changes, for as long as the toolstack answers.
 * A quiet wait yields changes without events, so its reader knows that the connection lives.
 *
 * The toolstack keeps few deletions and loses older ones silently (db_cache_types.ml Table.remove), so the reader's
 * objects are counted against valid_ref_counts; a difference makes everything be read again.
 *
 * @param classes names of whole classes, such as `host_metrics`
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
    timeoutMs: waitSeconds * 1000 + GRACE_MS,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  }
  let token = ''
  for (;;) {
    const everything = token === ''
    if (everything) for (const refs of known.values()) refs.clear()
    const batch = parseEventBatch(await client.call('event.from', [classes, token, waitSeconds], callOptions))
    for (const { cls, operation, ref } of batch.events) {
      if (operation === 'del') known.get(cls)?.delete(ref)
      else known.get(cls)?.add(ref)
    }
    const complete = Array.from(known).every(([cls, refs]) => (batch.counts.get(cls) ?? refs.size) === refs.size)
    // a count that is wrong right after reading everything is accepted until the next answer: no loop without a wait
    token = complete || everything ? batch.token : ''
    if (complete || everything) yield { everything, events: batch.events }
  }
}
