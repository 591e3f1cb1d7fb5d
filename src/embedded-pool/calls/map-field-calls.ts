import type { Database } from '../database/database.ts'
import type { StringMap } from '../database/records.ts'
import type { ReportTimes } from '../hosts/report-times.ts'
import type { Tasks } from '../tasks/tasks.ts'
import { ApiFailure } from './api-failure.ts'
import { assertMapSize, type Call, type CallContext, type CallTable } from './call.ts'
import { assertMayChangeTask, assertSmall } from './task-calls.ts'

/** Classes with an other_config that clients may write. */
const WITH_OTHER_CONFIG = ['pool', 'host', 'host_metrics', 'SR', 'PBD', 'task'] as const

/** One string map that clients may write. */
interface MapField {
  readonly cls: (typeof WITH_OTHER_CONFIG)[number]
  readonly field: 'other_config' | 'sm_config'
  readonly access: Pick<Call, 'role' | 'durable' | 'isChange'>
  readonly read: (ref: string) => StringMap
  readonly write: (ref: string, map: StringMap) => void
  /** @throws ApiFailure RBAC_PERMISSION_DENIED */
  readonly assertMayWrite: (ref: string, context: CallContext) => void
  /** @throws ApiFailure VALUE_NOT_SUPPORTED */
  readonly assertSize: (map: StringMap) => void
}

/** `add_to_`, `remove_from_` and `set_` of every other_config, and of SR.sm_config. */
export function mapFieldCalls(db: Database, reportTimes: ReportTimes, tasks: Tasks): CallTable {
  const otherConfigs = WITH_OTHER_CONFIG.map((cls): MapField => {
    // Reports are written often, and after a restart no stored report counts. Tasks are not kept.
    const durable = cls === 'PBD' || cls === 'task' ? {} : ({ durable: true } as const)
    return {
      cls,
      field: 'other_config',
      access: { role: cls === 'task' ? 'read-only' : 'pool-operator', isChange: true, ...durable },
      read: ref => db.get(cls, ref)?.other_config ?? {},
      write: (ref, map) => void db.update(cls, ref, { other_config: map }),
      assertMayWrite: (ref, context) => {
        if (cls === 'task') assertMayChangeTask(tasks, ref, context)
      },
      assertSize: map => {
        if (cls === 'task') assertSmall('other_config', Object.entries(map).flat().join(''))
        else assertMapSize('other_config', map)
      },
    }
  })
  const smConfig: MapField = {
    cls: 'SR',
    field: 'sm_config',
    access: { role: 'pool-operator', isChange: true, durable: true },
    read: ref => db.get('SR', ref)?.sm_config ?? {},
    write: (ref, map) => void db.update('SR', ref, { sm_config: map }),
    assertMayWrite: () => undefined,
    assertSize: map => assertMapSize('sm_config', map),
  }
  return Object.fromEntries([...otherConfigs, smConfig].flatMap(field => Object.entries(callsOf(field, reportTimes))))
}

function callsOf({ cls, field, access, read, write, ...assert }: MapField, reportTimes: ReportTimes): CallTable {
  return {
    [`${cls}.add_to_${field}`]: {
      parameters: 3,
      ...access,
      run: (args, context) => {
        const ref = args.ref(cls)
        const key = args.string('key')
        const value = args.string('value')
        assert.assertMayWrite(ref, context)
        const current = read(ref)
        // db_cache_types.ml add_to_map: an empty key is invalid, and on the coordinator an add is never idempotent
        if (key === '') throw new ApiFailure('VALUE_NOT_SUPPORTED', 'key', key, 'empty')
        if (Object.hasOwn(current, key)) throw new ApiFailure('MAP_DUPLICATE_KEY', cls, field, ref, key)
        const map = Object.fromEntries([...Object.entries(current), [key, value]])
        assert.assertSize(map)
        if (cls === 'PBD') reportTimes.added(ref, key)
        write(ref, map)
      },
    },
    [`${cls}.remove_from_${field}`]: {
      parameters: 2,
      ...access,
      run: (args, context) => {
        const ref = args.ref(cls)
        const key = args.string('key')
        assert.assertMayWrite(ref, context)
        // in stock xapi an absent key is no error
        write(ref, Object.fromEntries(Object.entries(read(ref)).filter(([name]) => name !== key)))
      },
    },
    [`${cls}.set_${field}`]: {
      parameters: 2,
      ...access,
      run: (args, context) => {
        const ref = args.ref(cls)
        const map = args.stringMap(field)
        assert.assertMayWrite(ref, context)
        assert.assertSize(map)
        if (cls === 'PBD') reportTimes.replaced(ref, read(ref), map)
        write(ref, map)
      },
    },
  }
}
