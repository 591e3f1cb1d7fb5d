import assert from 'node:assert/strict'
import { GateMonitor } from '../gate-monitor.ts'
import { disableAfterReturn } from '../maintenance.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { SR_1, SR_2, TRIO } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

const WRITTEN_MIB = 24

export const threeHostsTwoSrs: Scenario = {
  number: 13,
  title: 'three hosts, two SRs that share one of them',
  topology: TRIO,
  run: async lab => {
    const { pool } = lab
    const charlie = lab.host('charlie')
    const states = async (sr: string) => Object.values(await pool.reports(sr)).map(report => report?.state)
    const monitor = new GateMonitor(lab)
    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)

    await lab.host('bravo').sh('drbdadm invalidate vol-1')
    await untilAllReport(lab, SR_1, 'resyncing')
    assert.deepEqual(await states(SR_2), ['synced', 'synced'])
    assert.deepEqual(await pool.mayReboot(), ['charlie'], 'only charlie is no host of SR 1')
    assert.equal(await pool.reboot('alpha'), 'CLUSTERED_SR_DEGRADED')
    assert.equal(await pool.reboot('bravo'), 'CLUSTERED_SR_DEGRADED')

    assert.equal(await pool.shutdown('charlie'), 'accepted')
    await lab.until('charlie is off', () => charlie.power === 'powered-off')
    assert.equal((await lab.drbd('bravo', 'vol-1')).connection, 'SyncTarget', 'SR 1 still resyncs')
    assert.deepEqual(await pool.mayReboot(), [], 'alpha and bravo for SR 1, bravo for SR 2 as well')
    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync for SR 1', () => lab.isInSync('vol-1'))
    await lab.until('alpha may reboot', async () => (await pool.mayReboot()).includes('alpha'))
    assert.deepEqual(await pool.mayReboot(), ['alpha'], 'bravo waits for charlie')
    assert.equal(await pool.reboot('bravo'), 'CLUSTERED_SR_DEGRADED')

    await lab.host('bravo').sh('drbdadm primary vol-2')
    await lab.write('bravo', 'vol-2', WRITTEN_MIB)
    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    await charlie.start()
    await untilAllReport(lab, SR_2, 'resyncing')
    assert.deepEqual(await states(SR_1), ['synced', 'synced'])
    await disableAfterReturn(lab, 'charlie')
    assert.equal(await pool.reboot('charlie'), 'CLUSTERED_SR_DEGRADED')
    assert.deepEqual(await pool.mayReboot(), ['alpha'], 'only alpha is no host of SR 2')
    assert.equal(await pool.reboot('bravo'), 'CLUSTERED_SR_DEGRADED')

    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync for SR 2', () => lab.isInSync('vol-2'))
    await lab.allMayReboot()
    for (const mirror of ['vol-1', 'vol-2'])
      assert.ok(await lab.disksAreEqual(mirror), `both disks of ${mirror} hold the same`)
    await lab.host('bravo').sh('drbdadm secondary vol-2')
    await setResyncRate(lab, null)
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}
