import assert from 'node:assert/strict'
import { uuidOf } from '../host-files.ts'
import type { Lab } from '../lab.ts'
import { disableAfterReturn } from '../maintenance.ts'
import { assertNobodyMayGo } from '../nobody-may-go.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { ToldOfResyncs } from '../told-of-resyncs.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'
import { Witness } from '../witness.ts'

/** What the pool is told of one resync: messages outlive a restart of the pool, tasks do not. */
const ONCE = ['RESYNC_STARTED', 'RESYNC_FINISHED']

export const coordinatorKilled: Scenario = {
  number: 12,
  title: 'coordinator killed during a resync: it blocks until it knows',
  topology: PAIR,
  play: async lab => {
    const witness = new Witness(lab)
    await powerCut(lab)
    await updaterKilled(lab)
    await backBeforeItsHost(lab)
    await setResyncRate(lab, null)
    assert.ok(await lab.holdsTheSame('vol-1'), 'both disks hold the same')
    lab.note(`nothing allowed too early in ${await witness.dismiss()} looks`)
  },
}

/** Once it is back while the resync goes on, once the resync has ended while it was away. */
async function updaterKilled(lab: Lab): Promise<void> {
  const told = await beginResync(lab)
  await lab.killDaemon('alpha', 'updater')
  await assert.rejects(lab.pool.mayReboot(), 'nobody answers')
  await lab.startDaemon('alpha', 'updater')
  assert.deepEqual(await firstAnswer(lab), [], 'nobody may reboot at first')
  await untilAllReport(lab, SR_1, 'resyncing')
  await assertNobodyMayGo(lab)

  await lab.killDaemon('alpha', 'updater')
  await setResyncRate(lab, FAST_MIB_PER_SECOND)
  await lab.until('the kernels are done', () => lab.isInSync('vol-1'))
  await lab.startDaemon('alpha', 'updater')
  await lab.allMayReboot()
  await untilToldOnce(lab, told)
}

/** What a host said before counts for nothing: it says that it is in sync, is in sync, and nobody confirms it. */
async function backBeforeItsHost(lab: Lab): Promise<void> {
  // A poll may have let the hosts go before bravo has stored its report.
  await untilAllReport(lab, SR_1, 'synced')
  await lab.killDaemon('bravo', 'agent')
  await lab.killDaemon('alpha', 'updater')
  await lab.startDaemon('alpha', 'updater')
  assert.deepEqual(await firstAnswer(lab), [], 'nobody may reboot at first')
  await lab.until('only bravo keeps hosts from going', async () => {
    const about = await lab.metric('alpha', 'updater', 'resync_monitor_gate_reasons_about')
    const blamed = Object.entries(about).flatMap(([hostAndCode, count]) => (count > 0 ? [hostAndCode] : []))
    return blamed.length > 0 && blamed.every(each => each.startsWith(uuidOf(lab.topology, 'bravo')))
  })
  const { bravo } = await lab.pool.reports(SR_1)
  assert.equal(bravo?.state, 'synced', 'so it stands in the database')
  await assertNobodyMayGo(lab)
  await lab.startDaemon('bravo', 'agent')
  await lab.allMayReboot()
}

/** Of the machine, which holds the good data as well. */
async function powerCut(lab: Lab): Promise<void> {
  const told = await beginResync(lab)
  const alpha = lab.host('alpha')
  await alpha.cutPower()
  await alpha.start()
  assert.deepEqual(await firstAnswer(lab), [], 'nobody may reboot at first')
  await lab.until('the resync goes on', async () => (await lab.drbd('bravo', 'vol-1')).connection === 'SyncTarget')
  await disableAfterReturn(lab, 'alpha')
  await assertNobodyMayGo(lab)
  await setResyncRate(lab, FAST_MIB_PER_SECOND)
  await lab.until('the kernels are done', () => lab.isInSync('vol-1'))
  await lab.allMayReboot()
  await untilToldOnce(lab, told)
}

/** Begins to copy the whole mirror from alpha to bravo, slowly, and waits until both hosts have told of it. */
async function beginResync(lab: Lab): Promise<ToldOfResyncs> {
  const told = await ToldOfResyncs.since(lab, SR_1)
  await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
  await lab.host('bravo').sh('drbdadm invalidate vol-1')
  await lab.until('both hosts have told of it', async () =>
    Object.values(await told.messages()).every(names => names.length === 1),
  )
  return told
}

/** Waits for the pool. @returns the hosts that may reboot by its first answer */
async function firstAnswer(lab: Lab): Promise<readonly string[]> {
  return lab.until('the pool answers', () => lab.pool.mayReboot())
}

async function untilToldOnce(lab: Lab, told: ToldOfResyncs): Promise<void> {
  await lab.until('both hosts have told of one resync, and of its end', async () => {
    const messages = JSON.stringify(Object.values(await told.messages()))
    return messages === JSON.stringify([ONCE, ONCE]) || Promise.reject(new Error(messages))
  })
}
