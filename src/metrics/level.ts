import type { Gauge, LabelValues } from 'prom-client'

/** Shows a figure, or nothing where it is not known: a `NaN`, -1 or 0 instead would be drawn and summed as if it were one. */
export function show<Label extends string>(
  gauge: Gauge<Label>,
  labels: LabelValues<Label>,
  value: number | null,
): void {
  if (value === null || !Number.isFinite(value)) gauge.remove(labels)
  else gauge.set(labels, value)
}
