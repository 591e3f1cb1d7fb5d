import type { Lab } from './lab.ts'

/**
 * The pool enables a host a moment after its return from a boot. Waits for that and puts the hosts into maintenance, so that
 * storage alone decides whether they may go. @throws NotInTime
 */
export async function disableAfterReturn(lab: Lab, ...hosts: readonly string[]): Promise<void> {
  for (const host of hosts)
    await lab.until(`the pool has enabled ${host}`, async () => (await lab.pool.areEnabled())[host] === true)
  await lab.pool.disableAll()
}
