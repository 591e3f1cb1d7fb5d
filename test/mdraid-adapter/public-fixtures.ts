import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** The fixtures of other projects are beside this project, not part of it. */
const PUBLIC = join(import.meta.dirname, '..', '..', '..', 'shared', 'fixtures', 'public')

/** For tap: the reason to skip a test of the public fixtures, or `false`. */
export const skipWithoutPublic = existsSync(PUBLIC) ? false : `the public fixtures are not here: ${PUBLIC}`

export function publicText(path: string): string {
  return readFileSync(join(PUBLIC, path), 'utf8')
}

export function publicJson(path: string): unknown {
  return JSON.parse(publicText(path))
}

/** The files below a directory of the public fixtures, by relative path. */
export function publicTree(directory: string): Record<string, string> {
  const root = join(PUBLIC, directory)
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(path =>
    statSync(join(root, path)).isFile(),
  )
  return Object.fromEntries(files.map(path => [path, readFileSync(join(root, path), 'utf8')]))
}

/** The value at a path of keys in parsed JSON; `undefined`: there is none. */
export function pluck(value: unknown, ...keys: readonly (string | number)[]): unknown {
  let found = value
  for (const key of keys) {
    if (typeof found !== 'object' || found === null) return undefined
    found = Object.entries(found).find(([name]) => name === String(key))?.[1]
  }
  return found
}

export function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}
