import assert from 'node:assert/strict'
import type { Report } from '../../../src/sync-query/report/report.ts'
import { assertAllBlocked } from '../all-blocked.ts'
import { askAgent } from '../ask-agent.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { hostFiles } from '../host-files.ts'
import type { Lab } from '../lab.ts'
import { disableAfterReturn } from '../maintenance.ts'
import type { Scenario } from '../scenario.ts'
import { ARRAY_OVER_HOSTS, PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

export const drbdConfigurationGone: Scenario = {
  number: 19,
  title: 'connection removed while configured; module not loaded and configuration gone after boot',
  topology: PAIR,
  run: async lab => {
    await Promise.all(lab.hosts.map(guest => guest.sh('drbdadm disconnect vol-1')))
    await untilAllReport(lab, SR_1, 'degraded')
    await assertAllBlocked(lab)
    await Promise.all(lab.hosts.map(guest => guest.sh('drbdadm connect vol-1')))
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    await untilAllReport(lab, SR_1, 'synced')

    // Both hosts, because a peer's report would block anyway.
    await Promise.all(lab.hosts.map(guest => guest.cutPower()))
    for (const guest of lab.hosts) {
      guest.withhold('10-drbd')
      await guest.install('drbd.conf', 'global { usage-count no; }\n')
    }
    const monitor = new GateMonitor(lab)
    await Promise.all(lab.hosts.map(guest => guest.start()))
    for (const { name } of lab.hosts) await untilMirrorsGone(lab, name, /vol-1\/0/)
    await untilAllReport(lab, SR_1, 'unknown')
    await disableAfterReturn(lab, ...lab.topology.hosts)
    await assertAllBlocked(lab)

    for (const guest of lab.hosts) {
      guest.withhold('10-drbd', false)
      await guest.install('drbd.conf', hostFiles(PAIR, guest.name)['drbd.conf'] ?? '')
    }
    await Promise.all(lab.hosts.map(guest => guest.sh('sh /etc/rc.d/10-drbd')))
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    await untilAllReport(lab, SR_1, 'synced')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}

export const mdConfigurationGone: Scenario = {
  number: 20,
  title: 'md module not loaded and mdadm.conf gone after boot',
  topology: ARRAY_OVER_HOSTS,
  run: async lab => {
    const [alpha] = lab.hosts
    assert.ok(alpha)
    await alpha.cutPower()
    alpha.withhold('20-array')
    await alpha.install('mdadm/mdadm.conf', '')
    await alpha.start()
    await untilMirrorsGone(lab, 'alpha', /md9/)
    await disableAfterReturn(lab, 'alpha')
    await assertAllBlocked(lab)

    alpha.withhold('20-array', false)
    await alpha.install('mdadm/mdadm.conf', hostFiles(ARRAY_OVER_HOSTS, 'alpha')['mdadm/mdadm.conf'] ?? '')
    await alpha.sh('sh /etc/rc.d/20-array')
    await lab.array('md9').assemble()
    await lab.until('the kernel is in sync', () => lab.array('md9').isInSync())
    await lab.allMayReboot()
    await untilAllReport(lab, SR_1, 'synced')
  },
}

/** Waits until a host's agent reports that the mirrors of its SR are gone. */
async function untilMirrorsGone(lab: Lab, host: string, mirrors: RegExp): Promise<void> {
  const { reasons } = await lab.until(`${host} misses what it had`, async () => {
    const report = (await askAgent(lab, host, 'SR.sync_status', { sr: SR_1 })) as Report
    return report.reasons.some(({ code }) => code === 'mirrors-gone') && report
  })
  assert.match(reasons.find(({ code }) => code === 'mirrors-gone')?.word ?? '', mirrors)
}
