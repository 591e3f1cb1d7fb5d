import assert from 'node:assert/strict'
import { FieldWatch } from '../field-watch.ts'
import { type KernelMoment, whenLogged } from '../kernel-clock.ts'
import type { Lab } from '../lab.ts'
import { disableAfterReturn } from '../maintenance.ts'
import { assertNobodyMayGo } from '../nobody-may-go.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { callStorageScript, storageHealth } from '../storage-script.ts'
import { ToldOfResyncs } from '../told-of-resyncs.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { Witness } from '../witness.ts'

/** What must be copied afterwards. */
const WRITTEN_MIB = 32

export const cleanReboot: Scenario = {
  number: 2,
  title: 'clean reboot through host.reboot, resync, free again',
  topology: PAIR,
  play: async lab => {
    const [alpha, bravo] = [lab.host('alpha'), lab.host('bravo')]
    const plugged = await plug(lab)
    await lab.until('the plugin says Healthy', async () => (await healths(lab, plugged)) === 'Healthy Healthy')
    await alpha.sh('hil-drbdadm primary vol-1')
    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    const told = await ToldOfResyncs.since(lab, SR_1)
    const bootsBefore = bravo.boots
    const bootBefore = (await lab.pool.reports(SR_1)).bravo?.bootId
    const witness = new Witness(lab)

    assert.equal(await lab.pool.reboot('bravo'), 'accepted')
    assert.equal(await lab.pool.reboot('alpha'), 'CLUSTERED_SR_DEGRADED', 'the very next call')
    assert.deepEqual(await lab.pool.mayReboot(), [], 'and the field')
    assert.equal(await lab.pool.shutdown('alpha'), 'CLUSTERED_SR_DEGRADED')
    await lab.until('bravo has gone', async () => (await lab.drbd('alpha', 'vol-1')).connection !== 'Connected')
    assert.equal(await lab.pool.reboot('alpha'), 'CLUSTERED_SR_DEGRADED', 'while it is away')
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
    await assertNobodyMayGo(lab)
    assert.equal(await healths(lab, plugged), 'Recovering Recovering')
    const states = await lab.metric('bravo', 'agent', 'resync_monitor_sr_state')
    assert.equal(states[`${SR_1} resyncing`], 1, 'so say the metrics of the target')
    assert.ok((await told.tasks()).some(({ status, progress }) => status === 'pending' && progress > 0))
    assert.equal(await lab.isInSync('vol-1'), false, 'the resync runs still')

    const field = new FieldWatch(lab)
    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are done', () => lab.isInSync('vol-1'))
    await lab.until('the field is free', () => field.freedAtMs !== null)
    await tellHowFast(lab, field.freedAtMs ?? 0)
    await field.end()

    const reports = await lab.pool.reports(SR_1)
    assert.deepEqual([reports.alpha?.state, reports.bravo?.state], ['synced', 'synced'])
    await told.untilOnceBy('alpha', 'bravo')
    await lab.until('the plugin says Healthy', async () => (await healths(lab, plugged)) === 'Healthy Healthy')
    assert.ok(await lab.holdsTheSame('vol-1'), 'both disks hold the same')
    lab.note(`nothing allowed too early in ${await witness.dismiss()} looks`)
    await alpha.sh('hil-drbdadm secondary vol-1')
    await setResyncRate(lab, null)
    await unplug(lab, plugged)
  },
}

/** The time from the end of the resync, as both kernels have logged it, to the field as a client was told of it. */
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

/** An SR of the volume plugin for the same mirrors, plugged on both hosts. @returns as SR.attach calls it */
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

/** What SR.stat says on each host. */
async function healths(lab: Lab, sr: unknown): Promise<string> {
  return (await Promise.all(lab.hosts.map(host => storageHealth(host, sr)))).join(' ')
}
