import type { Database } from '../database/database.ts'
import type { ForgottenMembers } from '../hosts/forgotten-members.ts'
import type { HostPresence } from '../hosts/host-presence.ts'
import { addPbd, addSr, removeHost, removePbd, removeSr } from '../hosts/membership.ts'
import { ApiFailure } from './api-failure.ts'
import type { Arguments, CallTable } from './call.ts'

/** Limits what a client can create with SR.introduce. A pool has a handful of SRs. */
const MAX_SRS = 1_000

/**
 * The methods that add and remove SRs, PBDs and hosts. There is no pool.eject: it would remove a live host with its replicas and,
 * with its record, the reason that blocks the other hosts until their mirrors notice.
 */
export function membershipCalls(db: Database, presence: HostPresence, forgotten: ForgottenMembers): CallTable {
  const uuidOf = (cls: 'host' | 'SR', ref: string) => db.get(cls, ref)?.uuid ?? ''
  /** The host does the work, so it must be live even if there is nothing to do (message_forwarding.ml PBD.plug). */
  const attach = (args: Arguments, attached: boolean) => {
    const ref = args.ref('PBD')
    const pbd = db.get('PBD', ref)
    presence.assertLive(pbd?.host ?? '')
    if (pbd?.currently_attached !== attached) db.update('PBD', ref, { currently_attached: attached })
  }
  return {
    'PBD.create': member(args => {
      const record = args.record('record', ['host', 'SR', 'device_config', 'other_config'])
      const host = record.ref('host')
      const sr = record.ref('SR')
      const device_config = record.stringMap('device_config')
      const other_config = record.more ? record.stringMap('other_config') : {}
      const existing = db.list('PBD').find(([, pbd]) => pbd.host === host && pbd.SR === sr)
      if (existing !== undefined) throw new ApiFailure('PBD_EXISTS', sr, host, existing[0])
      forgotten.remove({ host: uuidOf('host', host), sr: uuidOf('SR', sr) })
      return addPbd(db, { host, sr, attached: false, device_config, other_config })
    }),
    'PBD.destroy': member(args => {
      const ref = args.ref('PBD')
      const pbd = db.get('PBD', ref)
      if (pbd?.currently_attached) throw new ApiFailure('OPERATION_NOT_ALLOWED', 'PBD is currently attached')
      if (pbd !== undefined) {
        forgotten.add({ host: uuidOf('host', pbd.host), sr: uuidOf('SR', pbd.SR) }, 'PBD.destroy')
      }
      removePbd(db, ref)
    }),
    'PBD.plug': member(args => attach(args, true)),
    'PBD.unplug': member(args => attach(args, false)),
    'SR.introduce': {
      ...member(args => {
        const uuid = args.string('uuid')
        const names = { name_label: args.string('name_label'), name_description: args.string('name_description') }
        const types = { type: args.string('type'), content_type: args.string('content_type') }
        const shared = args.flag('shared')
        const sm_config = args.more ? args.stringMap('sm_config') : {}
        if (db.list('SR').some(([, sr]) => sr.uuid === uuid)) throw new ApiFailure('SR_UUID_EXISTS', uuid)
        if (db.count('SR') >= MAX_SRS)
          throw new ApiFailure('OPERATION_NOT_ALLOWED', `the pool has the maximum of ${MAX_SRS} SRs`)
        forgotten.remove({ sr: uuid })
        return addSr(db, { uuid, ...names, ...types, shared, sm_config })
      }),
      parameters: [6, 7],
    },
    'SR.forget': member(args => {
      const ref = args.ref('SR')
      const pbds = db.list('PBD').filter(([, pbd]) => pbd.SR === ref)
      if (pbds.some(([, pbd]) => pbd.currently_attached)) throw new ApiFailure('SR_HAS_PBD', ref)
      forgotten.add({ sr: uuidOf('SR', ref) }, 'SR.forget')
      removeSr(db, ref)
    }),
    // nothing to scan: these SRs have no volumes and no known size
    'SR.scan': { ...member(args => void args.ref('SR')), role: 'vm-power-admin' },
    'SR.update': member(args => void args.ref('SR')),
    'pool.designate_new_master': member(args => {
      const ref = args.ref('host')
      presence.assertLive(ref)
      if (db.list('pool').some(([, pool]) => pool.master === ref)) return
      throw new ApiFailure('OPERATION_NOT_ALLOWED', 'the updater of this pool runs on its coordinator')
    }),
    'host.destroy': member(args => {
      const ref = args.ref('host')
      if (presence.isLive(ref)) throw new ApiFailure('HOST_IS_LIVE', ref)
      if (db.list('pool').some(([, pool]) => pool.master === ref)) {
        throw new ApiFailure('HOST_CANNOT_DESTROY_SELF', ref)
      }
      forgotten.add({ host: uuidOf('host', ref) }, 'host.destroy')
      removeHost(db, ref)
    }),
  }
}

function member(run: (args: Arguments) => unknown) {
  return { parameters: 1, role: 'pool-operator' as const, async: true as const, durable: true as const, run }
}
