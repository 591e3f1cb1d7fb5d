import assert from 'node:assert/strict'
import { sumOfDisk, writeKnownData } from '../known-data.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'
import { Witness } from '../witness.ts'

const WRITTEN_MIB = 12

export const twoRebootsAtOnce: Scenario = {
  number: 16,
  title: 'the incident: two hosts asked to reboot in the same second',
  topology: PAIR,
  play: async lab => {
    const witness = new Witness(lab)
    const [one, other] = [lab.newSession(), lab.newSession()]
    // Both are logged in before it matters.
    await Promise.all([one.mayReboot(), other.mayReboot()])

    const [ofAlpha, ofBravo] = await Promise.all([one.reboot('alpha'), other.reboot('bravo')])
    lab.note(`alpha: ${ofAlpha}, bravo: ${ofBravo}`)
    assert.deepEqual([ofAlpha, ofBravo].toSorted(), ['CLUSTERED_SR_DEGRADED', 'accepted'], 'exactly one goes')
    const [goes, stays] = ofAlpha === 'accepted' ? ['alpha', 'bravo'] : ['bravo', 'alpha']
    const boots = lab.host(goes).boots
    await lab.until(`${stays} is alone`, async () => (await lab.drbd(stays, 'vol-1')).connection === 'WFConnection')
    assert.equal(lab.host(stays).power, 'on', `${stays} stays`)
    await lab.host(stays).sh('drbdadm primary vol-1')
    const written = await writeKnownData(lab, stays, 'vol-1', WRITTEN_MIB)

    await lab.until(`${goes} has begun to boot`, () => lab.host(goes).boots > boots)
    await lab.host(goes).ready()
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    assert.equal(await sumOfDisk(lab, goes, 'vol-1', WRITTEN_MIB), written, 'what was written meanwhile is there')

    // What was refused may be done now, and it is all the same to the data.
    const bootsOfOther = lab.host(stays).boots
    assert.equal(await lab.pool.reboot(stays), 'accepted')
    await lab.until(`${stays} has begun to boot`, () => lab.host(stays).boots > bootsOfOther)
    assert.equal(lab.host(goes).boots, boots + 1, `${goes} has gone once`)
    await lab.host(stays).ready()
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    for (const host of [goes, stays])
      assert.equal(await sumOfDisk(lab, host, 'vol-1', WRITTEN_MIB), written, `what was written is on ${host}`)
    assert.ok(await lab.holdsTheSame('vol-1'), 'both disks hold the same')
    await untilAllReport(lab, SR_1, 'synced')
    lab.note(`nothing allowed too early in ${await witness.dismiss()} looks`)
  },
}
