import { z } from 'zod'
import { firstName } from '../allowed-operations/pool/find-by-name.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import { formatBytes } from '../platform/text/bytes.ts'
import { formatDuration } from '../platform/text/duration.ts'
import { printable } from '../platform/text/printable.ts'
import type { SrMessage } from '../xenapi-client/message-calls.ts'
import type { ResyncFinished, ResyncStarted } from './resync-episode.ts'

/** The host that sends messages. */
export interface NotifyingHost {
  readonly uuid: string
  /** For people. */
  readonly name: string
}

/**
 * Priorities as stock uses them (api_messages.ml): 3 is "some service may suffer", such as a degraded bond or METADATA_LUN_BROKEN: one
 * more failure, or a reboot, would do harm. 4 is "something just improved", such as METADATA_LUN_HEALTHY.
 */
const PRIORITIES = { started: 3, finished: 4 } as const
const NAMES = { started: 'RESYNC_STARTED', finished: 'RESYNC_FINISHED' } as const
/** The prefix of the line for programs. */
const MARK = 'resync-monitor: '
const MAX_NAME_LENGTH = 64

/** Makes the message for an event. Its body is a sentence for people and a line of JSON, at most 1 KiB together. */
export function resyncMessage(host: NotifyingHost, event: ResyncStarted | ResyncFinished, omitted: number): SrMessage {
  const data = {
    schema: 1,
    event: event.event,
    episode: event.episode,
    host: host.uuid,
    at: new Date(event.at).toISOString(),
    ...(event.event === 'started'
      ? { outOfSyncBytes: event.outOfSyncBytes }
      : { startedAt: new Date(event.startedAt).toISOString(), watched: event.watched }),
    omitted,
  }
  return {
    name: NAMES[event.event],
    priority: PRIORITIES[event.event],
    body: `${sentence(printableName(firstName(host.name, host.uuid)), event)}${omissions(omitted)}\n${MARK}${JSON.stringify(data)}`,
  }
}

/** Far above what `resyncMessage` writes. */
const MAX_MARK_LENGTH = 65_536

const MarkedEvent = z
  .object({
    event: z.enum(['started', 'finished']),
    episode: z.string().min(1),
    omitted: z.int().nonnegative(),
  })
  .readonly()

/** The line for programs in the body of a message, as far as this program reads it. */
export type MarkedEvent = z.output<typeof MarkedEvent>

/** Reads what `resyncMessage` wrote; `null` for any other body. */
export function parseMessageBody(body: string): MarkedEvent | null {
  const line = body.split('\n').find(each => each.startsWith(MARK))
  if (line === undefined) return null
  const parsed = parseJson(line.slice(MARK.length), MAX_MARK_LENGTH)
  const event = MarkedEvent.safeParse('value' in parsed ? parsed.value : null)
  return event.success ? event.data : null
}

/** A name that XenAPI accepts. It stores texts as XML, and refuses characters that XML cannot contain with INVALID_VALUE. */
export function printableName(name: string): string {
  return Array.from(printable(name)).slice(0, MAX_NAME_LENGTH).join('')
}

function sentence(hostname: string, event: ResyncStarted | ResyncFinished): string {
  if (event.event === 'started') {
    const amount = event.outOfSyncBytes === null ? '' : `, ${formatBytes(event.outOfSyncBytes)} out of sync`
    const mirrors = `${event.resyncing} of its ${event.mirrors} mirrors of this SR`
    return `Host ${hostname} resynchronises ${mirrors}${amount}. Do not take another host of this SR down until this has finished.`
  }
  const amount =
    event.mostOutOfSyncBytes === null ? '' : ` At most about ${formatBytes(event.mostOutOfSyncBytes)} were out of sync.`
  const duration = formatDuration((event.at - event.startedAt) / 1000)
  if (event.watched) return `Host ${hostname} has resynchronised this SR in ${duration}.${amount}`
  return `Host ${hostname} is in sync again. The resync took at most ${duration}; its end was not observed.${amount}`
}

function omissions(count: number): string {
  if (count === 0) return ''
  return ` ${count} more resyncs started and finished while the toolstack could not be reached; they have no messages.`
}
