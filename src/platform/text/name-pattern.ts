/**
 * Makes a function that tests whether a name matches a pattern: `*` matches any characters, all other characters match themselves.
 *
 * Each part is searched once, after the part before. A regular expression would try all ways to distribute a name over many `*`, which
 * takes hours if none matches.
 */
export function namePattern(pattern: string): (name: string) => boolean {
  const [first = '', ...others] = pattern.split('*')
  const last = others.pop()
  if (last === undefined) return name => name === pattern
  return name => {
    let from = first.length
    if (!name.startsWith(first)) return false
    for (const part of others) {
      const found = name.indexOf(part, from)
      if (found === -1) return false
      from = found + part.length
    }
    return name.length - last.length >= from && name.endsWith(last)
  }
}
