import { isPoolFunction, PLUGIN_NAME } from '../../agent-api/plugin-functions.ts'
import { OVERRIDE_KEY } from '../../allowed-operations/pool/override.ts'
import { REPORT_KEY } from '../../sync-query/report/report.ts'
import { ApiFailure } from '../calls/api-failure.ts'

/** The roles of stock xapi (datamodel_roles.ml), each with all rights of those before it. */
export const ROLES = ['read-only', 'vm-operator', 'vm-admin', 'vm-power-admin', 'pool-operator', 'pool-admin'] as const

/** The role of the agents of hosts: to read, and the calls of `AGENT_CALLS`. Stock xapi has no such role. */
export const HOST_AGENT = 'host-agent'

export type Role = (typeof ROLES)[number] | typeof HOST_AGENT

export function mayAct(role: Role, least: (typeof ROLES)[number]): boolean {
  return ROLES.indexOf(role === HOST_AGENT ? 'read-only' : role) >= ROLES.indexOf(least)
}

/** Whether the limits per user do not apply to a role: all hosts of a pool act as one user. */
export function isUnbounded(role: Role): boolean {
  return role === HOST_AGENT || mayAct(role, 'pool-operator')
}

/** The name of the permission to call a method, in lower case as in stock xapi (rbac_static.ml): clients search for names. */
export function permissionOf(method: string): string {
  return method.toLowerCase()
}

/** @throws ApiFailure RBAC_PERMISSION_DENIED [permission, message] */
export function assertRole(role: Role, least: (typeof ROLES)[number], permission: string): void {
  if (mayAct(role, least)) return
  const enough = ROLES.filter(one => mayAct(one, least)).join(', ')
  throw new ApiFailure(
    'RBAC_PERMISSION_DENIED',
    permission,
    `No permission in user session. (Roles with this permission: ${enough})`,
  )
}

type Parameters = readonly unknown[]

const always = () => true

/**
 * The calls that the role `host-agent` may make besides reading, by their parameters without the session: heartbeats, reports,
 * messages, questions to the gate, and what an operator states on a host: overrides, and that a host does not carry out its order.
 * The role may not write other keys, and may not reboot, disable or configure anything. Stock xapi has similar rules for single keys of
 * maps (datamodel.ml map_keys_roles).
 */
const AGENT_CALLS: Readonly<Record<string, (params: Parameters) => boolean>> = {
  'pool.hello': always,
  'host.tickle_heartbeat': always,
  'PBD.add_to_other_config': ([, key]) => key === REPORT_KEY,
  'PBD.remove_from_other_config': ([, key]) => key === REPORT_KEY,
  'host.add_to_other_config': ([, key]) => key === OVERRIDE_KEY,
  'host.remove_from_other_config': ([, key]) => key === OVERRIDE_KEY,
  'host.clear_order': always,
  'host.call_plugin': ([, plugin, fn]) => plugin === PLUGIN_NAME && isPoolFunction(fn),
  'message.create': always,
}

/** Whether the role `host-agent` may call a method with at least some parameters. */
export function isAgentCall(method: string): boolean {
  return Object.hasOwn(AGENT_CALLS, method)
}

/** Whether the role `host-agent` may call a method with these parameters (without the session). */
export function mayAgentCall(method: string, params: Parameters): boolean {
  return isAgentCall(method) && (AGENT_CALLS[method]?.(params) ?? false)
}
