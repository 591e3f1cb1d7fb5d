import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { StringMap } from '../database/records.ts'
import { xapiDateTime } from '../database/xapi-datetime.ts'
import type { HostOperations } from '../hosts/host-operations.ts'
import type { HostPresence } from '../hosts/host-presence.ts'
import { ApiFailure, PluginFailure } from './api-failure.ts'
import type { CallTable } from './call.ts'

export interface PluginCall {
  /** Ref of the host that runs the plugin. */
  readonly host: string
  readonly plugin: string
  readonly fn: string
  readonly args: StringMap
  /** Aborted when no client waits for the answer any more. */
  readonly signal: AbortSignal
}

/** Runs a XenAPI plugin on a host. Returns its output, or XENAPI_MISSING_PLUGIN [plugin], XENAPI_PLUGIN_FAILURE [fn, exception, message]. */
export type HostPlugins = (call: PluginCall) => Promise<{ readonly result: string } | { readonly error: XapiError }>

interface HostCallsOptions {
  readonly operations: HostOperations
  readonly presence: HostPresence
  readonly plugins: HostPlugins
  /** The time by the clock of the host. */
  readonly hostNow: (hostRef: string) => number
}

/** Longest reason that an operator may give, in UTF-16 units. */
const MAX_REASON_LENGTH = 1_024

/** The methods of class host except field access. */
export function hostCalls({ operations, presence, plugins, hostNow }: HostCallsOptions): CallTable {
  return {
    // xapi from 25.31 has `auto_enable`; false: no restart enables the host, only host.enable does
    'host.disable': {
      parameters: [1, 2],
      role: 'pool-operator',
      async: true,
      durable: true,
      run: args => operations.disable(args.ref('host'), args.more ? args.flag('auto_enable') : true),
    },
    'host.enable': {
      parameters: 1,
      role: 'pool-operator',
      async: true,
      durable: true,
      run: (args, { task }) => operations.enable(args.ref('host'), task),
    },
    // newer xapi has a network and a batch size too
    'host.evacuate': {
      parameters: [1, 3],
      role: 'pool-operator',
      async: true,
      run: (args, { task }) => operations.evacuate(args.ref('host'), task),
    },
    'host.assert_can_evacuate': {
      parameters: 1,
      role: 'pool-operator',
      async: true,
      run: args => void args.ref('host'),
    },
    'host.get_vms_which_prevent_evacuation': {
      parameters: 1,
      role: 'read-only',
      run: args => {
        args.ref('host')
        return {}
      },
    },
    'host.reboot': {
      parameters: 1,
      role: 'pool-operator',
      async: true,
      run: (args, context) => operations.takeDown(args.ref('host'), 'reboot', context),
    },
    'host.shutdown': {
      parameters: 1,
      role: 'pool-operator',
      async: true,
      run: (args, context) => operations.takeDown(args.ref('host'), 'shutdown', context),
    },
    // Not in stock xapi: an operator states that a host does not carry out its order. The call does not wait for the disk: after a
    // crash the host counts as going down again, which is the safe side.
    'host.clear_order': {
      parameters: 2,
      role: 'pool-operator',
      run: (args, { user }) => {
        const host = args.ref('host')
        const reason = args.string('reason').trim()
        if (reason === '' || reason.length > MAX_REASON_LENGTH) {
          throw new ApiFailure(
            'VALUE_NOT_SUPPORTED',
            'reason',
            reason.slice(0, 64),
            `1 to ${MAX_REASON_LENGTH} characters`,
          )
        }
        operations.orders.clear(host, user, reason)
      },
    },
    'host.restart_agent': {
      parameters: 1,
      role: 'pool-operator',
      async: true,
      durable: true,
      run: args => {
        const host = args.ref('host')
        presence.assertLive(host)
        presence.toolstackRestarted(host, hostNow(host))
      },
    },
    'host.power_on': {
      parameters: 1,
      role: 'pool-operator',
      async: true,
      run: (args, context) => operations.powerOn(args.ref('host'), context),
    },
    // clients compare it with agent_start_time, which is by the clock of the host too
    'host.get_servertime': {
      parameters: 1,
      role: 'read-only',
      run: args => {
        const host = args.ref('host')
        presence.assertLive(host)
        return xapiDateTime(hostNow(host))
      },
    },
    'host.call_plugin': {
      parameters: 4,
      role: 'pool-admin',
      async: true,
      run: async (args, { signal }) => {
        const host = args.ref('host')
        const call = {
          host,
          plugin: args.string('plugin'),
          fn: args.string('fn'),
          args: args.stringMap('args'),
          signal,
        }
        presence.assertLive(host)
        const outcome = await plugins(call)
        if ('error' in outcome) throw new PluginFailure(outcome.error)
        return outcome.result
      },
    },
  }
}
