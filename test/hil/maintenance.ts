import type { Lab } from './lab.ts'

/**
 * Waits until the pool has enabled the hosts after their boot, then puts them into maintenance, so that storage alone decides whether
 * they may reboot. @throws NotInTime
 */
export async function disableAfterReturn(lab: Lab, ...hosts: readonly string[]): Promise<void> {
  for (const host of hosts)
    await lab.until(`the pool has enabled ${host}`, async () => (await lab.pool.areEnabled())[host] === true)
  await lab.pool.disableAll()
}
