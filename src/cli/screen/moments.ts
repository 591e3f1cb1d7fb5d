import { formatDuration } from '../../platform/text/duration.ts'

/** `2026-11-22 16:19:05 UTC (3 min ago)`: the time as in logs, and the duration. */
export function formatMoment(iso: string, now: number): string {
  const at = Date.parse(iso)
  if (Number.isNaN(at)) return 'at an unknown time'
  const text = `${new Date(at).toISOString().slice(0, 19).replace('T', ' ')} UTC`
  return at <= now
    ? `${text} (${formatDuration((now - at) / 1000)} ago)`
    : `${text} (in ${formatDuration((at - now) / 1000)})`
}

/** The time since that moment, as `3 min`; 0 if the clocks of two hosts differ a little. */
export function formatSince(iso: string, now: number): string {
  return formatDuration(Math.max(0, now - Date.parse(iso)) / 1000)
}
