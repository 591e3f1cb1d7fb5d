/**
 * Tells whether a name of a mirror is one that a pattern stands for: `*` is any run of characters, all else is itself.
 *
 * Each part is looked for once, behind the one before: a regular expression tries all ways to spread a name over many `*`,
 * which takes hours where none fits.
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
