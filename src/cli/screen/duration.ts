import { parseDuration } from '../../platform/text/duration.ts'
import { UsageError } from '../terminal.ts'

/** Seconds that an option gives. @throws UsageError naming the option */
export function durationOf(option: string, text: string, limits: { readonly max?: string } = {}): number {
  const seconds = parseDuration(text)
  if (seconds === null) throw new UsageError(`--${option} must be a duration such as 90s, 10m or 2h, not '${text}'`)
  if (seconds === 0) throw new UsageError(`--${option} must be longer than nothing`)
  const max = limits.max === undefined ? null : parseDuration(limits.max)
  if (max !== null && seconds > max) throw new UsageError(`--${option} must be ${limits.max} at most, not '${text}'`)
  return seconds
}
