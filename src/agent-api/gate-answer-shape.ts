import type { CanRebootAnswer, GateAnswer } from './agent-protocol.ts'

/**
 * Whether a coordinator has answered `gate`: what it says in detail is its own, and may hold more than is known here.
 */
export function isGateAnswer(value: unknown): value is GateAnswer {
  const { at, coordinator, hosts } = keysOf(value)
  return typeof at === 'string' && (coordinator === null || isNamed(coordinator)) && isListOf(hosts, isHost)
}

/** The same for `can-reboot`. */
export function isCanRebootAnswer(value: unknown): value is CanRebootAnswer {
  const { canReboot, hosts, error, reasons } = keysOf(value)
  return (
    typeof canReboot === 'boolean' &&
    isListOf(hosts, isNamed) &&
    (error === null || isListOf(error, isText)) &&
    isListOf(reasons, isReason)
  )
}

function isHost(value: unknown): boolean {
  const { live, enabled, operations, reasons, override } = keysOf(value)
  return (
    isNamed(value) &&
    typeof live === 'boolean' &&
    typeof enabled === 'boolean' &&
    Object.values(keysOf(operations)).every(error => error === null || isListOf(error, isText)) &&
    isListOf(reasons, isReason) &&
    (override === null || isOverride(override))
  )
}

function isReason(value: unknown): boolean {
  const { code, host, sr, clearedBy, text, since } = keysOf(value)
  return (
    isText(code) &&
    isNamed(host) &&
    isNamed(sr) &&
    (clearedBy === 'time' || clearedBy === 'operator') &&
    isText(text) &&
    (since === null || isText(since))
  )
}

function isOverride(value: unknown): boolean {
  const { reason, by, expiresAt, inForce } = keysOf(value)
  return isText(reason) && isText(by) && isText(expiresAt) && typeof inForce === 'boolean'
}

function isNamed(value: unknown): boolean {
  const { uuid, name } = keysOf(value)
  return isText(uuid) && isText(name)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem)
}

function keysOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}
