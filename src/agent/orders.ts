import { execa } from 'execa'
import type { Log } from '../service-manager/index.ts'
import type { AgentConfig } from './agent-config.ts'

/** The commands that take this machine down. Absent: this host carries out no such order. */
export type MachineCommands = AgentConfig['machine']

/** What a pool may tell its hosts. */
export type Order = 'reboot' | 'shutdown'

/** `systemctl reboot` only says so to systemd, and comes back. */
const COMMAND_TIMEOUT_MS = 60_000

/** The order in the answer to a heartbeat; `null`: there is none, or none that is known. */
export function orderIn(answer: unknown): Order | null {
  if (typeof answer !== 'object' || answer === null || !('order' in answer)) return null
  return answer.order === 'reboot' || answer.order === 'shutdown' ? answer.order : null
}

/**
 * Does what the pool has told this host to do: runs the command that takes the machine down.
 * @returns whether the machine goes. What went wrong is in the log; the order stands until the machine has gone, so it is
 * tried again
 */
export async function carryOut(order: Order, machine: MachineCommands, log: Log): Promise<boolean> {
  const command = machine[order]
  if (command === undefined) {
    log({ level: 'warning', code: 'order', text: `told to ${order}, and machine.${order} is not configured` })
    return false
  }
  log({ level: 'info', code: 'order', text: `told to ${order}: ${command.join(' ')}` })
  const [program, ...args] = command
  // Not ended with this daemon: the machine that goes down ends the daemon first.
  const { failed, shortMessage } = await execa(program, args, {
    cleanup: false,
    reject: false,
    stdin: 'ignore',
    stdout: 'ignore',
    timeout: COMMAND_TIMEOUT_MS,
    maxBuffer: 4_096,
  })
  if (failed)
    log({ level: 'error', code: 'order', text: `the ${order} has failed: ${shortMessage ?? 'no reason given'}` })
  return !failed
}
