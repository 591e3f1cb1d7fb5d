import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { PublishedResyncs } from '../published-resyncs.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

export const pauseAndResume: Scenario = {
  number: 6,
  title: 'pause and resume',
  topology: PAIR,
  run: async lab => {
    const published = await PublishedResyncs.since(lab, SR_1)
    const monitor = new GateMonitor(lab)
    const codesOf = async (host: string) => (await lab.pool.reports(SR_1))[host]?.reasons.map(({ code }) => code) ?? []
    const needsOperator = async (host: string) =>
      (await lab.metric(host, 'agent', 'resync_monitor_sr_needs_operator'))[SR_1]

    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    await lab.host('bravo').sh('drbdsetup invalidate 1')
    await untilAllReport(lab, SR_1, 'resyncing')
    assert.equal(await needsOperator('alpha'), 0, 'no operator is needed')

    await lab.host('alpha').sh('hil-drbdadm pause-sync vol-1')
    await lab.until('the kernels stand still', async () => {
      const [source, target] = [await lab.drbd('alpha', 'vol-1'), await lab.drbd('bravo', 'vol-1')]
      return source.connection === 'PausedSyncS' && target.connection === 'PausedSyncT'
    })
    await lab.until('alpha reports paused', async () => (await codesOf('alpha')).includes('resync-paused'))
    await lab.until('bravo reports waiting', async () => (await codesOf('bravo')).includes('resync-waiting'))
    // Data that was in flight at the pause has arrived.
    const paused = await lab.drbd('bravo', 'vol-1')
    assert.equal((await lab.pool.reports(SR_1)).alpha?.state, 'resyncing')
    assert.equal(await needsOperator('alpha'), 1)
    await assertAllBlocked(lab)
    const [task] = await published.tasks()
    assert.equal(task?.status, 'pending', 'the task is pending')
    assert.deepEqual((await published.messages()).alpha, ['RESYNC_STARTED'])
    const { outOfSyncKiB, connection } = await lab.drbd('bravo', 'vol-1')
    assert.deepEqual([outOfSyncKiB, connection], [paused.outOfSyncKiB, 'PausedSyncT'], 'the resync does not move')

    await lab.host('alpha').sh('hil-drbdadm resume-sync vol-1')
    await lab.until(
      'the kernel resumes the resync',
      async () => (await lab.drbd('bravo', 'vol-1')).connection === 'SyncTarget',
    )
    await lab.until('both hosts report the change', async () => {
      const codes = [...(await codesOf('alpha')), ...(await codesOf('bravo'))]
      return codes.join() === 'resync-running,resync-running'
    })
    assert.equal(await needsOperator('alpha'), 0)
    assert.deepEqual(await lab.pool.mayReboot(), [])
    assert.equal(await lab.isInSync('vol-1'), false, 'the resync runs still')

    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    await published.untilPublishedOnceBy('alpha', 'bravo')
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
    await setResyncRate(lab, null)
  },
}
