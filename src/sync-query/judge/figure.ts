/**
 * Figures as histories keep them: one that is not known is `NaN`, which no comparison takes for a figure and which makes
 * whatever is computed from it not known either. (V8 writes a field that is always a number in place; one that may also be
 * `null` gets a new object with each number.)
 */

export function figureOf(said: number | null): number {
  return said ?? Number.NaN
}

export function orNull(figure: number): number | null {
  return Number.isNaN(figure) ? null : figure
}

export function firstKnown(a: number, b: number): number {
  return Number.isNaN(a) ? b : a
}

export function larger(a: number, b: number): number {
  return Number.isNaN(a) || b > a ? b : a
}
