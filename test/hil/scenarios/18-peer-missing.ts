import assert from 'node:assert/strict'
import type { Report } from '../../../src/sync-query/report/report.ts'
import { untilAllBlocked } from '../all-blocked.ts'
import { askAgent } from '../ask-agent.ts'
import { GateMonitor } from '../gate-monitor.ts'
import type { Lab } from '../lab.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'

/** Codes for a configured peer that the kernel does not have: 8.4 keeps a StandAlone connection, or shows none. */
const MISSING_PEER_CODES = ['peer-missing', 'stand-alone']

export const peerMissing: Scenario = {
  number: 18,
  title: 'a configured peer that the kernel does not have',
  topology: PAIR,
  run: async lab => {
    const alpha = lab.host('alpha')
    const monitor = new GateMonitor(lab)

    // Removes the connection from the kernel; the file still names the peer.
    await alpha.sh('drbdadm disconnect vol-1')
    await untilMissed(lab)
    await untilAllBlocked(lab)

    // A restarted agent has no memory of the connection.
    await lab.killDaemon('alpha', 'agent')
    await lab.startDaemon('alpha', 'agent')
    await untilMissed(lab)

    // Up with its disk and without a connection, as after a failed `adjust`.
    await alpha.sh(
      'drbdadm down vol-1 && drbdsetup new-resource vol-1 && drbdsetup new-minor vol-1 1 0 && drbdadm attach vol-1',
    )
    await untilMissed(lab)
    await lab.killDaemon('alpha', 'agent')
    await lab.startDaemon('alpha', 'agent')
    await untilMissed(lab)
    await untilAllBlocked(lab)

    await alpha.sh('drbdadm adjust vol-1')
    await lab.host('bravo').sh('drbdadm connect vol-1 || true')
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}

async function untilMissed(lab: Lab): Promise<void> {
  const report = await lab.until('alpha reports its missing peer', async () => {
    const status = (await askAgent(lab, 'alpha', 'SR.sync_status', { sr: SR_1 })) as Report
    return status.state === 'degraded' && status
  })
  const missing = report.reasons.filter(({ code }) => MISSING_PEER_CODES.includes(code))
  assert.ok(missing.length > 0, JSON.stringify(report.reasons))
  assert.ok(missing.every(({ mirror, clearedBy }) => mirror === 'vol-1/0' && clearedBy === 'operator'))
  assert.ok(!report.reasons.some(({ code }) => code === 'single-copy'))
}
