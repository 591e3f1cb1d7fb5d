import { execa } from 'execa'
import { messageOf } from '../../platform/errors.ts'
import type { AgentConfig } from '../agent-config.ts'
import type { AgentLog } from '../agent-log.ts'

/** The commands that take this machine down. Without a command the host refuses the order. */
export type MachineCommands = AgentConfig['machine']

/** An order of the pool to this host. */
export interface Order {
  readonly how: 'reboot' | 'shutdown'
  /** `''`: a pool of an earlier version, which repeats the order until the host is down. */
  readonly id: string
}

/** The outcome of an order. `unknown`: the machine may go down or not. */
export type OrderOutcome =
  | { readonly kind: 'goes' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly why: string }

/** `systemctl reboot` only passes the request to systemd, and returns. */
const COMMAND_TIMEOUT_MS = 60_000

/** The order in the answer to a heartbeat; `null`: none, or an unknown one. */
export function orderIn(answer: unknown): Order | null {
  if (typeof answer !== 'object' || answer === null || !('order' in answer)) return null
  const { order: how } = answer
  if (how !== 'reboot' && how !== 'shutdown') return null
  return { how, id: 'order_id' in answer && typeof answer.order_id === 'string' ? answer.order_id : '' }
}

/** Carries out an order: runs the command that takes the machine down. Failures are logged. */
export async function carryOut({ how }: Order, machine: MachineCommands, log: AgentLog): Promise<OrderOutcome> {
  const command = machine[how]
  if (command === undefined) {
    log('order', `the pool ordered a ${how}, and machine.${how} is not configured`, 'warning')
    return { kind: 'refused', why: `machine.${how} is not configured` }
  }
  log('order', `the pool ordered a ${how}: ${command.join(' ')}`)
  const [program, ...args] = command
  // The command outlives this daemon, because the machine that goes down stops the daemon first.
  const { failed, timedOut, isTerminated, shortMessage, cause } = await execa(program, args, {
    cleanup: false,
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    timeout: COMMAND_TIMEOUT_MS,
    maxBuffer: 4_096,
  })
  if (!failed) return { kind: 'goes' }
  const why = cause === undefined ? (shortMessage ?? 'no reason given') : messageOf(cause)
  log('order', `the ${how} failed: ${why}`, 'error')
  // A command that was killed may already have started the reboot or shutdown.
  return timedOut || isTerminated ? { kind: 'unknown' } : { kind: 'refused', why }
}
