/** What xapi shows for "never": its Date.epoch. */
export const EPOCH = '19700101T00:00:00Z'

/** Milliseconds since the epoch as XenAPI writes a datetime: `20261122T16:00:00Z`, whole seconds, UTC. */
export function xapiDateTime(atMs: number): string {
  return new Date(atMs).toISOString().replaceAll('-', '').replace(/\.\d+/, '')
}

const DATE_TIME = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:Z|\+00:?00)?$/

/** A datetime of XenAPI, with or without dashes, as milliseconds of the epoch; without a zone it is UTC, as xapi reads it. */
export function epochMsOf(dateTime: string): number | null {
  const [, year, month, day, time] = DATE_TIME.exec(dateTime) ?? []
  const atMs = Date.parse(`${year}-${month}-${day}T${time}Z`)
  return Number.isNaN(atMs) ? null : atMs
}

/** Milliseconds since the epoch as host.other_config has them: whole seconds, printed as an OCaml float, `1795363200.`. */
export function xapiEpochSeconds(atMs: number): string {
  return `${Math.floor(atMs / 1000)}.`
}

/** What `xapiEpochSeconds` prints, or any other number of seconds, as milliseconds of the epoch. */
export function epochMsOfSeconds(seconds: string | undefined): number | null {
  const value = seconds === undefined || seconds.trim() === '' ? Number.NaN : Number(seconds)
  return Number.isFinite(value) ? value * 1000 : null
}
