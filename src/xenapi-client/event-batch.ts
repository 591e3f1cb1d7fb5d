import { z } from 'zod'
import { isJsonObject } from '../platform/json/parse-json.ts'
import { XenApiUnreachable } from './errors.ts'

export interface ToolstackEvent {
  /** In lower case, as in events (`pbd`, `host_metrics`). */
  readonly cls: string
  readonly operation: 'add' | 'mod' | 'del'
  readonly ref: string
  /** The whole record as it is now; `null` for `del`. */
  readonly record: Readonly<Record<string, unknown>> | null
}

/** The result of event.from. */
export interface ToolstackEventBatch {
  readonly events: readonly ToolstackEvent[]
  /**
   * True: an object was added or modified and its event has no record, so it is missing in `events`. Stock leaves out a record that it
   * cannot read (event_types.ml: `snapshot` is an option).
   */
  readonly incomplete: boolean
  readonly token: string
  /** How many objects each class has, by its name in lower case. */
  readonly counts: ReadonlyMap<string, number>
}

const Envelope = z.object({
  token: z.string(),
  events: z.array(z.unknown()),
  valid_ref_counts: z.record(z.string(), z.unknown()).catch({}),
})
const record = z.custom<Readonly<Record<string, unknown>>>(isJsonObject)
const Event = z.discriminatedUnion('operation', [
  z.object({ operation: z.literal('del'), class: z.string(), ref: z.string() }),
  z.object({ operation: z.enum(['add', 'mod']), class: z.string(), ref: z.string(), snapshot: record.nullish() }),
])

/** Reads the result of event.from. Pure. @throws XenApiUnreachable if it has another shape */
export function parseEventBatch(result: unknown): ToolstackEventBatch {
  const envelope = Envelope.safeParse(result)
  if (!envelope.success) throw new XenApiUnreachable('event.from did not answer with events and a token')
  const { token, events: given, valid_ref_counts } = envelope.data
  const events = given.map(parseEvent).filter(event => event !== null)
  const counts = Object.entries(valid_ref_counts).flatMap(([cls, count]) =>
    typeof count === 'number' ? [[cls, count] as const] : [],
  )
  return { events, incomplete: events.length < given.length, token, counts: new Map(counts) }
}

/** `null`: the event has no record. */
function parseEvent(given: unknown): ToolstackEvent | null {
  const event = Event.safeParse(given)
  if (!event.success) throw new XenApiUnreachable('event.from answered with something that is not an event')
  const { operation, ref } = event.data
  const cls = event.data.class.toLowerCase()
  if (event.data.operation === 'del') return { cls, operation, ref, record: null }
  const { snapshot } = event.data
  return snapshot === undefined || snapshot === null ? null : { cls, operation, ref, record: snapshot }
}
