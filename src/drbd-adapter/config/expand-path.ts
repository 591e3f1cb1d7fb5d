import { readdir } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import { codeOf } from '../../platform/errors.ts'

/** Error codes of a missing file or folder: nothing is configured there. After other errors the content is unknown. */
export const NOTHING_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR'])

export function hasWildcards(path: string): boolean {
  return /[*?[]/.test(path)
}

/**
 * Expands a path with wildcards in any of its parts, as drbdadm does with glob(3).
 *
 * @param root the directory that stands for `/`
 * @param known paths found before: those that match are returned while a folder cannot be listed
 * @param cannotRead called for each folder that cannot be listed
 */
export async function expandPath(
  root: string,
  path: string,
  known: () => Iterable<string>,
  cannotRead: (code: 'folder-unreadable', text: string) => void,
): Promise<readonly string[]> {
  if (!hasWildcards(path)) return [path]
  let found: string[] = ['/']
  const parts = path.split('/').filter(part => part !== '')
  for (const [index, part] of parts.entries()) {
    if (!hasWildcards(part)) {
      found = found.map(folder => posix.join(folder, part))
      continue
    }
    const pattern = wildcards(part)
    const next: string[] = []
    for (const folder of found) {
      try {
        for (const name of await readdir(join(root, folder)))
          if (pattern.test(name)) next.push(posix.join(folder, name))
      } catch (error) {
        const code = codeOf(error) ?? 'error'
        if (NOTHING_THERE.has(code)) continue
        cannotRead('folder-unreadable', `${folder} cannot be listed: ${code}`)
        for (const each of known()) {
          const below = ancestor(each, parts.length - index - 1)
          if (below !== null && dirname(below) === folder && pattern.test(posix.basename(below))) next.push(below)
        }
      }
    }
    found = [...new Set(next)]
  }
  return found
}

/** The path without its last `parts` parts; `null`: it has fewer. */
function ancestor(path: string, parts: number): string | null {
  let above = path
  for (let part = 0; part < parts; part += 1) above = dirname(above)
  return above === '/' ? null : above
}

/** Converts `*`, `?` and `[…]` of glob(3) to a regular expression. Only a dot matches a leading dot. */
function wildcards(pattern: string): RegExp {
  const source = pattern.replace(
    /\[(!?)(\]?[^\]]*)\]|[.+^${}()|[\]\\*?]/g,
    (token, not?: string, characters?: string) => {
      if (token === '*') return '.*'
      if (token === '?') return '.'
      if (characters === undefined || characters === '') return `\\${token}`
      return `[${not === '!' ? '^' : ''}${characters.replace(/[\\\]^[]/g, '\\$&')}]`
    },
  )
  return new RegExp(`^${/^[*?[]/.test(pattern) ? '(?!\\.)' : ''}${source}$`)
}
