import type { Guest } from './guest.ts'

/** Process ids of a guest's daemon and its children. @throws ShellFailure if the daemon does not run */
export async function processesOf(
  guest: Guest,
  daemon: 'agent' | 'updater',
): Promise<{ pid: number; children: readonly number[] }> {
  const script = `pid=$(cat /run/hil/${daemon}.pid); kill -0 $pid && echo $pid && cat /proc/$pid/task/*/children`
  const [pid = 0, ...children] = (await guest.sh(script)).trim().split(/\s+/).map(Number)
  return { pid, children }
}

/** The processes that still run; zombies count as gone. */
export async function stillRunning(guest: Guest, pids: readonly number[]): Promise<readonly number[]> {
  const script = `for pid in ${pids.join(' ')}; do grep -q 'State:.[^Z]' /proc/$pid/status 2>/dev/null && echo $pid; done; true`
  return (await guest.sh(script)).trim().split(/\s+/).filter(Boolean).map(Number)
}
