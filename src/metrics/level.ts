import type { Gauge, LabelValues } from 'prom-client'

/** Sets a gauge, or removes the series if the value is unknown: `NaN`, -1 or 0 would be drawn and summed like a value. */
export function show<Label extends string>(
  gauge: Gauge<Label>,
  labels: LabelValues<Label>,
  value: number | null,
): void {
  if (value === null || !Number.isFinite(value)) gauge.remove(labels)
  else gauge.set(labels, value)
}
