import { isJsonObject } from '../platform/json/json-object.ts'
import { XenApiUnreachable } from './errors.ts'

export interface ToolstackEvent {
  /** In lower case, as events have it (`pbd`, `host_metrics`). */
  readonly cls: string
  readonly operation: 'add' | 'mod' | 'del'
  readonly ref: string
  /** The whole record as it is now; `null` for `del`. */
  readonly record: Readonly<Record<string, unknown>> | null
}

/** What event.from answers. */
export interface EventBatch {
  readonly events: readonly ToolstackEvent[]
  /**
   * True: something was added or modified whose record is not told, so it stands in no event. Stock leaves out a record
   * that it cannot read (event_types.ml: `snapshot` is an option).
   */
  readonly incomplete: boolean
  readonly token: string
  /** How many objects each class has, by its name in lower case. */
  readonly counts: ReadonlyMap<string, number>
}

/** Reads event.from's result. Pure. @throws XenApiUnreachable if it is not one */
export function parseEventBatch(result: unknown): EventBatch {
  if (!isJsonObject(result) || typeof result.token !== 'string' || !Array.isArray(result.events)) {
    throw new XenApiUnreachable('event.from did not answer with events and a token')
  }
  const counts = isJsonObject(result.valid_ref_counts) ? Object.entries(result.valid_ref_counts) : []
  const events = result.events.map(parseEvent).filter(event => event !== null)
  return {
    events,
    incomplete: events.length < result.events.length,
    token: result.token,
    counts: new Map(counts.flatMap(([cls, count]) => (typeof count === 'number' ? [[cls, count] as const] : []))),
  }
}

/** `null`: its record is not told. */
function parseEvent(event: unknown): ToolstackEvent | null {
  if (isJsonObject(event) && typeof event.class === 'string' && typeof event.ref === 'string') {
    const { class: cls, ref, operation, snapshot } = event
    if (operation === 'del') return { cls: cls.toLowerCase(), operation, ref, record: null }
    if (operation === 'add' || operation === 'mod') {
      if (isJsonObject(snapshot)) return { cls: cls.toLowerCase(), operation, ref, record: snapshot }
      if (snapshot === undefined || snapshot === null) return null
    }
  }
  throw new XenApiUnreachable('event.from answered with something that is no event')
}
