import { ApiFailure } from './api-failure.ts'
import { assertMapSize, type CallTable } from './call.ts'
import type { Database } from './database.ts'
import type { StringMap } from './records.ts'
import type { ReportTimes } from './report-times.ts'

/** The classes whose other_config clients may write. */
const WRITABLE = ['pool', 'host', 'SR', 'PBD', 'task'] as const

/** `<class>.add_to_other_config`, `remove_from_other_config` and `set_other_config`. */
export function otherConfigCalls(db: Database, reportTimes: ReportTimes): CallTable {
  return Object.fromEntries(WRITABLE.flatMap(cls => Object.entries(callsOf(cls, db, reportTimes))))
}

function callsOf(cls: (typeof WRITABLE)[number], db: Database, reportTimes: ReportTimes): CallTable {
  const current = (ref: string): StringMap => db.get(cls, ref)?.other_config ?? {}
  const write = (ref: string, map: StringMap) => {
    assertMapSize('other_config', map)
    db.update(cls, ref, { other_config: map })
  }
  return {
    [`${cls}.add_to_other_config`]: {
      parameters: 3,
      run: args => {
        const ref = args.ref(cls)
        const key = args.string('key')
        const value = args.string('value')
        // db_cache_types.ml add_to_map: an empty key is no key, and on the coordinator adding is never idempotent
        if (key === '') throw new ApiFailure('VALUE_NOT_SUPPORTED', 'key', key, 'empty')
        if (Object.hasOwn(current(ref), key)) throw new ApiFailure('MAP_DUPLICATE_KEY', cls, 'other_config', ref, key)
        if (cls === 'PBD') reportTimes.added(ref, key)
        write(ref, Object.fromEntries([...Object.entries(current(ref)), [key, value]]))
      },
    },
    [`${cls}.remove_from_other_config`]: {
      parameters: 2,
      run: args => {
        const ref = args.ref(cls)
        const key = args.string('key')
        // a key that is not there is no error in stock
        write(ref, Object.fromEntries(Object.entries(current(ref)).filter(([name]) => name !== key)))
      },
    },
    [`${cls}.set_other_config`]: {
      parameters: 2,
      run: args => {
        const ref = args.ref(cls)
        const map = args.stringMap('other_config')
        if (cls === 'PBD') reportTimes.replaced(ref, current(ref), map)
        write(ref, map)
      },
    },
  }
}
