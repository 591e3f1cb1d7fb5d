import { isPoolFunction, PLUGIN_NAME } from '../../agent-api/plugin-functions.ts'
import { OVERRIDE_KEY } from '../../allowed-operations/pool/override.ts'
import { REPORT_KEY } from '../../sync-query/report/report.ts'
import { ApiFailure } from '../calls/api-failure.ts'

/** Stock's roles (datamodel_roles.ml), each with all rights of those before it. */
export const ROLES = ['read-only', 'vm-operator', 'vm-admin', 'vm-power-admin', 'pool-operator', 'pool-admin'] as const

/** What the agents of hosts need: to read, and the calls of `AGENT_CALLS`. Stock has no such role. */
export const HOST_AGENT = 'host-agent'

export type Role = (typeof ROLES)[number] | typeof HOST_AGENT

export function mayAct(role: Role, least: (typeof ROLES)[number]): boolean {
  return ROLES.indexOf(role === HOST_AGENT ? 'read-only' : role) >= ROLES.indexOf(least)
}

/** Whether shares of one user do not bound it: all hosts of a pool act as one user. */
export function isUnbounded(role: Role): boolean {
  return role === HOST_AGENT || mayAct(role, 'pool-operator')
}

/** The permission to call a method, in the small letters in which stock has it (rbac_static.ml): clients look names up. */
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
  'host.call_plugin': ([, plugin, fn]) => plugin === PLUGIN_NAME && isPoolFunction(fn),
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
