import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from '../../../src/sync-query/report.ts'
import { askAgent } from '../ask-agent.ts'
import { disableAfterReturn } from '../maintenance.ts'
import { assertNobodyMayGo } from '../nobody-may-go.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'
import { Witness } from '../witness.ts'

/** For how long the hosts are looked at: longer than anything that an agent waits for after its start. */
const WATCH_MS = 30_000

export const nothingLeftOfIt: Scenario = {
  number: 19,
  title: 'module not loaded after boot, and the configuration of the resource gone',
  topology: PAIR,
  play: async lab => {
    const configuration = readFileSync(join(lab.host('alpha').share, 'etc/drbd.conf'), 'utf8')
    for (const guest of lab.hosts) {
      guest.withhold('10-drbd')
      await guest.install('drbd.conf', 'global { usage-count no; }\n')
    }
    await Promise.all(lab.hosts.map(guest => guest.cutPower()))
    const witness = new Witness(lab)
    await Promise.all(lab.hosts.map(guest => guest.start()))

    const until = performance.now() + WATCH_MS
    while (performance.now() < until)
      for (const { name } of lab.hosts) {
        const report = (await askAgent(lab, name, 'SR.sync_status', { sr: SR_1 }).catch(() => null)) as Report | null
        assert.notEqual(report?.state, 'synced', `${name} has nothing that could be in sync`)
      }
    for (const { name } of lab.hosts) {
      const report = (await askAgent(lab, name, 'SR.sync_status', { sr: SR_1 })) as Report
      const blocking = report.reasons.filter(({ clearedBy }) => clearedBy === 'operator')
      assert.ok(blocking.length > 0, `${name}: ${JSON.stringify(report.reasons)}`)
      lab.note(`${name} says ${report.state}: ${blocking.map(({ code }) => code).join(', ')}`)
      assert.doesNotMatch(await lab.host(name).sh('cat /proc/modules'), /^drbd\b/m, `nobody has loaded it on ${name}`)
    }
    await disableAfterReturn(lab, ...lab.topology.hosts)
    await assertNobodyMayGo(lab)

    for (const guest of lab.hosts) {
      guest.withhold('10-drbd', false)
      await guest.install('drbd.conf', configuration)
    }
    await Promise.all(lab.hosts.map(guest => guest.sh('sh /etc/rc.d/10-drbd')))
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    await untilAllReport(lab, SR_1, 'synced')
    lab.note(`nothing allowed too early in ${await witness.dismiss()} looks`)
  },
}
