import { DAEMON_LOG_LEVELS, type Log, type LogLevel, type LogOf, logWithLevels } from '../platform/systemd/log.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { DecisionEvent } from '../updater/decision-events.ts'
import { DecisionLog } from '../updater/decision-log.ts'
import type { UpdaterConfig } from './updater-config.ts'

/** The log codes of the coordinator's daemon, each with its level. docs/TROUBLESHOOTING.md explains each. */
export const COORDINATOR_LOG_LEVELS = {
  ...DAEMON_LOG_LEVELS,
  listening: 'info',
  'configuration-applied': 'info',
  'configuration-kept': 'warning',
  'member-forgotten': 'warning',
  'login-failed': 'warning',
  'poll-verified': 'info',
  'poll-unverified': 'warning',
  'operations-changed': 'info',
  'override-set': 'warning',
  'override-removed': 'warning',
  'override-used': 'warning',
  'override-expired': 'warning',
  'order-handed-out': 'info',
  'order-withdrawn': 'warning',
  'order-refused': 'warning',
  'order-cleared': 'warning',
  'told-to-go-and-still-here': 'warning',
  'call-refused': 'warning',
  'decision-log': 'error',
  'state-not-written': 'error',
  'guard-role': 'info',
  'guard-role-unknown': 'error',
  'guard-follows': 'info',
  'guard-lost': 'error',
  'guard-blocks': 'warning',
  'guard-lifts': 'info',
  'guard-task-vanished': 'warning',
  'guard-powerless': 'error',
  'guard-plugged': 'warning',
  'guard-not-plugged': 'error',
  'guard-field-lags': 'warning',
  'guard-call-failed': 'error',
  'hold-placed': 'info',
  'hold-released': 'info',
  'hold-ended': 'warning',
  'hold-failed': 'error',
  'reboot-undone': 'warning',
  'reboot-not-undone': 'error',
} as const satisfies Record<Exclude<DecisionEvent['code'], 'operation-accepted'>, LogLevel> & Record<string, LogLevel>

export type CoordinatorLog = LogOf<keyof typeof COORDINATOR_LOG_LEVELS>

export function coordinatorLog(log: Log): CoordinatorLog {
  return logWithLevels(log, COORDINATOR_LOG_LEVELS)
}

/** Opens the decision log. @param knownWithinMs the pool knows of a change within this time; @returns `null`: none is configured */
export function openDecisionLog(
  { decisionLog }: Pick<UpdaterConfig, 'decisionLog'>,
  knownWithinMs: number,
  clock: Clock,
  log: CoordinatorLog,
): DecisionLog | null {
  if (decisionLog === undefined) return null
  const { file, maxBytes } = decisionLog
  const onError = (error: unknown) => log('decision-log', String(error))
  return new DecisionLog({ path: file, maxBytes, knownWithinMs, now: clock.now, onError })
}
