import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { disableAfterReturn } from '../maintenance.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'

/** Size of the data that bravo misses while it is off. */
const WRITTEN_MIB = 30

export const powerCutWhileWriting: Scenario = {
  number: 3,
  title: 'power cut while writing, boot, bitmap resync',
  topology: PAIR,
  run: async lab => {
    const bravo = lab.host('bravo')
    await lab.host('alpha').sh('drbdadm primary vol-1')
    const stopWriting = await lab.keepWriting('alpha', 'vol-1')
    await lab.until(
      'alpha writes',
      async () => Number(await lab.host('alpha').sh("sed -n 's/.* dw:\\([0-9]*\\).*/\\1/p' /proc/drbd")) > 512,
    )

    const bootBefore = (await lab.pool.reports(SR_1)).bravo?.bootId
    await bravo.cutPower()
    const monitor = new GateMonitor(lab)
    await lab.until(
      'alpha has lost its peer',
      async () => (await lab.drbd('alpha', 'vol-1')).connection === 'WFConnection',
    )
    await lab.until('alpha reports the change', async () => (await lab.pool.reports(SR_1)).alpha?.state === 'degraded')
    assert.deepEqual(await lab.pool.mayReboot(), [], 'no host may reboot')
    assert.equal(await lab.pool.reboot('alpha'), 'CLUSTERED_SR_DEGRADED')
    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    await stopWriting()
    await lab.write('alpha', 'vol-1', WRITTEN_MIB)

    await bravo.start()
    lab.note(`bravo booted in ${bravo.bootSeconds.toFixed(1)} s`)
    await lab.until(
      'bravo is being resynchronised',
      async () => (await lab.drbd('bravo', 'vol-1')).connection === 'SyncTarget',
    )
    const { outOfSyncKiB } = await lab.drbd('alpha', 'vol-1')
    assert.ok(outOfSyncKiB > 0 && outOfSyncKiB < 40 * 1024, `by its bitmap, not wholly: ${outOfSyncKiB} KiB`)
    await lab.until('both report a resync, bravo of its new boot', async () => {
      const { alpha, bravo: back } = await lab.pool.reports(SR_1)
      return alpha?.state === 'resyncing' && back?.state === 'resyncing' && back.bootId !== bootBefore
    })
    await disableAfterReturn(lab, 'bravo')
    await assertAllBlocked(lab)
    await lab.until('a task shows the progress', async () =>
      (await lab.pool.tasks()).some(each => each.status === 'pending' && each.progress > 0),
    )
    assert.equal((await lab.metric('alpha', 'agent', 'resync_monitor_sr_state'))[`${SR_1} resyncing`], 1)

    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    const reports = await lab.pool.reports(SR_1)
    assert.deepEqual([reports.alpha?.state, reports.bravo?.state], ['synced', 'synced'])
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    await lab.host('alpha').sh('drbdadm secondary vol-1')
    await setResyncRate(lab, null)
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}
