import { hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { GuardEvent } from '../stock-pool/stock-pool-port.ts'

type Level = 'info' | 'warning' | 'error'

/** How many reasons a line of the log has. */
const MAX_REASONS = 3

/** The line of the log for an event of the guard. */
export function describeGuardEvent(event: GuardEvent): { readonly level: Level; readonly text: string } {
  switch (event.code) {
    case 'guard-follows':
      return { level: 'info', text: 'the toolstack answers again' }
    case 'guard-lost':
      return { level: 'error', text: `the toolstack does not answer: ${event.why}` }
    case 'guard-blocks':
      return { level: 'warning', text: `no host of the pool may reboot or shut down: ${describeCause(event)}` }
    case 'guard-lifts':
      return { level: 'info', text: 'a disabled host may reboot or shut down' }
    case 'guard-task-vanished':
      return { level: 'warning', text: 'the task that blocks reboots is gone, and is made again' }
    case 'guard-powerless':
      return {
        level: 'error',
        text: event.hasSentinel
          ? 'the SR of type resync-monitor is plugged on no host, so reboots cannot be blocked: plug one of its PBDs'
          : 'the pool has no SR of type resync-monitor, so reboots cannot be blocked: create it',
      }
    case 'guard-plugged':
      return {
        level: 'warning',
        text: `the PBD of host ${event.host} was unplugged after its start, and is plugged now`,
      }
    case 'guard-not-plugged':
      return { level: 'error', text: `the PBD of host ${event.host} cannot be plugged: ${event.why}` }
    case 'hold-placed':
      return { level: 'info', text: `host ${event.host} goes down and will stay disabled until all is in sync again` }
    case 'hold-released':
      return { level: 'info', text: `host ${event.host} is back and all is in sync: it is enabled` }
    case 'hold-ended':
      return {
        level: 'warning',
        text: `host ${event.host} is no longer held: a client enabled it, or it did not reboot`,
      }
    case 'hold-failed':
      return { level: 'error', text: `host ${event.host} cannot be held: ${event.why}` }
    case 'reboot-undone':
      return {
        level: 'warning',
        text: `the reboot of host ${event.host} was undone: host ${event.first} of the same SR goes down as well`,
      }
    case 'reboot-not-undone':
      return {
        level: 'error',
        text: `hosts ${event.first} and ${event.host} of one SR both go down, and the second cannot be stopped: ${event.why}`,
      }
    case 'guard-field-lags':
      return { level: 'warning', text: `host.allowed_operations could not be computed again: ${event.why}` }
  }
}

function describeCause({ cause, pool }: Extract<GuardEvent, { code: 'guard-blocks' }>): string {
  if (cause.kind === 'claims') {
    const names = cause.hosts.map(host => hostName(host, pool)).join(' and ')
    return `${names} are disabled at the same time: enable all but one, or reserve the reboot for one`
  }
  const shown = cause.reasons.slice(0, MAX_REASONS).map(({ code, host }) => `${hostName(host, pool)} ${code}`)
  const more = cause.reasons.length - shown.length
  return more > 0 ? `${shown.join(', ')}, and ${more} more` : shown.join(', ')
}
