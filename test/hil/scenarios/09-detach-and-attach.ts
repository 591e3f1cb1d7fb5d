import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { PublishedResyncs } from '../published-resyncs.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

const WRITTEN_MIB = 16

export const detachAndAttach: Scenario = {
  number: 9,
  title: 'detach and re-attach',
  topology: PAIR,
  run: async lab => {
    const [alpha, bravo] = [lab.host('alpha'), lab.host('bravo')]
    const published = await PublishedResyncs.since(lab, SR_1)
    await alpha.sh('hil-drbdadm primary vol-1')
    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    const monitor = new GateMonitor(lab)
    const reasonsOf = async (host: string) =>
      (await lab.pool.reports(SR_1))[host]?.reasons.map(({ code, word }) => `${code} ${word}`).join() ?? ''

    await bravo.sh('hil-drbdadm detach vol-1')
    await lab.until('the kernels show the detached disk', async () => {
      const [here, there] = [await lab.drbd('alpha', 'vol-1'), await lab.drbd('bravo', 'vol-1')]
      return here.peerDisk === 'Diskless' && there.disk === 'Diskless'
    })
    await lab.until(
      'alpha reports the change',
      async () => (await reasonsOf('alpha')) === 'peer-disk-not-up-to-date Diskless',
    )
    await lab.until(
      'bravo reports the change',
      async () => (await reasonsOf('bravo')) === 'disk-not-up-to-date Diskless',
    )
    for (const host of lab.topology.hosts) {
      const needed = await lab.metric(host, 'agent', 'resync_monitor_sr_needs_operator')
      assert.equal(needed[SR_1], 1, `${host} needs an operator`)
      const states = await lab.metric(host, 'agent', 'resync_monitor_sr_state')
      assert.equal(states[`${SR_1} degraded`], 1, host)
    }
    await assertAllBlocked(lab)
    await lab.write('alpha', 'vol-1', WRITTEN_MIB)

    await bravo.sh('hil-drbdadm attach vol-1')
    await lab.until(
      'bravo is being resynchronised',
      async () => (await lab.drbd('bravo', 'vol-1')).connection === 'SyncTarget',
    )
    await untilAllReport(lab, SR_1, 'resyncing')
    await assertAllBlocked(lab)
    assert.equal(await lab.isInSync('vol-1'), false, 'the resync runs still')

    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    await published.untilPublishedOnceBy('alpha', 'bravo')
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
    await alpha.sh('hil-drbdadm secondary vol-1')
    await setResyncRate(lab, null)
  },
}
