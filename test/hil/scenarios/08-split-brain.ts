import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { sumOfDisk, writeKnownData } from '../known-data.ts'
import { PublishedResyncs } from '../published-resyncs.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

const KEPT_MIB = 8
const DISCARDED_MIB = 4

export const splitBrain: Scenario = {
  number: 8,
  title: 'split brain: degraded, needs an operator',
  topology: PAIR,
  run: async lab => {
    const [alpha, bravo] = [lab.host('alpha'), lab.host('bravo')]
    const published = await PublishedResyncs.since(lab, SR_1)
    const needsOperator = async (host: string) =>
      (await lab.metric(host, 'agent', 'resync_monitor_sr_needs_operator'))[SR_1] === 1
    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    const monitor = new GateMonitor(lab)

    lab.cut('alpha', 'bravo')
    await lab.until('both sides are alone', async () => {
      const truths = [await lab.drbd('alpha', 'vol-1'), await lab.drbd('bravo', 'vol-1')]
      return truths.every(({ connection }) => connection === 'WFConnection')
    })
    await Promise.all([alpha, bravo].map(host => host.sh('hil-drbdadm primary vol-1')))
    const [kept] = await Promise.all([
      writeKnownData(lab, 'alpha', 'vol-1', KEPT_MIB),
      writeKnownData(lab, 'bravo', 'vol-1', DISCARDED_MIB),
    ])
    await bravo.sh('hil-drbdadm secondary vol-1')

    lab.restore()
    await lab.until('a kernel gives up', async () => {
      const truths = [await lab.drbd('alpha', 'vol-1'), await lab.drbd('bravo', 'vol-1')]
      return truths.some(({ connection }) => connection === 'StandAlone')
    })
    await lab.until('a host reports the split brain', async () => {
      const reports = Object.values(await lab.pool.reports(SR_1))
      const codes = reports.flatMap(report => report?.reasons.map(({ code }) => code) ?? [])
      return reports.every(report => report?.state === 'degraded') && codes.includes('split-brain')
    })
    assert.ok((await needsOperator('alpha')) || (await needsOperator('bravo')), 'the metrics show it')
    await lab.until('bravo is back in the pool', async () => {
      const about = await lab.metric('alpha', 'updater', 'resync_monitor_gate_reasons_about')
      return Object.entries(about).every(([key, count]) => count === (key.endsWith(' not-synced') ? 1 : 0))
    })
    await lab.pool.disableAll()
    await assertAllBlocked(lab)
    assert.deepEqual(await published.tasks(), [], 'no resync was published')

    await bravo.sh('hil-drbdadm disconnect vol-1; hil-drbdadm connect --discard-my-data vol-1')
    await alpha.sh('hil-drbdadm disconnect vol-1; hil-drbdadm connect vol-1')
    await untilAllReport(lab, SR_1, 'resyncing')
    await assertAllBlocked(lab)
    assert.equal((await lab.drbd('bravo', 'vol-1')).connection, 'SyncTarget', 'bravo is overwritten')
    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    assert.equal(await needsOperator('alpha'), false)
    assert.equal(await needsOperator('bravo'), false)
    await published.untilPublishedOnceBy('alpha', 'bravo')
    const sums = await Promise.all(['alpha', 'bravo'].map(host => sumOfDisk(lab, host, 'vol-1', KEPT_MIB)))
    assert.deepEqual(sums, [kept, kept], 'what was to be kept is on both disks')
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
    await alpha.sh('hil-drbdadm secondary vol-1')
    await setResyncRate(lab, null)
  },
}
