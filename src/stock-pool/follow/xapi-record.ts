/** A record of XenAPI as it arrives in an event. The readers below are total: a field with another type reads as if it were absent. */
export type XapiRecord = Readonly<Record<string, unknown>>

export function textField(record: XapiRecord, field: string): string {
  const value = record[field]
  return typeof value === 'string' ? value : ''
}

/** `null`: absent. */
export function flagField(record: XapiRecord, field: string): boolean | null {
  const value = record[field]
  return typeof value === 'boolean' ? value : null
}

/** The entries of a map of strings, in the database's order. */
export function mapField(record: XapiRecord, field: string): Readonly<Record<string, string>> {
  const value = record[field]
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, string] => isText(entry[1])))
}

export function listField(record: XapiRecord, field: string): readonly string[] {
  const value = record[field]
  return Array.isArray(value) ? value.filter(isText) : []
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
