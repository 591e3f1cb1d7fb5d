import type { Database } from '../database/database.ts'
import { NULL_REF } from '../database/records.ts'
import { ApiFailure } from './api-failure.ts'
import type { Arguments, CallTable } from './call.ts'

const MAX_HOSTNAME_LENGTH = 64
const MAX_TAGS = 100

/** The setters of fields that are not maps, as in stock xapi: names and tags, and single fields of some classes. */
export function setterCalls(db: Database): CallTable {
  return {
    ...namesAndTags('pool', db),
    ...namesAndTags('host', db),
    ...namesAndTags('SR', db),
    'pool.set_default_SR': setter(args => {
      const ref = args.ref('pool')
      const sr = args.string('SR')
      if (sr !== NULL_REF && !db.has('SR', sr)) throw new ApiFailure('HANDLE_INVALID', 'SR', sr)
      db.update('pool', ref, { default_SR: sr })
    }),
    'host.set_power_on_mode': {
      ...setter(args => {
        const ref = args.ref('host')
        const power_on_mode = args.string('power_on_mode')
        // power_on_config is checked and not kept: no code here uses it
        args.stringMap('power_on_config')
        db.update('host', ref, { power_on_mode })
      }),
      parameters: 3,
    },
    'host.set_hostname_live': setter(args => {
      const ref = args.ref('host')
      const hostname = args.string('hostname')
      if (hostname === '') throw new ApiFailure('HOST_NAME_INVALID', 'hostname empty')
      if (hostname.length > MAX_HOSTNAME_LENGTH) throw new ApiFailure('HOST_NAME_INVALID', 'hostname is too long')
      if (/\s/.test(hostname)) throw new ApiFailure('HOST_NAME_INVALID', 'hostname contains blanks')
      db.update('host', ref, { hostname })
    }),
    'PBD.set_device_config': setter(args => {
      const ref = args.ref('PBD')
      db.update('PBD', ref, { device_config: args.stringMap('device_config') })
    }),
  }
}

function namesAndTags(cls: 'pool' | 'host' | 'SR', db: Database): CallTable {
  const tagsOf = (ref: string) => db.get(cls, ref)?.tags ?? []
  return {
    [`${cls}.set_name_label`]: setter(args => {
      const ref = args.ref(cls)
      db.update(cls, ref, { name_label: args.string('name_label') })
    }),
    [`${cls}.set_name_description`]: setter(args => {
      const ref = args.ref(cls)
      db.update(cls, ref, { name_description: args.string('name_description') })
    }),
    [`${cls}.set_tags`]: setter(args => {
      const ref = args.ref(cls)
      db.update(cls, ref, { tags: [...new Set(args.strings('tags'))] })
    }, 'vm-operator'),
    [`${cls}.add_tags`]: setter(args => {
      const ref = args.ref(cls)
      const tag = args.string('tags')
      const tags = tagsOf(ref)
      if (tags.includes(tag)) return
      if (tags.length >= MAX_TAGS) throw new ApiFailure('VALUE_NOT_SUPPORTED', 'tags', tag, 'too many')
      db.update(cls, ref, { tags: [...tags, tag] })
    }, 'vm-operator'),
    [`${cls}.remove_tags`]: setter(args => {
      const ref = args.ref(cls)
      const tag = args.string('tags')
      if (tagsOf(ref).includes(tag)) db.update(cls, ref, { tags: tagsOf(ref).filter(one => one !== tag) })
    }, 'vm-operator'),
  }
}

function setter(run: (args: Arguments) => void, role: 'pool-operator' | 'vm-operator' = 'pool-operator') {
  return { parameters: 2, role, isChange: true as const, durable: true as const, run }
}
