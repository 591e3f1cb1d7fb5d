/** The datetime that xapi uses for "never": its Date.epoch. */
export const EPOCH = '19700101T00:00:00Z'

/** Formats Unix time in milliseconds as a XenAPI datetime: `20261122T16:00:00Z`, whole seconds, UTC. */
export function xapiDateTime(atMs: number): string {
  return new Date(atMs).toISOString().replaceAll('-', '').replace(/\.\d+/, '')
}

const DATE_TIME = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:Z|\+00:?00)?$/

/** Parses a XenAPI datetime, with or without dashes, to Unix time in milliseconds. Without a zone it is UTC, as in xapi. */
export function epochMsOf(dateTime: string): number | null {
  const [, year, month, day, time] = DATE_TIME.exec(dateTime) ?? []
  const atMs = Date.parse(`${year}-${month}-${day}T${time}Z`)
  return Number.isNaN(atMs) ? null : atMs
}

/** Formats Unix time in milliseconds as host.other_config does: whole seconds, printed as an OCaml float, `1795363200.`. */
export function xapiEpochSeconds(atMs: number): string {
  return `${Math.floor(atMs / 1000)}.`
}
