import assert from 'node:assert/strict'
import { assertNobodyMayGo } from '../nobody-may-go.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { ToldOfResyncs } from '../told-of-resyncs.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'
import { Witness } from '../witness.ts'

export const pauseAndResume: Scenario = {
  number: 6,
  title: 'pause and resume',
  topology: PAIR,
  play: async lab => {
    const told = await ToldOfResyncs.since(lab, SR_1)
    const witness = new Witness(lab)
    const codesOf = async (host: string) => (await lab.pool.reports(SR_1))[host]?.reasons.map(({ code }) => code) ?? []
    const needsOperator = async (host: string) =>
      (await lab.metric(host, 'agent', 'resync_monitor_sr_needs_operator'))[SR_1]

    await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
    await lab.host('bravo').sh('drbdsetup invalidate 1')
    await untilAllReport(lab, SR_1, 'resyncing')
    assert.equal(await needsOperator('alpha'), 0, 'time alone clears it')

    await lab.host('alpha').sh('hil-drbdadm pause-sync vol-1')
    await lab.until('the kernels stand still', async () => {
      const [source, target] = [await lab.drbd('alpha', 'vol-1'), await lab.drbd('bravo', 'vol-1')]
      return source.connection === 'PausedSyncS' && target.connection === 'PausedSyncT'
    })
    await lab.until('alpha says paused', async () => (await codesOf('alpha')).includes('resync-paused'))
    await lab.until('bravo says waiting', async () => (await codesOf('bravo')).includes('resync-waiting'))
    // What was under way when the pause came has arrived by now.
    const paused = await lab.drbd('bravo', 'vol-1')
    assert.equal((await lab.pool.reports(SR_1)).alpha?.state, 'resyncing')
    assert.equal(await needsOperator('alpha'), 1)
    await assertNobodyMayGo(lab)
    const [task] = await told.tasks()
    assert.equal(task?.status, 'pending', 'its task is open')
    assert.deepEqual((await told.messages()).alpha, ['RESYNC_STARTED'])
    const { outOfSyncKiB, connection } = await lab.drbd('bravo', 'vol-1')
    assert.deepEqual([outOfSyncKiB, connection], [paused.outOfSyncKiB, 'PausedSyncT'], 'it stands still')

    await lab.host('alpha').sh('hil-drbdadm resume-sync vol-1')
    await lab.until('the kernel goes on', async () => (await lab.drbd('bravo', 'vol-1')).connection === 'SyncTarget')
    await lab.until('both report it', async () => {
      const codes = [...(await codesOf('alpha')), ...(await codesOf('bravo'))]
      return codes.join() === 'resync-running,resync-running'
    })
    assert.equal(await needsOperator('alpha'), 0)
    assert.deepEqual(await lab.pool.mayReboot(), [])
    assert.equal(await lab.isInSync('vol-1'), false, 'the resync runs still')

    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are done', () => lab.isInSync('vol-1'))
    await lab.allMayReboot()
    await told.untilOnceBy('alpha', 'bravo')
    assert.ok(await lab.holdsTheSame('vol-1'), 'both disks hold the same')
    lab.note(`nothing allowed too early in ${await witness.dismiss()} looks`)
    await setResyncRate(lab, null)
  },
}
