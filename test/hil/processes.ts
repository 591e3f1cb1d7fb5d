import type { Guest } from './guest.ts'

/** The process of a daemon that a guest has started, and its children. @throws ShellFailure when it does not run */
export async function processesOf(
  guest: Guest,
  daemon: 'agent' | 'updater',
): Promise<{ pid: number; children: readonly number[] }> {
  const script = `pid=$(cat /run/hil/${daemon}.pid); kill -0 $pid && echo $pid && cat /proc/$pid/task/*/children`
  const [pid = 0, ...children] = (await guest.sh(script)).trim().split(/\s+/).map(Number)
  return { pid, children }
}

/** Those of the processes that are there still. One that has ended and that nobody has asked about yet is gone. */
export async function stillRunning(guest: Guest, pids: readonly number[]): Promise<readonly number[]> {
  const script = `for pid in ${pids.join(' ')}; do grep -q 'State:.[^Z]' /proc/$pid/status 2>/dev/null && echo $pid; done; true`
  return (await guest.sh(script)).trim().split(/\s+/).filter(Boolean).map(Number)
}
