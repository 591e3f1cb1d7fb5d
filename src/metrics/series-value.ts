import type { Gauge, LabelValues } from 'prom-client'

/** Sets a gauge, or removes the series if the value is unknown: `NaN`, -1 or 0 would be drawn and summed like a value. */
export function setOrRemove<Label extends string>(
  gauge: Gauge<Label>,
  labels: LabelValues<Label>,
  value: number | null,
): void {
  if (value === null || !Number.isFinite(value)) gauge.remove(labels)
  else gauge.set(labels, value)
}

const MAX_LENGTH = 256

/**
 * Makes a label value of a name. Names come from configurations and kernels: Prometheus' parser stops at NUL (promlex.l), a lone
 * surrogate is not UTF-8, and a scrape must stay small.
 */
export function labelValue(name: string): string {
  const cut = name.length > MAX_LENGTH ? `${name.slice(0, MAX_LENGTH - 1)}…` : name
  return cut.replaceAll('\0', '\u{fffd}').toWellFormed()
}
