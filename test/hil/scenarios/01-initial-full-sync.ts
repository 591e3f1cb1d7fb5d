import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'

export const initialFullSync: Scenario = {
  number: 1,
  title: 'initial full sync',
  topology: PAIR,
  run: async lab => {
    const stateOn = (host: string) => lab.metric(host, 'agent', 'resync_monitor_sr_state')
    const monitor = new GateMonitor(lab)

    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    await lab.makeMirror('vol-1', 'full-sync')
    await lab.until('the kernels copy', async () => {
      const [source, target] = [await lab.drbd('alpha', 'vol-1'), await lab.drbd('bravo', 'vol-1')]
      return source.connection === 'SyncSource' && target.connection === 'SyncTarget'
    })

    await lab.until('both hosts report a resync that moves', async () => {
      const reports = Object.values(await lab.pool.reports(SR_1))
      return reports.every(report => report?.state === 'resyncing' && (report.progress ?? 0) > 0)
    })
    await assertAllBlocked(lab)

    const task = await lab.until('a task shows the progress', async () =>
      (await lab.pool.tasks()).find(each => each.name_label.includes('resync') && each.progress > 0),
    )
    assert.equal(task.status, 'pending')
    assert.equal((await stateOn('bravo'))[`${SR_1} resyncing`], 1, 'the metrics of the target show it')
    const { outOfSyncKiB } = await lab.drbd('bravo', 'vol-1')
    const left = (await lab.metric('bravo', 'agent', 'resync_monitor_sr_out_of_sync_bytes'))[SR_1] ?? 0
    assert.ok(outOfSyncKiB > 0, 'the resync still runs')
    assert.ok(left > 0 && left <= 48 * 1024 * 1024, `${left} bytes left`)

    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    const doneAt = performance.now()
    await lab.allMayReboot()
    lab.note(`the field returned ${Math.round(performance.now() - doneAt)} ms after the driver saw the end`)

    for (const [host, report] of Object.entries(await lab.pool.reports(SR_1)))
      assert.equal(report?.state, 'synced', host)
    await lab.until('all tasks are over', async () => (await lab.pool.tasks()).every(each => each.status === 'success'))
    assert.equal((await stateOn('bravo'))[`${SR_1} synced`], 1)
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    await setResyncRate(lab, null)
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}
