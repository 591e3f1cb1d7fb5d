import { OVERRIDE_KEY } from '../../allowed-operations/pool/override.ts'
import { REPORT_KEY } from '../../sync-query/report/report.ts'

/** The plugin of this project, and its functions that an agent asks of its pool. */
const PLUGIN = 'resync-monitor'
const ASKED_FUNCTIONS: ReadonlySet<unknown> = new Set(['gate', 'can-reboot'])

type Parameters = readonly unknown[]

const always = () => true

/**
 * What the role `host-agent` may call beyond reading, by the call's parameters without the session: signs of life, reports, messages,
 * the gate's answers, and what an operator states through the agent of a host: overrides, and that a host does not carry out its
 * order. It may neither write other keys nor reboot, disable or configure anything. Stock has the like for single keys of maps (datamodel.ml map_keys_roles).
 */
const AGENT_CALLS: Readonly<Record<string, (params: Parameters) => boolean>> = {
  'pool.hello': always,
  'host.tickle_heartbeat': always,
  'PBD.add_to_other_config': ([, key]) => key === REPORT_KEY,
  'PBD.remove_from_other_config': ([, key]) => key === REPORT_KEY,
  'host.add_to_other_config': ([, key]) => key === OVERRIDE_KEY,
  'host.remove_from_other_config': ([, key]) => key === OVERRIDE_KEY,
  'host.clear_order': always,
  'host.call_plugin': ([, plugin, fn]) => plugin === PLUGIN && ASKED_FUNCTIONS.has(fn),
  'message.create': always,
}

/** Whether the role `host-agent` may call a method, at least with some parameters. */
export function isAgentCall(method: string): boolean {
  return Object.hasOwn(AGENT_CALLS, method)
}

/** Whether the role `host-agent` may call a method with these parameters, the session left out. */
export function mayAgentCall(method: string, params: Parameters): boolean {
  return isAgentCall(method) && (AGENT_CALLS[method]?.(params) ?? false)
}
