import { UsageError } from '../terminal.ts'

const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const
const WHOLE = /^(?:\d+(?:\.\d+)?[smhd])+$/
const PART = /(\d+(?:\.\d+)?)([smhd])/g

/** Seconds of `90s`, `10m`, `2h`, `1h30m`; `null` for anything else: a bare number might be meant in any unit. */
export function parseDuration(text: string): number | null {
  if (!WHOLE.test(text)) return null
  let seconds = 0
  for (const [, count = '', unit = ''] of text.matchAll(PART)) {
    seconds += Number(count) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS]
  }
  return Number.isFinite(seconds) ? seconds : null
}

/** Seconds that an option gives. @throws UsageError naming the option */
export function durationOf(option: string, text: string, limits: { readonly max?: string } = {}): number {
  const seconds = parseDuration(text)
  if (seconds === null) throw new UsageError(`--${option} must be a duration such as 90s, 10m or 2h, not '${text}'`)
  if (seconds === 0) throw new UsageError(`--${option} must be longer than nothing`)
  const max = limits.max === undefined ? null : parseDuration(limits.max)
  if (max !== null && seconds > max) throw new UsageError(`--${option} must be ${limits.max} at most, not '${text}'`)
  return seconds
}

/** `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`: two units at most, never more exact than it is of use. */
export function sayDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 120) return `${whole} s`
  const minutes = Math.round(whole / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}
