import assert from 'node:assert/strict'
import { assertAllBlocked } from '../all-blocked.ts'
import { GateMonitor } from '../gate-monitor.ts'
import { uuidOf } from '../host-files.ts'
import type { Lab } from '../lab.ts'
import { disableAfterReturn } from '../maintenance.ts'
import { PublishedResyncs } from '../published-resyncs.ts'
import { CRAWLING_MIB_PER_SECOND, FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { untilAllReport } from '../until-all-report.ts'

/** Messages of one resync. They survive a restart of the pool; tasks do not. */
const ONCE = ['RESYNC_STARTED', 'RESYNC_FINISHED']

export const coordinatorKilled: Scenario = {
  number: 12,
  title: 'coordinator killed during a resync: it blocks until it has valid reports',
  topology: PAIR,
  run: async lab => {
    const monitor = new GateMonitor(lab)
    await powerCut(lab)
    await updaterKilled(lab)
    await backBeforeItsHost(lab)
    await setResyncRate(lab, null)
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}

/** Kills the coordinator during the resync; it returns once before and once after the end of the resync. */
async function updaterKilled(lab: Lab): Promise<void> {
  const published = await beginResync(lab)
  await lab.killDaemon('alpha', 'updater')
  await assert.rejects(lab.pool.mayReboot(), 'the pool does not answer')
  await lab.startDaemon('alpha', 'updater')
  assert.deepEqual(await firstAnswer(lab), [], 'no host may reboot at first')
  await untilAllReport(lab, SR_1, 'resyncing')
  await assertAllBlocked(lab)

  await lab.killDaemon('alpha', 'updater')
  await setResyncRate(lab, FAST_MIB_PER_SECOND)
  await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
  await lab.startDaemon('alpha', 'updater')
  await lab.allMayReboot()
  await untilPublishedOnce(lab, published)
}

/** A stored `synced` report without confirmation is not valid after a restart, even if it is true. */
async function backBeforeItsHost(lab: Lab): Promise<void> {
  // A poll may have unblocked the hosts before bravo has stored its report.
  await untilAllReport(lab, SR_1, 'synced')
  await lab.killDaemon('bravo', 'agent')
  await lab.killDaemon('alpha', 'updater')
  await lab.startDaemon('alpha', 'updater')
  assert.deepEqual(await firstAnswer(lab), [], 'no host may reboot at first')
  await lab.until('only bravo keeps hosts from going', async () => {
    const about = await lab.metric('alpha', 'updater', 'resync_monitor_gate_reasons_about')
    const blamed = Object.entries(about).flatMap(([hostAndCode, count]) => (count > 0 ? [hostAndCode] : []))
    return blamed.length > 0 && blamed.every(each => each.startsWith(uuidOf(lab.topology, 'bravo')))
  })
  const { bravo } = await lab.pool.reports(SR_1)
  assert.equal(bravo?.state, 'synced', 'the database still has the report')
  await assertAllBlocked(lab)
  await lab.startDaemon('bravo', 'agent')
  await lab.allMayReboot()
}

/** Power cut of the coordinator, which also has the good data. */
async function powerCut(lab: Lab): Promise<void> {
  const published = await beginResync(lab)
  const alpha = lab.host('alpha')
  await alpha.cutPower()
  await alpha.start()
  assert.deepEqual(await firstAnswer(lab), [], 'no host may reboot at first')
  await lab.until('the resync continues', async () => (await lab.drbd('bravo', 'vol-1')).connection === 'SyncTarget')
  await disableAfterReturn(lab, 'alpha')
  await assertAllBlocked(lab)
  await setResyncRate(lab, FAST_MIB_PER_SECOND)
  await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
  await lab.allMayReboot()
  await untilPublishedOnce(lab, published)
}

/** Starts a slow full resync from alpha to bravo and waits until both hosts have published it. */
async function beginResync(lab: Lab): Promise<PublishedResyncs> {
  const published = await PublishedResyncs.since(lab, SR_1)
  await setResyncRate(lab, CRAWLING_MIB_PER_SECOND)
  await lab.host('bravo').sh('drbdadm invalidate vol-1')
  await lab.until('both hosts have published the start', async () =>
    Object.values(await published.messages()).every(names => names.length === 1),
  )
  return published
}

/** Waits for the pool. @returns the hosts that allow `reboot` in its first answer */
async function firstAnswer(lab: Lab): Promise<readonly string[]> {
  return lab.until('the pool answers', () => lab.pool.mayReboot())
}

async function untilPublishedOnce(lab: Lab, published: PublishedResyncs): Promise<void> {
  await lab.until('both hosts have published start and end of one resync', async () => {
    const messages = JSON.stringify(Object.values(await published.messages()))
    return messages === JSON.stringify([ONCE, ONCE]) || Promise.reject(new Error(messages))
  })
}
