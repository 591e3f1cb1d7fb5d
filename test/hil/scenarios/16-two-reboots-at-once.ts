import assert from 'node:assert/strict'
import { GateMonitor } from '../gate-monitor.ts'
import { sumOfDisk, writeKnownData } from '../known-data.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

const WRITTEN_MIB = 12

export const twoRebootsAtOnce: Scenario = {
  number: 16,
  title: 'two clients reboot two hosts in the same second',
  topology: PAIR,
  run: async lab => {
    const monitor = new GateMonitor(lab)
    const [one, other] = [lab.newSession(), lab.newSession()]
    // Log in both clients first.
    await Promise.all([one.mayReboot(), other.mayReboot()])

    const [ofAlpha, ofBravo] = await Promise.all([one.reboot('alpha'), other.reboot('bravo')])
    lab.note(`alpha: ${ofAlpha}, bravo: ${ofBravo}`)
    assert.deepEqual(
      [ofAlpha, ofBravo].toSorted(),
      ['CLUSTERED_SR_DEGRADED', 'accepted'],
      'exactly one call is accepted',
    )
    const [rebooted, blocked] = ofAlpha === 'accepted' ? ['alpha', 'bravo'] : ['bravo', 'alpha']
    const boots = lab.host(rebooted).boots
    await lab.until(`${blocked} is alone`, async () => (await lab.drbd(blocked, 'vol-1')).connection === 'WFConnection')
    assert.equal(lab.host(blocked).power, 'on', `${blocked} stays on`)
    await lab.host(blocked).sh('drbdadm primary vol-1')
    const written = await writeKnownData(lab, blocked, 'vol-1', WRITTEN_MIB)

    await lab.until(`${rebooted} has begun to boot`, () => lab.host(rebooted).boots > boots)
    await lab.host(rebooted).ready()
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    assert.equal(await sumOfDisk(lab, rebooted, 'vol-1', WRITTEN_MIB), written, 'the written data is there')

    // The refused reboot is allowed now, and the data stays intact.
    const bootsOfOther = lab.host(blocked).boots
    assert.equal(await lab.pool.reboot(blocked), 'accepted')
    await lab.until(`${blocked} has begun to boot`, () => lab.host(blocked).boots > bootsOfOther)
    assert.equal(lab.host(rebooted).boots, boots + 1, `${rebooted} has rebooted once`)
    await lab.host(blocked).ready()
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    for (const host of [rebooted, blocked])
      assert.equal(await sumOfDisk(lab, host, 'vol-1', WRITTEN_MIB), written, `what was written is on ${host}`)
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    await untilAllReport(lab, SR_1, 'synced')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}
