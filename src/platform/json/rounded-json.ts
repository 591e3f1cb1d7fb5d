/**
 * JSON text with readable numbers: `progress` has four digits at most and is cut, so that 1 means the end; `…Seconds` and `…Bytes` are
 * rounded to integers.
 */
export function roundedJson(value: unknown): string {
  return JSON.stringify(value, (key, each: unknown) => {
    if (typeof each !== 'number') return each
    // The smallest amount above a multiple of 0.0001 that a double cannot show.
    if (key === 'progress') return Math.floor(each * 10_000 + 1e-9) / 10_000
    return /(?:Seconds|Bytes)$/.test(key) ? Math.round(each) : each
  })
}
