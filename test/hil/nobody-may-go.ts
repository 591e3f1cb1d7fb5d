import assert from 'node:assert/strict'
import type { Lab } from './lab.ts'

/** What the storage rule keeps hosts from. */
const OPERATIONS = ['reboot', 'shutdown', 'apply_updates']

/**
 * That storage keeps every host from going: the field of none offers it, the updater's metrics say so, and whoever tries
 * nevertheless is refused. Hosts must be in maintenance.
 * @throws AssertionError
 */
export async function assertNobodyMayGo(lab: Lab): Promise<void> {
  for (const [host, allowed] of Object.entries(await lab.pool.allowedOperations()))
    for (const operation of OPERATIONS) assert.ok(!allowed.includes(operation), `${operation} of ${host} is offered`)
  const blocked = await lab.metric(lab.topology.hosts[0], 'updater', 'resync_monitor_gate_blocked')
  assert.deepEqual([...new Set(Object.values(blocked))], [1], 'so say the metrics of the gate')
  for (const host of lab.topology.hosts) {
    assert.equal(await lab.pool.reboot(host), 'CLUSTERED_SR_DEGRADED', `reboot of ${host}`)
    assert.equal(await lab.pool.shutdown(host), 'CLUSTERED_SR_DEGRADED', `shutdown of ${host}`)
  }
}

/** As `assertNobodyMayGo`, once the pool has been told: a host knows before its report is there. @throws NotInTime, AssertionError */
export async function untilNobodyMayGo(lab: Lab): Promise<void> {
  await lab.until('the pool lets nobody go', async () => (await lab.pool.mayReboot()).length === 0)
  await assertNobodyMayGo(lab)
}
