import { type Complaints, JsonNode } from '../platform/json/json-node.ts'
import { parseJson } from '../platform/json/parse-json.ts'
import type { Episode, EpisodeEvent } from './resync-episode.ts'

/** What is remembered of one SR across restarts. */
export interface SrJournal {
  open: Episode | null
  /** Events that the pool does not have, or may not have, oldest first: starts and ends alternate. */
  readonly outbox: EpisodeEvent[]
  /** How many episodes were dropped unsent since the last message that mentions them. */
  omitted: number
}

/** By UUID of the SR. */
export type Journal = Map<string, SrJournal>

const SCHEMA = 1
/** Longest text that is read, in UTF-16 units. */
const MAX_TEXT_LENGTH = 4 * 1_048_576
/** The largest time of a Date. */
const LAST_MOMENT = 8.64e15
/** Far above what configurations and `dropOldEpisodes` allow. */
const MAX_SRS = 4_096
const MAX_EVENTS = 65_536

export function encodeJournal(host: string, journal: Journal): string {
  const srs = Array.from(journal, ([sr, { open, outbox, omitted }]) => ({ sr, open, outbox, omitted }))
  return `${JSON.stringify({ schema: SCHEMA, host, srs })}\n`
}

/** Reads what `encodeJournal` wrote for the same host. Accepts any text; a problem is one sentence. */
export function decodeJournal(host: string, text: string): { journal: Journal } | { problem: string } {
  const parsed = parseJson(text, MAX_TEXT_LENGTH)
  if ('problem' in parsed) return { problem: 'it is not JSON; perhaps it was truncated' }
  const { value } = parsed
  const complaints: Complaints = { first: null }
  const root = new JsonNode(value, '', complaints).expectObject()
  if (complaints.first === null && root.at('schema').value !== SCHEMA)
    return { problem: `it is not of schema ${SCHEMA}` }
  const owner = root.at('host').text()
  const journal: Journal = new Map(
    root
      .at('srs')
      .list(MAX_SRS)
      .map(node => [node.at('sr').text(), readSr(node)]),
  )
  if (complaints.first !== null) return { problem: complaints.first }
  // A disk image may have been copied to another host. Each host sends its own episodes.
  return owner === host ? { journal } : { problem: `it belongs to host ${owner}` }
}

/**
 * Drops episodes of which neither the start nor the end was sent, oldest first, of the SR with the most events, until at most `max` events
 * are left. The first event of an SR and its end are never dropped: the pool may already have the first one. With very many SRs somewhat
 * more than `max` can be left: three for each.
 */
export function dropOldEpisodes(journal: Journal, max: number): void {
  for (let excess = pendingEvents(journal) - max; excess > 0; excess -= 2) {
    const fullest = Array.from(journal.values()).reduce((a, b) => (b.outbox.length > a.outbox.length ? b : a))
    const start = fullest.outbox.findIndex(({ event }, index) => index > 0 && event === 'started')
    if (start === -1 || start + 1 >= fullest.outbox.length) return
    fullest.outbox.splice(start, 2)
    fullest.omitted += 1
  }
}

export function pendingEvents(journal: Journal): number {
  let count = 0
  for (const { outbox } of journal.values()) count += outbox.length
  return count
}

function readSr(node: JsonNode): SrJournal {
  const open = node.at('open')
  return {
    open: open.absent ? null : readEpisode(open),
    outbox: node.at('outbox').list(MAX_EVENTS).map(readEvent),
    omitted: node.at('omitted').count(),
  }
}

function readEpisode(node: JsonNode): Episode {
  return {
    id: node.at('id').text(),
    startedAt: readTime(node.at('startedAt')),
    mostOutOfSyncBytes: readBytes(node.at('mostOutOfSyncBytes')),
  }
}

function readEvent(node: JsonNode): EpisodeEvent {
  const event = node.at('event').word(['started', 'finished', 'abandoned'])
  const episode = node.at('episode').text()
  switch (event) {
    case 'started':
      return {
        event,
        episode,
        at: readTime(node.at('at')),
        resyncing: node.at('resyncing').count(),
        mirrors: node.at('mirrors').count(),
        outOfSyncBytes: readBytes(node.at('outOfSyncBytes')),
      }
    case 'finished':
      return {
        event,
        episode,
        at: readTime(node.at('at')),
        startedAt: readTime(node.at('startedAt')),
        watched: node.at('watched').flag(),
        mostOutOfSyncBytes: readBytes(node.at('mostOutOfSyncBytes')),
      }
    case 'abandoned':
      return { event, episode }
  }
}

function readTime(node: JsonNode): number {
  return node.number(0, LAST_MOMENT)
}

function readBytes(node: JsonNode): number | null {
  return node.absent ? null : node.number(0, Number.MAX_VALUE)
}
