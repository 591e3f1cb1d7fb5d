import { isJsonObject } from '../../platform/json/parse-json.ts'
/**
 * Undoes one change of a record or another object of values. Later changes of others stay: key by key in maps, field by field in
 * everything else.
 */
export function withoutChange<T extends object>(now: T, before: T, after: T): T {
  const result = { ...now }
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    const [value, old, changed] = [now, before, after].map(from => own(from, key))
    if (old === changed) continue
    if (value !== changed) {
      if (isJsonObject(value) && isJsonObject(old) && isJsonObject(changed))
        put(result, key, withoutChange(value, old, changed))
    } else if (Object.hasOwn(before, key)) put(result, key, old)
    else Reflect.deleteProperty(result, key)
  }
  return result
}

function own(from: object, key: string): unknown {
  return Object.hasOwn(from, key) ? Reflect.get(from, key) : undefined
}

/** A key may be `__proto__`. */
function put(into: object, key: string, value: unknown): void {
  Object.defineProperty(into, key, { value, configurable: true, enumerable: true, writable: true })
}
