import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { uuidOf } from '../host-files.ts'
import { PublishedResyncs } from '../published-resyncs.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

export const linkCutInResync: Scenario = {
  number: 4,
  title: 'link cut during a resync',
  topology: PAIR,
  run: async lab => {
    const published = await PublishedResyncs.since(lab, SR_1)
    const monitor = new GateMonitor(lab)
    const stateOn = async (host: string, state: string) =>
      (await lab.metric(host, 'agent', 'resync_monitor_sr_state'))[`${SR_1} ${state}`] === 1

    await lab.host('bravo').sh('drbdsetup invalidate 1')
    const before = await lab.until('both hosts report a resync, and the kernel has done a part of it', async () => {
      const reports = Object.values(await lab.pool.reports(SR_1))
      const truth = await lab.drbd('alpha', 'vol-1')
      return reports.every(report => report?.state === 'resyncing') && (truth.progress ?? 0) > 0.1 && truth
    })

    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    lab.cut('alpha', 'bravo')
    await lab.until('the kernels have noticed', async () => {
      const [source, target] = [await lab.drbd('alpha', 'vol-1'), await lab.drbd('bravo', 'vol-1')]
      return source.connection === 'WFConnection' && target.connection === 'WFConnection'
    })
    const cut = await lab.drbd('alpha', 'vol-1')
    assert.ok(cut.outOfSyncKiB > 0, 'the resync is not over')
    await lab.until('alpha reports the change', async () => {
      const report = (await lab.pool.reports(SR_1)).alpha
      return report?.state === 'degraded' && report.reasons.some(({ code }) => code === 'peer-not-connected')
    })
    // The pool gets no reports of bravo now, so ask the kernel and the agent.
    await lab.until('bravo is degraded', () => stateOn('bravo', 'degraded'))
    await assertAllBlocked(lab)
    await lab.until('for the pool bravo is gone', async () => {
      const about = await lab.metric('alpha', 'updater', 'resync_monitor_gate_reasons_about')
      return about[`${uuidOf(lab.topology, 'bravo')} host-not-live`] === 1
    })
    assert.equal((await lab.drbd('alpha', 'vol-1')).outOfSyncKiB, cut.outOfSyncKiB, 'nothing moves')
    assert.deepEqual(await lab.pool.mayReboot(), [])

    lab.restore()
    await lab.until('the resync continues', async () => (await lab.drbd('bravo', 'vol-1')).connection === 'SyncTarget')
    const { outOfSyncKiB } = await lab.drbd('alpha', 'vol-1')
    assert.ok(outOfSyncKiB <= before.outOfSyncKiB, `from where it was: ${outOfSyncKiB} of ${before.outOfSyncKiB} KiB`)
    await untilAllReport(lab, SR_1, 'resyncing')
    await lab.pool.disableAll()
    await assertAllBlocked(lab)
    assert.equal(await lab.isInSync('vol-1'), false, 'the resync runs still')

    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    assert.ok((await stateOn('alpha', 'synced')) && (await stateOn('bravo', 'synced')))
    // An interrupted resync is one resync.
    await published.untilPublishedOnceBy('alpha', 'bravo')
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
    await setResyncRate(lab, null)
  },
}
