/**
 * Figures of histories: an unknown one is `NaN`, which makes every comparison false and every result unknown. (V8 writes a field that is
 * always a number in place; a field that may also be `null` gets a new object with each number.)
 */

export function figureOf(value: number | null): number {
  return value ?? Number.NaN
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
