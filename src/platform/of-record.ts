/**
 * A value that follows from a record alone. A record never changes, so the value is computed once and kept as long as the record: what is
 * made of many records costs only what is new, and unchanged parts are the same objects.
 */
export function ofRecord<R extends object, T>(known: WeakMap<R, T>, record: R, read: () => T): T {
  const found = known.get(record)
  if (found !== undefined) return found
  const value = read()
  known.set(record, value)
  return value
}
