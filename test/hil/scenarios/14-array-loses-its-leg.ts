import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { PublishedResyncs } from '../published-resyncs.ts'
import type { Scenario } from '../scenario.ts'
import { ARRAY_OVER_HOSTS, SR_1 } from '../topology.ts'

/** Size of the data to copy after the return. */
const WRITTEN_MIB = 32
/** Speed while the scenario observes the recovery. */
const SLOW_KIB_PER_SECOND = 300
const FAST_KIB_PER_SECOND = 50_000

export const arrayLosesItsLeg: Scenario = {
  number: 14,
  title: 'md RAID1 with a leg on another host: leg lost, re-added, recovery',
  topology: ARRAY_OVER_HOSTS,
  run: async lab => {
    const array = lab.array('md9')
    const alpha = async () => (await lab.pool.reports(SR_1)).alpha
    const metric = async (name: string) => lab.metric('alpha', 'agent', `resync_monitor_sr_${name}`)
    const published = await PublishedResyncs.since(lab, SR_1)
    assert.deepEqual((await alpha())?.mirrors, { synced: 1, resyncing: 0, degraded: 0, unknown: 0 })
    await array.setSpeed(SLOW_KIB_PER_SECOND)
    const monitor = new GateMonitor(lab)

    lab.cut('alpha', 'bravo')
    await array.write(1)
    assert.equal((await array.truth()).degraded, 1, 'the kernel has given the leg up')
    await lab.until('alpha reports the change', async () => (await alpha())?.state === 'degraded')
    await assertAllBlocked(lab)
    await array.write(WRITTEN_MIB)

    lab.restore()
    await lab.until('bravo is live again', async () => (await lab.pool.areLive()).bravo)
    assert.equal((await array.truth()).degraded, 1, 'the leg is not re-added by itself')
    await assertAllBlocked(lab)
    assert.equal((await metric('state'))[`${SR_1} degraded`], 1)
    assert.equal((await metric('needs_operator'))[SR_1], 1)

    await array.readdLeg()
    const { syncAction } = await array.truth()
    assert.equal(syncAction, 'recover')
    const report = await lab.until('alpha reports a recovery that moves', async () => {
      const report = await alpha()
      return report?.state === 'resyncing' && (report.progress ?? 0) > 0 && report
    })
    const { progress } = await array.truth()
    assert.ok(
      progress !== null && (report.progress ?? 1) <= progress + 0.01,
      `${report.progress} of the kernel's ${progress}`,
    )
    await assertAllBlocked(lab)
    await lab.until('a task shows the progress', async () =>
      (await lab.pool.tasks()).some(each => each.status === 'pending' && each.progress > 0),
    )
    assert.ok(((await metric('resync_progress_ratio'))[SR_1] ?? 0) > 0)

    await array.setSpeed(FAST_KIB_PER_SECOND)
    await lab.until('the kernel is in sync', () => array.isInSync())
    const doneAt = performance.now()
    await lab.allMayReboot()
    lab.note(`the field returned ${Math.round(performance.now() - doneAt)} ms after the driver saw the end`)
    assert.equal((await alpha())?.state, 'synced')
    assert.equal((await metric('state'))[`${SR_1} synced`], 1)
    await published.untilPublishedOnceBy('alpha')
    assert.ok(await array.disksAreEqual(), 'both legs hold the same')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}
