import assert from 'node:assert/strict'
import type { Report } from '../../../src/sync-query/report/report.ts'
import { assertAllBlocked } from '../all-blocked.ts'
import { askAgent } from '../ask-agent.ts'
import { GateMonitor } from '../gate-monitor.ts'
import type { Lab } from '../lab.ts'
import { processesOf, stillRunning } from '../processes.ts'
import { PublishedResyncs } from '../published-resyncs.ts'
import { FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR, SR_1 } from '../topology.ts'

/** Several starts of an emulated daemon fit into one resync of this size. */
const SLOW_MIB_PER_SECOND = 0.1
/** Share of the mirror to resync before the next kill; at most 5 s. */
const RANDOM_STEP = 0.01
const HOSTS = ['alpha', 'bravo'] as const

export const agentsKilled: Scenario = {
  number: 11,
  title: 'agents killed and restarted during a resync and at its end',
  topology: PAIR,
  run: async lab => {
    const monitor = new GateMonitor(lab)
    const published = await PublishedResyncs.since(lab, SR_1)
    await beginResync(lab, published)

    // While the other agent runs.
    await killAtRandom(lab, 'alpha')
    await assertAllBlocked(lab)
    await lab.startDaemon('alpha', 'agent')
    await lab.until('alpha sees the resync again', async () => (await stateOf(lab, 'alpha')) === 'resyncing')
    // Again during its start.
    await killAtRandom(lab, 'bravo')
    await lab.startDaemon('bravo', 'agent')
    await killAtRandom(lab, 'bravo')
    await lab.startDaemon('bravo', 'agent')
    await lab.until('bravo sees the resync again', async () => (await stateOf(lab, 'bravo')) === 'resyncing')
    assert.deepEqual(
      (await published.tasks()).map(({ status }) => status),
      ['pending', 'pending'],
      'the same tasks go on',
    )

    // No agent runs at the end of the resync: the pool's reports of both hosts are old.
    for (const host of HOSTS) await lab.killDaemon(host, 'agent')
    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
    await assertAllBlocked(lab)
    for (const host of HOSTS) await lab.startDaemon(host, 'agent')
    await lab.allMayReboot()
    await published.untilPublishedOnceBy(...HOSTS)

    await killedAtTheEnd(lab)
    await endedInPeace(lab, 'bravo')
    await setResyncRate(lab, null)
    assert.ok(await lab.disksAreEqual('vol-1'), 'both disks hold the same')
    lab.note(`no reboot was allowed too early in ${await monitor.stop()} checks`)
  },
}

/** Starts a slow full resync and waits until both hosts have published it. */
async function beginResync(lab: Lab, published: PublishedResyncs): Promise<void> {
  await setResyncRate(lab, SLOW_MIB_PER_SECOND)
  await lab.host('bravo').sh('drbdadm invalidate vol-1')
  await lab.until('both hosts show its progress', async () => (await published.tasks()).length === HOSTS.length)
}

async function killAtRandom(lab: Lab, host: string): Promise<void> {
  const progress = async () => (await lab.drbd('bravo', 'vol-1')).progress ?? 1
  const at = (await progress()) + Math.random() * RANDOM_STEP
  await lab.until(`${at} is copied`, async () => (await progress()) >= at)
  await lab.killDaemon(host, 'agent')
  lab.note(`killed the agent of ${host} at ${(at * 100).toFixed(1)} %`)
}

/** The state by the agent itself, not by the stored report. */
async function stateOf(lab: Lab, host: string): Promise<string> {
  return ((await askAgent(lab, host, 'SR.sync_status', { sr: SR_1 })) as Report).state
}

/** Kills both agents when the kernels have finished, before they notify the pool. */
async function killedAtTheEnd(lab: Lab): Promise<void> {
  const published = await PublishedResyncs.since(lab, SR_1)
  await beginResync(lab, published)
  // Runs in the guests, because the driver would be too late.
  const killAtEnd = `while grep -q 'cs:Sync' /proc/drbd; do :; done; kill -KILL "$(cat /run/hil/agent.pid)"`
  const killed = Promise.all(HOSTS.map(host => lab.host(host).sh(killAtEnd)))
  await setResyncRate(lab, FAST_MIB_PER_SECOND)
  await killed
  for (const host of HOSTS) await lab.startDaemon(host, 'agent')
  await lab.allMayReboot()
  await published.untilPublishedOnceBy(...HOSTS)
}

/** SIGTERM ends an agent and its children, and removes its socket. */
async function endedInPeace(lab: Lab, host: string): Promise<void> {
  const guest = lab.host(host)
  await lab.until('the agent answers', () => askAgent(lab, host, 'SR.list', {}))
  const { pid, children } = await processesOf(guest, 'agent')
  assert.ok(children.length > 0, 'the agent has a child that follows DRBD')
  await lab.killDaemon(host, 'agent', 'TERM')
  await lab.until('the agent and its children have ended', async () => {
    const left = await stillRunning(guest, [pid, ...children])
    return left.length === 0 || Promise.reject(new Error(`${left.join(' ')} still run`))
  })
  assert.equal((await guest.sh('ls -A /run/resync-monitor')).trim(), '', 'the socket is removed')
  await lab.startDaemon(host, 'agent')
  await lab.allMayReboot()
}
