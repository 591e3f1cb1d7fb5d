import type { GuardEvent } from '../stock-pool/guard-event.ts'
import type { BlockCause } from '../stock-pool/levers/block-cause.ts'

/** How many reasons a line of the log has. */
const MAX_REASONS = 3

/** The line of the log for an event of the guard. @param nameOf the name of a host, by its ref */
export function describeGuardEvent(event: GuardEvent, nameOf: (host: string) => string): string {
  switch (event.code) {
    case 'guard-follows':
      return 'the toolstack answers again'
    case 'guard-lost':
      return `the toolstack does not answer: ${event.why}`
    case 'guard-blocks':
      return `no host of the pool may reboot or shut down: ${describeCause(event.cause, nameOf)}`
    case 'guard-lifts':
      return 'a disabled host may reboot or shut down'
    case 'guard-task-vanished':
      return 'the task that blocks reboots is gone, and is made again'
    case 'guard-powerless':
      return event.hasSentinel
        ? 'the SR of type resync-monitor is plugged on no host, so reboots cannot be blocked: plug one of its PBDs'
        : 'the pool has no SR of type resync-monitor, so reboots cannot be blocked: create it'
    case 'guard-plugged':
      return `the PBD of host ${nameOf(event.host)} was unplugged after its start, and is plugged now`
    case 'guard-not-plugged':
      return `the PBD of host ${nameOf(event.host)} cannot be plugged: ${event.why}`
    case 'hold-placed':
      return `host ${nameOf(event.host)} goes down and will stay disabled until all is in sync again`
    case 'hold-released':
      return `host ${nameOf(event.host)} is back and all is in sync: it is enabled`
    case 'hold-ended':
      return `host ${nameOf(event.host)} is no longer held: a client enabled it, or it did not reboot`
    case 'hold-failed':
      return `host ${nameOf(event.host)} cannot be held: ${event.why}`
    case 'reboot-undone':
      return `the reboot of host ${nameOf(event.host)} was undone: host ${nameOf(event.first)} of the same SR goes down as well`
    case 'reboot-not-undone':
      return `hosts ${nameOf(event.first)} and ${nameOf(event.host)} of one SR both go down, and the second cannot be stopped: ${event.why}`
    case 'guard-field-lags':
      return `host.allowed_operations could not be computed again: ${event.why}`
  }
}

function describeCause(cause: BlockCause, nameOf: (host: string) => string): string {
  if (cause.kind === 'claims') {
    const names = cause.hosts.map(nameOf).join(' and ')
    return `${names} are disabled at the same time: enable all but one, or reserve the reboot for one`
  }
  const shown = cause.reasons.slice(0, MAX_REASONS).map(({ code, host }) => `${nameOf(host)} ${code}`)
  const more = cause.reasons.length - shown.length
  return more > 0 ? `${shown.join(', ')}, and ${more} more` : shown.join(', ')
}
