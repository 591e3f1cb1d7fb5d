const MAX_LENGTH = 256

/**
 * A name as a label's value. Names come from configurations and kernels: the parser of Prometheus takes NUL for the end of
 * everything (promlex.l), half of a surrogate pair is no UTF-8, and a scrape must stay small.
 */
export function labelValue(name: string): string {
  const cut = name.length > MAX_LENGTH ? `${name.slice(0, MAX_LENGTH - 1)}…` : name
  return cut.replaceAll('\0', '\u{fffd}').toWellFormed()
}
