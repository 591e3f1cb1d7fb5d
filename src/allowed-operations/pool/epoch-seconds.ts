/**
 * Parses a number of seconds since 1970 in `host.other_config`, which xapi prints as an OCaml float (`1795363200.`), to Unix time in
 * milliseconds. `null`: absent, or not a number.
 */
export function epochMsOfSeconds(seconds: string | undefined): number | null {
  const value = seconds === undefined || seconds.trim() === '' ? Number.NaN : Number(seconds)
  return Number.isFinite(value) ? value * 1000 : null
}
