const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `0 B`, `32.0 MiB`, `1.5 TiB`: the largest unit of which there is at least one, with one decimal place from KiB on. */
export function formatBytes(count: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10))
  return `${(count / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`
}
