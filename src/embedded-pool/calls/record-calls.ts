import type { Database } from '../database/database.ts'
import { FIELDS } from '../database/new-record.ts'
import { parseFilter } from '../database/record-filter.ts'
import { PUBLIC_CLASSES, type PublicClass } from '../database/records.ts'
import { ApiFailure } from './api-failure.ts'
import type { Arguments, CallTable } from './call.ts'
import { fixedFieldsOf, publicRecord } from './public-record.ts'

/** Longest part of a wrong field name that an error repeats. */
const MAX_ECHO_LENGTH = 64

/** The read methods of every class: get_all, get_all_records, both with `_where`, get_record, get_by_uuid, get_by_name_label, and a getter for each field. */
export function recordCalls(db: Database): CallTable {
  return Object.fromEntries(PUBLIC_CLASSES.flatMap(cls => Object.entries(callsOf(cls, db))))
}

function callsOf(cls: PublicClass, db: Database): CallTable {
  const fields = [...new Set([...FIELDS[cls], ...fixedFieldsOf(cls)])]
  const record = (ref: string) => {
    const found = db.get(cls, ref)
    return found === undefined ? undefined : publicRecord(cls, found)
  }
  const list = () => db.list(cls).map(([ref, each]) => [ref, publicRecord(cls, each)] as const)
  const getters = fields.map(
    field =>
      [
        `${cls}.get_${field}`,
        {
          parameters: 1,
          role: 'read-only',
          run: (args): unknown => Reflect.get({ ...record(args.ref(cls)) }, field),
        },
      ] satisfies [string, CallTable[string]],
  )
  const where = (args: Arguments) => {
    const matches = parseFilter(args.string('expr'))
    return list().filter(([ref, record]) => matches(field => columnOf(ref, record, field)))
  }
  return {
    [`${cls}.get_all`]: { parameters: 0, role: 'read-only', run: () => db.list(cls).map(([ref]) => ref) },
    [`${cls}.get_all_records`]: { parameters: 0, role: 'read-only', run: () => Object.fromEntries(list()) },
    [`${cls}.get_all_where`]: { parameters: 1, role: 'read-only', run: args => where(args).map(([ref]) => ref) },
    [`${cls}.get_all_records_where`]: {
      parameters: 1,
      role: 'read-only',
      run: args => Object.fromEntries(where(args)),
    },
    [`${cls}.get_record`]: { parameters: 1, role: 'read-only', run: args => record(args.ref(cls)) },
    [`${cls}.get_by_uuid`]: {
      parameters: 1,
      role: 'read-only',
      run: args => {
        const uuid = args.string('uuid')
        const found = db.list(cls).find(([, record]) => record.uuid === uuid)
        if (found === undefined) throw new ApiFailure('UUID_INVALID', cls, uuid)
        return found[0]
      },
    },
    ...Object.fromEntries(getters),
    ...(FIELDS[cls].includes('name_label') && cls !== 'pool' ? byNameLabel(cls, db) : {}),
  }
}

/**
 * The text of a field for a filter. The database of stock xapi writes `name_label` as `name__label`; both are accepted here.
 * @throws ApiFailure INTERNAL_ERROR, as stock xapi for an unknown field; also for lists and maps, which cannot be compared here
 */
function columnOf(ref: string, record: object, field: string): string {
  if (field === '_ref') return ref
  const name = field.replace('__', '_')
  const value: unknown = Object.hasOwn(record, name) ? Reflect.get(record, name) : undefined
  if (value === undefined) {
    const echoed = JSON.stringify(field.slice(0, MAX_ECHO_LENGTH))
    throw new ApiFailure('INTERNAL_ERROR', `Db_exn.DBCache_NotFound("missing field", ${echoed}, "")`)
  }
  if (typeof value === 'object') throw new ApiFailure('INTERNAL_ERROR', `${name} is a list or a map`)
  return String(value)
}

/** get_by_name_label. Stock xapi has no such method for class pool. */
function byNameLabel(cls: PublicClass, db: Database): CallTable {
  return {
    [`${cls}.get_by_name_label`]: {
      parameters: 1,
      role: 'read-only',
      run: args => {
        const label = args.string('label')
        return db
          .list(cls)
          .filter(([, record]) => 'name_label' in record && record.name_label === label)
          .map(([ref]) => ref)
      },
    },
  }
}
