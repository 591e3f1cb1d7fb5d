const PLUS = 43
const MINUS = 45
const ZERO = 48

/** Parses `2026-11-22T16:08:35.840293+00:00` (format_timestamp in drbdsetup_events2.c) to microseconds of Unix time; NaN if it is no timestamp. */
export function microsOf(text: string, start: number, end: number): number {
  const sign = text.charCodeAt(start + 26)
  if (end - start !== 32 || (sign !== PLUS && sign !== MINUS)) return Number.NaN
  const day = daysSince1970(digits(text, start, 4), digits(text, start + 5, 2), digits(text, start + 8, 2))
  const offset = digits(text, start + 27, 2) * 60 + digits(text, start + 30, 2)
  const minutes = digits(text, start + 11, 2) * 60 + digits(text, start + 14, 2) - (sign === MINUS ? -offset : offset)
  const seconds = day * 86_400 + minutes * 60 + digits(text, start + 17, 2)
  return seconds * 1_000_000 + digits(text, start + 20, 6)
}

/** The earlier of two moments; a moment that is `null` is ignored. */
export function older(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other
  return Math.min(one, other)
}

/** By the proleptic Gregorian calendar. `Date.UTC` would take a third of the time of parsing a line. */
function daysSince1970(year: number, month: number, day: number): number {
  // In years that begin in March the leap day is the last day.
  const marchYear = month > 2 ? year : year - 1
  const marchMonth = (month + 9) % 12
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400)
  return marchYear * 365 + leapDays + Math.floor((marchMonth * 153 + 2) / 5) + day - 1 - 719_468
}

function digits(text: string, start: number, length: number): number {
  let value = 0
  for (let index = start; index < start + length; index += 1) {
    const digit = text.charCodeAt(index) - ZERO
    if (!(digit >= 0 && digit <= 9)) return Number.NaN
    value = value * 10 + digit
  }
  return value
}
