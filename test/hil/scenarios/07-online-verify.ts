import assert from 'node:assert/strict'
import type { MirrorsAnswer } from '../../../src/agent-api/answers.ts'
import { askAgent } from '../ask-agent.ts'
import { FieldWatch } from '../field-watch.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { mirrorsOf } from '../host-files.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'

/** The resync rate also limits a verify. */
const DAMAGED_BLOCK = 1280

export const onlineVerify: Scenario = {
  number: 7,
  title: 'online verify does not block; its findings are a warning',
  topology: PAIR,
  run: async lab => {
    const [alpha, bravo] = [lab.host('alpha'), lab.host('bravo')]
    const mirrorsOn = async (host: string) => (await askAgent(lab, host, 'SR.mirrors', { sr: SR_1 })) as MirrorsAnswer
    const codesOn = async (host: string) => (await lab.pool.reports(SR_1))[host]?.reasons.map(({ code }) => code) ?? []
    const isVerifying = async () => (await lab.drbd('alpha', 'vol-1')).connection === 'VerifyS'
    await alpha.sh('hil-drbdadm primary vol-1')
    const monitor = new GateMonitor(lab)
    const field = new FieldWatch(lab)
    await lab.until('the field is followed', () => field.freeSinceMs !== null)
    const { freeSinceMs } = field

    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    await alpha.sh('hil-drbdadm verify vol-1')
    await lab.until('the kernel verifies', isVerifying)
    await lab.until('both agents show a verify', async () => {
      const shown = (await Promise.all(['alpha', 'bravo'].map(mirrorsOn))).flatMap(({ mirrors }) => mirrors)
      return shown.length === 2 && shown.every(({ activity, state }) => activity === 'verify' && state === 'synced')
    })
    await lab.until('the verify moves', async () => {
      const [shown] = (await mirrorsOn('alpha')).mirrors
      return (shown?.progress ?? 0) > 0.01
    })
    for (const report of Object.values(await lab.pool.reports(SR_1))) assert.equal(report?.state, 'synced')
    assert.ok(await isVerifying(), 'the verify still runs')
    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the verify is over', async () => !(await isVerifying()))
    assert.equal((await lab.drbd('alpha', 'vol-1')).outOfSyncKiB, 0, 'the verify found nothing')
    await lab.until('the agents show no verify', async () => (await mirrorsOn('alpha')).mirrors.length === 0)

    const disk = mirrorsOf(lab.topology, 'bravo')[0]?.disk
    await bravo.sh(
      `dd if=/dev/urandom of=/dev/disk${disk} bs=4k count=1 seek=${DAMAGED_BLOCK} oflag=direct conv=notrunc 2>&1`,
    )
    assert.equal(await lab.disksAreEqual('vol-1'), false, 'the disks differ')
    await alpha.sh('hil-drbdadm verify vol-1')
    await lab.until('the kernel has found the difference', async () => {
      const { connection, outOfSyncKiB } = await lab.drbd('alpha', 'vol-1')
      return connection === 'Connected' && outOfSyncKiB === 4
    })
    await lab.until('both hosts warn', async () =>
      (await Promise.all(['alpha', 'bravo'].map(codesOn))).every(codes => codes.join() === 'drift'),
    )
    for (const report of Object.values(await lab.pool.reports(SR_1))) assert.equal(report?.state, 'synced')
    const warned = await lab.metric('alpha', 'agent', 'resync_monitor_sr_reasons')
    assert.equal(warned[`${SR_1} drift`], 1, 'the metrics warn too')
    assert.deepEqual(await lab.pool.mayReboot(), ['alpha', 'bravo'])
    assert.equal(field.freeSinceMs, freeSinceMs, 'every host might have gone all the while')
    await field.end()

    await alpha.sh('hil-drbdadm disconnect vol-1')
    await lab.until('this blocks', async () => (await lab.pool.mayReboot()).length === 0)
    await alpha.sh('hil-drbdadm connect vol-1')
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    await lab.until('no host warns', async () =>
      (await Promise.all(['alpha', 'bravo'].map(codesOn))).every(codes => codes.length === 0),
    )
    assert.ok(await lab.disksAreEqual('vol-1'), 'the difference was repaired')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
    await alpha.sh('hil-drbdadm secondary vol-1')
    await setResyncRate(lab, null)
  },
}
