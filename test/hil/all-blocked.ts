import assert from 'node:assert/strict'
import type { Lab } from './lab.ts'

/** The operations that the storage rule blocks. */
const OPERATIONS = ['reboot', 'shutdown', 'apply_updates']

/**
 * Asserts that storage blocks every host: no `allowed_operations` has the operations, the updater's metrics show the block, and calls are
 * refused. Hosts must be in maintenance.
 * @throws AssertionError
 */
export async function assertAllBlocked(lab: Lab): Promise<void> {
  for (const [host, allowed] of Object.entries(await lab.pool.allowedOperations()))
    for (const operation of OPERATIONS) assert.ok(!allowed.includes(operation), `${operation} of ${host} is allowed`)
  const blocked = await lab.metric(lab.topology.hosts[0], 'updater', 'resync_monitor_gate_blocked')
  assert.deepEqual([...new Set(Object.values(blocked))], [1], 'the metrics of the gate show the block')
  for (const host of lab.topology.hosts) {
    assert.equal(await lab.pool.reboot(host), 'CLUSTERED_SR_DEGRADED', `reboot of ${host}`)
    assert.equal(await lab.pool.shutdown(host), 'CLUSTERED_SR_DEGRADED', `shutdown of ${host}`)
  }
}

/** Waits until the reports have reached the pool, then as `assertAllBlocked`. @throws NotInTime, AssertionError */
export async function untilAllBlocked(lab: Lab): Promise<void> {
  await lab.until('the pool blocks every reboot', async () => (await lab.pool.mayReboot()).length === 0)
  await assertAllBlocked(lab)
}
