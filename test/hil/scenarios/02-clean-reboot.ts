import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { FieldWatch } from '../field-watch.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { type KernelMoment, whenLogged } from '../kernel-clock.ts'
import type { Lab } from '../lab.ts'
import { disableAfterReturn } from '../maintenance.ts'
import { PublishedResyncs } from '../published-resyncs.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { callStorageScript, storageHealth } from '../storage-script.ts'
import { PAIR, SR_1 } from '../topology.ts'

/** Size of the data to resync. */
const WRITTEN_MIB = 32

export const cleanReboot: Scenario = {
  number: 2,
  title: 'clean reboot through host.reboot, resync, free again',
  topology: PAIR,
  run: async lab => {
    const [alpha, bravo] = [lab.host('alpha'), lab.host('bravo')]
    const plugged = await plug(lab)
    await lab.until('the plugin reports Healthy', async () => (await healths(lab, plugged)) === 'Healthy Healthy')
    await alpha.sh('hil-drbdadm primary vol-1')
    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    const published = await PublishedResyncs.since(lab, SR_1)
    const bootsBefore = bravo.boots
    const bootBefore = (await lab.pool.reports(SR_1)).bravo?.bootId
    const monitor = new GateMonitor(lab)

    assert.equal(await lab.pool.reboot('bravo'), 'accepted')
    assert.equal(await lab.pool.reboot('alpha'), 'CLUSTERED_SR_DEGRADED', 'the very next call')
    assert.deepEqual(await lab.pool.mayReboot(), [], 'and the field')
    assert.equal(await lab.pool.shutdown('alpha'), 'CLUSTERED_SR_DEGRADED')
    await lab.until('bravo is down', async () => (await lab.drbd('alpha', 'vol-1')).connection !== 'Connected')
    assert.equal(await lab.pool.reboot('alpha'), 'CLUSTERED_SR_DEGRADED', 'while bravo is away')
    await lab.write('alpha', 'vol-1', WRITTEN_MIB)

    await lab.until('bravo boots', () => bravo.boots === bootsBefore + 1)
    await bravo.ready()
    lab.note(`bravo booted in ${bravo.bootSeconds.toFixed(1)} s`)
    await lab.until(
      'bravo is being resynchronised',
      async () => (await lab.drbd('bravo', 'vol-1')).connection === 'SyncTarget',
    )
    const { outOfSyncKiB } = await lab.drbd('alpha', 'vol-1')
    assert.ok(outOfSyncKiB > 0 && outOfSyncKiB <= WRITTEN_MIB * 1024, `by its bitmap: ${outOfSyncKiB} KiB`)
    await lab.until('both report a resync that moves', async () => {
      const { alpha: source, bravo: target } = await lab.pool.reports(SR_1)
      const moves = [source, target].every(report => report?.state === 'resyncing' && (report.progress ?? 0) > 0)
      return moves && target?.bootId !== bootBefore
    })
    await disableAfterReturn(lab, 'bravo')
    await assertAllBlocked(lab)
    assert.equal(await healths(lab, plugged), 'Recovering Recovering')
    const states = await lab.metric('bravo', 'agent', 'resync_monitor_sr_state')
    assert.equal(states[`${SR_1} resyncing`], 1, 'the metrics of the target show it')
    assert.ok((await published.tasks()).some(({ status, progress }) => status === 'pending' && progress > 0))
    assert.equal(await lab.isInSync('vol-1'), false, 'the resync runs still')

    const field = new FieldWatch(lab)
    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await lab.until('the field is free', () => field.freedAtMs !== null)
    await tellHowFast(lab, field.freedAtMs ?? 0)
    await field.end()

    const reports = await lab.pool.reports(SR_1)
    assert.deepEqual([reports.alpha?.state, reports.bravo?.state], ['synced', 'synced'])
    await published.untilPublishedOnceBy('alpha', 'bravo')
    await lab.until('the plugin reports Healthy', async () => (await healths(lab, plugged)) === 'Healthy Healthy')
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
    await alpha.sh('hil-drbdadm secondary vol-1')
    await setResyncRate(lab, null)
    await unplug(lab, plugged)
  },
}

/** Time from the end of the resync in both kernel logs until a client sees the changed field. */
async function tellHowFast(lab: Lab, freedAtMs: number): Promise<void> {
  const [source, target] = await Promise.all(
    lab.hosts.map(host => whenLogged(host, /drbd1: conn\( Sync\w+ -> Connected \)/)),
  )
  if (source === undefined || target === undefined) throw new Error('the pair has two hosts')
  const last = source.atMs > target.atMs ? source : target
  const tookMs = freedAtMs - last.atMs
  const since = ({ atMs, errorMs }: KernelMoment) => `${Math.round(freedAtMs - atMs)} ± ${Math.round(errorMs)} ms`
  lab.note(
    `from the kernels' log of the end to the field: ${since(last)} (source ${since(source)}, target ${since(target)})`,
  )
  assert.ok(tookMs > -last.errorMs, `not before the end: ${tookMs} ms`)
}

/** Creates an SR of the volume plugin for the same mirrors, plugged on both hosts. @returns its name by SR.attach */
async function plug(lab: Lab): Promise<unknown> {
  const uris = await Promise.all(
    lab.hosts.map(async host => {
      const given = { uuid: SR_1, name: 'mirrors', description: '', configuration: { drbd: 'vol-*' } }
      const configuration = await callStorageScript(host, 'SR.create', { dbg: 'hil', ...given })
      return callStorageScript(host, 'SR.attach', { dbg: 'hil', configuration })
    }),
  )
  assert.equal(uris[0], uris[1])
  return uris[0]
}

async function unplug(lab: Lab, sr: unknown): Promise<void> {
  await Promise.all(lab.hosts.map(host => callStorageScript(host, 'SR.destroy', { dbg: 'hil', sr })))
}

/** SR.stat's health on each host. */
async function healths(lab: Lab, sr: unknown): Promise<string> {
  return (await Promise.all(lab.hosts.map(host => storageHealth(host, sr)))).join(' ')
}
