import { ApiFailure } from './api-failure.ts'
import type { CallTable } from './call.ts'
import type { Database } from './database.ts'
import { FIELDS } from './new-record.ts'
import { PUBLIC_CLASSES, type PublicClass } from './records.ts'

/** What every class can be asked: get_all, get_all_records, get_record, get_by_uuid, and one get_ for each field. */
export function recordCalls(db: Database): CallTable {
  return Object.fromEntries(PUBLIC_CLASSES.flatMap(cls => Object.entries(callsOf(cls, db))))
}

function callsOf(cls: PublicClass, db: Database): CallTable {
  const getters = FIELDS[cls].map(
    field =>
      [
        `${cls}.get_${field}`,
        { parameters: 1, run: (args): unknown => Reflect.get({ ...db.get(cls, args.ref(cls)) }, field) },
      ] satisfies [string, CallTable[string]],
  )
  return {
    [`${cls}.get_all`]: { parameters: 0, run: () => db.list(cls).map(([ref]) => ref) },
    [`${cls}.get_all_records`]: { parameters: 0, run: () => Object.fromEntries(db.list(cls)) },
    [`${cls}.get_record`]: { parameters: 1, run: args => db.get(cls, args.ref(cls)) },
    [`${cls}.get_by_uuid`]: {
      parameters: 1,
      run: args => {
        const uuid = args.string('uuid')
        const found = db.list(cls).find(([, record]) => record.uuid === uuid)
        if (found === undefined) throw new ApiFailure('UUID_INVALID', cls, uuid)
        return found[0]
      },
    },
    ...Object.fromEntries(getters),
  }
}
