import { ApiFailure } from './api-failure.ts'

/** Stock's roles (datamodel_roles.ml), each with all rights of those before it. */
export const ROLES = ['read-only', 'vm-operator', 'vm-admin', 'vm-power-admin', 'pool-operator', 'pool-admin'] as const

export type Role = (typeof ROLES)[number]

export function mayAct(role: Role, least: Role): boolean {
  return ROLES.indexOf(role) >= ROLES.indexOf(least)
}

/** The permission to call a method, in the small letters in which stock has it (rbac_static.ml): clients look names up. */
export function permissionOf(method: string): string {
  return method.toLowerCase()
}

/** @throws ApiFailure RBAC_PERMISSION_DENIED [permission, message] */
export function assertRole(role: Role, least: Role, permission: string): void {
  if (mayAct(role, least)) return
  const enough = ROLES.filter(one => mayAct(one, least)).join(', ')
  throw new ApiFailure(
    'RBAC_PERMISSION_DENIED',
    permission,
    `No permission in user session. (Roles with this permission: ${enough})`,
  )
}
