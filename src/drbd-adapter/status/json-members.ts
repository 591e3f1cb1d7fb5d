import { yesNo } from '../drbd-words.ts'

/** The members of a JSON object by key. `_` in keys becomes `-`, because releases of drbd-utils differ in it (`peer_devices`). */
export type Members = ReadonlyMap<string, unknown>

/** Parses JSON, with nan and inf as null: releases before drbd-utils 10429303 print them. Returns `null` if the text is no JSON. */
export function parseLoosely(json: string): { readonly json: string; readonly document: unknown } | null {
  for (const candidate of [json, json.replace(/(":\s*)[-+]?(?:nan|inf|infinity)(?=\s*[,}\]])/gi, '$1null')]) {
    try {
      return { json: candidate, document: JSON.parse(candidate) }
    } catch {
      // The next candidate, or none.
    }
  }
  return null
}

/** The line with the first JSON error; the last line if the parser does not name one. */
export function placeOf(json: string): string {
  try {
    JSON.parse(json)
  } catch (error) {
    const [, line] = /\(line (\d+) column \d+\)/.exec(String(error)) ?? []
    if (line !== undefined) return `line ${line}`
  }
  return `line ${json.split('\n').length}`
}

/** Describes a value of any depth in a few words. */
export function shallow(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(JSON.stringify(value)).slice(0, 64)
  if (Array.isArray(value)) return `a list of ${value.length}`
  return `an object with ${Object.keys(value).slice(0, 4).join(', ') || 'no key'}`
}

/** The objects of a list; `null` for each element that is no object. */
export function listOf(value: unknown): (Members | null)[] {
  return Array.isArray(value) ? value.map(membersOf) : []
}

export function membersOf(value: unknown): Members | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  return new Map(Object.entries(value).map(([key, member]): [string, unknown] => [key.replaceAll('_', '-'), member]))
}

export function wordOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

export function flagOf(value: unknown): boolean | null {
  return typeof value === 'boolean' ? value : typeof value === 'string' ? yesNo(value) : null
}
