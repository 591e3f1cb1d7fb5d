import assert from 'node:assert/strict'
import type { Report } from '../../../src/sync-query/report/report.ts'
import { askAgent } from '../ask-agent.ts'
import type { Lab } from '../lab.ts'
import { untilNobodyMayGo } from '../nobody-may-go.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { Witness } from '../witness.ts'

/** What alpha may say of a configured peer that its kernel does not have: 8.4 keeps a connection that is StandAlone, or shows none. */
const OF_THE_PEER = ['peer-missing', 'stand-alone']

export const peerMissing: Scenario = {
  number: 18,
  title: 'a configured peer that the kernel does not have',
  topology: PAIR,
  play: async lab => {
    const alpha = lab.host('alpha')
    const witness = new Witness(lab)

    // Its network configuration goes from the kernel; the file names the peer as before.
    await alpha.sh('drbdadm disconnect vol-1')
    await untilMissed(lab)
    await untilNobodyMayGo(lab)

    // A start knows nothing of what went before.
    await lab.killDaemon('alpha', 'agent')
    await lab.startDaemon('alpha', 'agent')
    await untilMissed(lab)

    // Brought up with its disk and without any connection, as after an `adjust` that failed half-way.
    await alpha.sh(
      'drbdadm down vol-1 && drbdsetup new-resource vol-1 && drbdsetup new-minor vol-1 1 0 && drbdadm attach vol-1',
    )
    await untilMissed(lab)
    await lab.killDaemon('alpha', 'agent')
    await lab.startDaemon('alpha', 'agent')
    await untilMissed(lab)
    await untilNobodyMayGo(lab)

    await alpha.sh('drbdadm adjust vol-1')
    await lab.host('bravo').sh('drbdadm connect vol-1 || true')
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    lab.note(`nothing allowed too early in ${await witness.dismiss()} looks`)
  },
}

async function untilMissed(lab: Lab): Promise<void> {
  const report = await lab.until('alpha misses its peer', async () => {
    const said = (await askAgent(lab, 'alpha', 'SR.sync_status', { sr: SR_1 })) as Report
    return said.state === 'degraded' && said
  })
  const missing = report.reasons.filter(({ code }) => OF_THE_PEER.includes(code))
  assert.ok(missing.length > 0, JSON.stringify(report.reasons))
  assert.ok(missing.every(({ mirror, clearedBy }) => mirror === 'vol-1/0' && clearedBy === 'operator'))
  assert.ok(!report.reasons.some(({ code }) => code === 'single-copy'))
}
