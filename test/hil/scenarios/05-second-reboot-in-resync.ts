import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { sumOfDisk, writeKnownData } from '../known-data.ts'
import { disableAfterReturn } from '../maintenance.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

const WRITTEN_MIB = 32
/** Amount that must be copied while clients call again and again. */
const WATCHED_MIB = 1
const MIN_ROUNDS = 3
const MAX_ROUNDS = 500

export const secondRebootInResync: Scenario = {
  number: 5,
  title: 'second reboot requested during the resync, data intact',
  topology: PAIR,
  run: async lab => {
    const [alpha, bravo] = [lab.host('alpha'), lab.host('bravo')]
    const boots = { alpha: alpha.boots, bravo: bravo.boots }
    await alpha.sh('hil-drbdadm primary vol-1')
    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    const monitor = new GateMonitor(lab)

    assert.equal(await lab.pool.shutdown('bravo'), 'accepted')
    assert.equal(await lab.pool.shutdown('alpha'), 'CLUSTERED_SR_DEGRADED')
    assert.equal(await lab.pool.reboot('alpha'), 'CLUSTERED_SR_DEGRADED')
    await lab.until('bravo is off', () => bravo.power === 'powered-off')
    const written = await writeKnownData(lab, 'alpha', 'vol-1', WRITTEN_MIB)
    assert.equal(await lab.pool.reboot('alpha'), 'CLUSTERED_SR_DEGRADED')

    await bravo.start()
    await lab.until(
      'bravo is being resynchronised',
      async () => (await lab.drbd('bravo', 'vol-1')).connection === 'SyncTarget',
    )
    await untilAllReport(lab, SR_1, 'resyncing')
    await disableAfterReturn(lab, 'bravo')
    const { outOfSyncKiB: begin } = await lab.drbd('alpha', 'vol-1')
    let rounds = 0
    for (let left = begin; rounds < MIN_ROUNDS || begin - left < WATCHED_MIB * 1024; rounds += 1) {
      await assertAllBlocked(lab)
      const { outOfSyncKiB, peerDisk } = await lab.drbd('alpha', 'vol-1')
      assert.equal(peerDisk, 'Inconsistent', 'the resync still runs')
      assert.ok(rounds < MAX_ROUNDS, 'the resync moves')
      left = outOfSyncKiB
    }
    lab.note(`${rounds * 4} calls were refused`)

    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    assert.deepEqual({ alpha: alpha.boots, bravo: bravo.boots }, { ...boots, bravo: boots.bravo + 1 }, 'no other boot')
    const sums = await Promise.all(['alpha', 'bravo'].map(host => sumOfDisk(lab, host, 'vol-1', WRITTEN_MIB)))
    assert.deepEqual(sums, [written, written], 'the written data is on both disks')
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
    await alpha.sh('hil-drbdadm secondary vol-1')
    await setResyncRate(lab, null)
  },
}
