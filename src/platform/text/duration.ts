const UNIT_SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const
const WHOLE = /^(?:\d+(?:\.\d+)?[smhd])+$/
const PART = /(\d+(?:\.\d+)?)([smhd])/g

/** Seconds of `90s`, `10m`, `2h`, `1h30m`; `null` for any other text. A bare number is refused: its unit would be a guess. */
export function parseDuration(text: string): number | null {
  if (!WHOLE.test(text)) return null
  let seconds = 0
  for (const [, count = '', unit = ''] of text.matchAll(PART)) {
    seconds += Number(count) * UNIT_SECONDS[unit as keyof typeof UNIT_SECONDS]
  }
  return Number.isFinite(seconds) ? seconds : null
}

/** `45 s`, `12 min`, `3 h 20 min`, `2 d 4 h`: at most two units. A negative duration, as after a clock was set back, is `0 s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 120) return `${whole} s`
  const minutes = Math.round(whole / 60)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`
  return hours % 24 === 0 ? `${hours / 24} d` : `${Math.floor(hours / 24)} d ${hours % 24} h`
}
