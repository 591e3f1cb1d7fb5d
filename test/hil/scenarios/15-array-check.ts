import assert from 'node:assert/strict'
import type { MirrorsAnswer } from '../../../src/agent-api/answers.ts'
import { assertAllBlocked } from '../all-blocked.ts'
import { askAgent } from '../ask-agent.ts'
import { FieldWatch } from '../field-watch.ts'
import { GateMonitor } from '../gate-monitor.ts'
import type { Scenario } from '../scenario.ts'
import { ARRAY_OVER_HOSTS, SR_1 } from '../topology.ts'

/** Speed while the scenario observes the kernel. */
const SLOW_KIB_PER_SECOND = 400
const FAST_KIB_PER_SECOND = 50_000

export const arrayCheck: Scenario = {
  number: 15,
  title: 'md check does not block; its findings are a warning; a repair blocks',
  topology: ARRAY_OVER_HOSTS,
  run: async lab => {
    const array = lab.array('md9')
    const report = async () => (await lab.pool.reports(SR_1)).alpha
    const mirror = async () => {
      const { mirrors } = (await askAgent(lab, 'alpha', 'SR.mirrors', { sr: SR_1 })) as MirrorsAnswer
      return mirrors.find(each => each.mirror === 'md9')
    }
    const metric = async (name: string) => lab.metric('alpha', 'agent', `resync_monitor_sr_${name}`)
    const monitor = new GateMonitor(lab)
    const field = new FieldWatch(lab)
    await lab.until('the field is followed', () => field.freeSinceMs !== null)
    const freeSinceMs = field.freeSinceMs

    await array.spoilFarLeg()
    await array.setSpeed(SLOW_KIB_PER_SECOND)
    await array.act('check')
    const checked = await lab.until('the agent shows the check', async () => {
      const shown = await mirror()
      return shown?.activity === 'check' && (shown.progress ?? 0) > 0 && shown
    })
    assert.equal((await array.truth()).syncAction, 'check', 'the check runs')
    assert.equal(checked.state, 'synced')
    assert.equal((await report())?.state, 'synced')

    await array.setSpeed(FAST_KIB_PER_SECOND)
    await lab.until('the check is over', async () => (await array.truth()).syncAction === 'idle')
    const { mismatchCount } = await array.truth()
    assert.ok(mismatchCount > 0, 'the kernel has found the difference')
    const warned = await lab.until('alpha reports what was found', async () => {
      const current = await report()
      return current?.reasons.some(({ code }) => code === 'mismatches-found') && current
    })
    assert.equal(warned.state, 'synced')
    assert.equal(warned.reasons.find(({ code }) => code === 'mismatches-found')?.outOfSyncBytes, mismatchCount * 512)
    assert.equal((await metric('reasons'))[`${SR_1} mismatches-found`], 1)
    assert.equal((await metric('needs_operator'))[SR_1], 0, 'no operator is needed')
    assert.equal(field.freeSinceMs, freeSinceMs, 'every host might have gone all the while')
    await field.end()

    await array.setSpeed(SLOW_KIB_PER_SECOND)
    await array.act('repair')
    await lab.until('alpha reports a resync', async () => (await report())?.state === 'resyncing')
    assert.equal((await array.truth()).syncAction, 'repair')
    await assertAllBlocked(lab)
    await array.setSpeed(FAST_KIB_PER_SECOND)
    await lab.until('the repair is over', () => array.isInSync())
    await lab.allMayReboot()
    assert.ok(await array.disksAreEqual(), 'both legs hold the same')

    await array.act('check')
    await lab.until('the kernel finds nothing more', async () => {
      const truth = await array.truth()
      return truth.syncAction === 'idle' && truth.mismatchCount === 0
    })
    await lab.until('alpha reports no reasons', async () => (await report())?.reasons.length === 0)
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}
