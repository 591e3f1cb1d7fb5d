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
