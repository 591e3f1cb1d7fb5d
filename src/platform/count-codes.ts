/** Counts items by their code. A code without an item has no entry. */
export function countCodes<Code extends string>(items: Iterable<{ readonly code: Code }>): Map<Code, number> {
  const counts = new Map<Code, number>()
  for (const { code } of items) counts.set(code, (counts.get(code) ?? 0) + 1)
  return counts
}
