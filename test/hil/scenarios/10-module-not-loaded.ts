import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from '../../../src/sync-query/report/report.ts'
import { assertAllBlocked } from '../all-blocked.ts'
import { askAgent } from '../ask-agent.ts'
import { GateMonitor } from '../gate-monitor.ts'
import type { Guest } from '../guest.ts'
import { disableAfterReturn } from '../maintenance.ts'
import type { Scenario } from '../scenario.ts'
import { callStorageScript } from '../storage-script.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

export const moduleNotLoaded: Scenario = {
  number: 10,
  title: 'module not loaded after boot, resource configured',
  topology: PAIR,
  run: async lab => {
    // Both hosts, because a peer's report would block anyway.
    for (const guest of lab.hosts) guest.withhold('10-drbd')
    await Promise.all(lab.hosts.map(guest => guest.cutPower()))
    const logged = new Map(lab.hosts.map(guest => [guest.name, agentLog(guest).length]))
    const monitor = new GateMonitor(lab)
    await Promise.all(lab.hosts.map(guest => guest.start()))

    for (const { name } of lab.hosts) {
      const report = await lab.until(`${name} misses its mirror`, async () => {
        const report = (await askAgent(lab, name, 'SR.sync_status', { sr: SR_1 })) as Report
        return report.state === 'degraded' && report
      })
      assert.deepEqual(
        report.reasons.map(({ code, mirror }) => `${code} ${mirror}`),
        ['not-up vol-1/0'],
      )
    }
    await untilAllReport(lab, SR_1, 'degraded')
    await disableAfterReturn(lab, ...lab.topology.hosts)
    await assertAllBlocked(lab)
    for (const guest of lab.hosts) {
      assert.equal((await lab.metric(guest.name, 'agent', 'resync_monitor_sr_needs_operator'))[SR_1], 1)
      await callStorageScript(guest, 'SR.probe', { dbg: 'hil', configuration: {} })
      assert.doesNotMatch(
        await guest.sh('dmesg; cat /proc/modules'),
        /\bdrbd\b/,
        `the module is not loaded on ${guest.name}`,
      )
      assert.doesNotMatch(agentLog(guest).slice(logged.get(guest.name)), /→ synced/, `${guest.name} was never in sync`)
    }

    for (const guest of lab.hosts) guest.withhold('10-drbd', false)
    await Promise.all(lab.hosts.map(guest => guest.sh('sh /etc/rc.d/10-drbd')))
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    await untilAllReport(lab, SR_1, 'synced')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}

function agentLog(guest: Guest): string {
  return readFileSync(join(guest.share, 'log/agent.log'), 'utf8')
}
