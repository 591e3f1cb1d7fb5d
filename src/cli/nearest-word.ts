/** The known word that is most similar to `word`; `null`: none is similar. */
export function nearestWord(word: string, known: readonly string[]): string | null {
  let nearest: string | null = null
  // One mistake is allowed in a short word, two in a longer word.
  let distance = word.length <= 3 ? 2 : 3
  for (const each of known) {
    const difference = editDistance(word, each)
    if (difference < distance) [nearest, distance] = [each, difference]
  }
  return nearest
}

/** The number of insertions, deletions, changes and swaps of neighbours that turn one text into the other. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row += 1) {
    const next = [row]
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1]
      let best = Math.min(at(last, column) + 1, at(next, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        best = Math.min(best, at(beforeLast, column - 2) + 1)
      }
      next.push(best)
    }
    beforeLast = last
    last = next
  }
  return at(last, b.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
