import assert from 'node:assert/strict'
import type { Report } from '../../../src/sync-query/report/report.ts'
import { askAgent } from '../ask-agent.ts'
import type { Lab } from '../lab.ts'
import { assertNobodyMayGo } from '../nobody-may-go.ts'
import { processesOf, stillRunning } from '../processes.ts'
import { FAST_MIB_PER_SECOND, setResyncRate } from '../resync-rate.ts'
import type { Scenario } from '../scenario.ts'
import { ToldOfResyncs } from '../told-of-resyncs.ts'
import { PAIR, SR_1 } from '../topology.ts'
import { Witness } from '../witness.ts'

/** Several starts of an emulated daemon must fit into one resync. */
const SLOW_MIB_PER_SECOND = 0.1
/** By how much of the mirror a resync goes on before the next kill, at most: 5 s. */
const RANDOM_STEP = 0.01
const HOSTS = ['alpha', 'bravo'] as const

export const agentsKilled: Scenario = {
  number: 11,
  title: 'agents killed and restarted in the middle of everything',
  topology: PAIR,
  play: async lab => {
    const witness = new Witness(lab)
    const told = await ToldOfResyncs.since(lab, SR_1)
    await beginResync(lab, told)

    // While the other one looks on.
    await killAtRandom(lab, 'alpha')
    await assertNobodyMayGo(lab)
    await lab.startDaemon('alpha', 'agent')
    await lab.until('alpha sees the resync again', async () => (await stateOf(lab, 'alpha')) === 'resyncing')
    // And in the middle of its start.
    await killAtRandom(lab, 'bravo')
    await lab.startDaemon('bravo', 'agent')
    await killAtRandom(lab, 'bravo')
    await lab.startDaemon('bravo', 'agent')
    await lab.until('bravo sees the resync again', async () => (await stateOf(lab, 'bravo')) === 'resyncing')
    assert.deepEqual(
      (await told.tasks()).map(({ status }) => status),
      ['pending', 'pending'],
      'the same tasks go on',
    )

    // At the end nobody looks: what the pool has of both hosts is from before.
    for (const host of HOSTS) await lab.killDaemon(host, 'agent')
    await setResyncRate(lab, FAST_MIB_PER_SECOND)
    await lab.until('the kernels are done', () => lab.isInSync('vol-1'))
    await assertNobodyMayGo(lab)
    for (const host of HOSTS) await lab.startDaemon(host, 'agent')
    await lab.allMayReboot()
    await told.untilOnceBy(...HOSTS)

    await killedAtTheEnd(lab)
    await endedInPeace(lab, 'bravo')
    await setResyncRate(lab, null)
    assert.ok(await lab.holdsTheSame('vol-1'), 'both disks hold the same')
    lab.note(`nothing allowed too early in ${await witness.dismiss()} looks`)
  },
}

/** Begins to copy the whole mirror, slowly, and waits until both hosts have told of it. */
async function beginResync(lab: Lab, told: ToldOfResyncs): Promise<void> {
  await setResyncRate(lab, SLOW_MIB_PER_SECOND)
  await lab.host('bravo').sh('drbdadm invalidate vol-1')
  await lab.until('both hosts show its progress', async () => (await told.tasks()).length === HOSTS.length)
}

async function killAtRandom(lab: Lab, host: string): Promise<void> {
  const progress = async () => (await lab.drbd('bravo', 'vol-1')).progress ?? 1
  const at = (await progress()) + Math.random() * RANDOM_STEP
  await lab.until(`${at} is copied`, async () => (await progress()) >= at)
  await lab.killDaemon(host, 'agent')
  lab.note(`killed the agent of ${host} at ${(at * 100).toFixed(1)} %`)
}

/** What the agent itself says, not what is stored of it. */
async function stateOf(lab: Lab, host: string): Promise<string> {
  return ((await askAgent(lab, host, 'SR.sync_status', { sr: SR_1 })) as Report).state
}

/** Both are killed the moment that the kernels are done, when they are about to tell the pool. */
async function killedAtTheEnd(lab: Lab): Promise<void> {
  const told = await ToldOfResyncs.since(lab, SR_1)
  await beginResync(lab, told)
  // In the guests themselves: from here it would be too late.
  const killAtEnd = `while grep -q 'cs:Sync' /proc/drbd; do :; done; kill -KILL "$(cat /run/hil/agent.pid)"`
  const killed = Promise.all(HOSTS.map(host => lab.host(host).sh(killAtEnd)))
  await setResyncRate(lab, FAST_MIB_PER_SECOND)
  await killed
  for (const host of HOSTS) await lab.startDaemon(host, 'agent')
  await lab.allMayReboot()
  await told.untilOnceBy(...HOSTS)
}

/** SIGTERM ends an agent with its children, and leaves no socket. */
async function endedInPeace(lab: Lab, host: string): Promise<void> {
  const guest = lab.host(host)
  await lab.until('the agent answers', () => askAgent(lab, host, 'SR.list', {}))
  const { pid, children } = await processesOf(guest, 'agent')
  assert.ok(children.length > 0, 'it follows DRBD with a child')
  await lab.killDaemon(host, 'agent', 'TERM')
  await lab.until('the agent has gone with its children', async () => {
    const left = await stillRunning(guest, [pid, ...children])
    return left.length === 0 || Promise.reject(new Error(`${left.join(' ')} still run`))
  })
  assert.equal((await guest.sh('ls -A /run/resync-monitor')).trim(), '', 'nor is its socket left')
  await lab.startDaemon(host, 'agent')
  await lab.allMayReboot()
}
