const DATE_TIME = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:Z|\+00:?00)?$/

/** Parses a XenAPI datetime, with or without dashes, to Unix time in milliseconds. Without a zone it is UTC, as in xapi. */
export function epochMsOf(dateTime: string): number | null {
  const [, year, month, day, time] = DATE_TIME.exec(dateTime) ?? []
  const atMs = Date.parse(`${year}-${month}-${day}T${time}Z`)
  return Number.isNaN(atMs) ? null : atMs
}

/**
 * Parses a number of seconds since 1970 in `host.other_config`, which xapi prints as an OCaml float (`1795363200.`), to Unix time in
 * milliseconds. `null`: absent, or not a number.
 */
export function epochMsOfSeconds(seconds: string | undefined): number | null {
  const value = seconds === undefined || seconds.trim() === '' ? Number.NaN : Number(seconds)
  return Number.isFinite(value) ? value * 1000 : null
}
