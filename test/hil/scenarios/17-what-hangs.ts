import assert from 'node:assert/strict'
import type { Report } from '../../../src/sync-query/report/report.ts'
import { untilAllBlocked } from '../all-blocked.ts'
import { askAgent } from '../ask-agent.ts'
import type { Guest } from '../guest.ts'
import type { Lab } from '../lab.ts'
import { processesOf, stillRunning } from '../processes.ts'
import type { Scenario } from '../scenario.ts'
import { PAIR_AND_ARRAY, SR_1, SR_2 } from '../topology.ts'

/** A state that was not confirmed for this long is unknown. */
const SILENCE_LIMIT_MS = 15_000
/** Allowance for the requests of this scenario. */
const ASKING_MS = 1_500
/** How long the scenario observes the other source while one hangs. */
const WATCH_MS = 20_000
/** An agent must end within this time although a read hangs; systemd would kill it then. */
const END_MS = 5_000

export const whatHangs: Scenario = {
  number: 17,
  title: 'events2, drbdsetup, /proc/drbd and a file of an array hang',
  topology: PAIR_AND_ARRAY,
  run: async lab => {
    const alpha = lab.host('alpha')
    await eventsStopped(lab, alpha)
    await everyDrbdsetupHangs(lab, alpha)
    await filesHang(lab, alpha)
  },
}

/** Stops the child that follows events, then changes the state. */
async function eventsStopped(lab: Lab, alpha: Guest): Promise<void> {
  const { children } = await processesOf(alpha, 'agent')
  const asked = await alpha.sh(
    `for pid in ${children.join(' ')}; do echo $pid $(tr '\\0' ' ' </proc/$pid/cmdline | head -c 200); done`,
  )
  const follower = asked
    .split('\n')
    .find(line => /events2/.test(line) && !line.includes('--now'))
    ?.split(' ')[0]
  assert.ok(follower !== undefined, `the agent follows events: ${asked}`)
  await alpha.sh(`kill -STOP ${follower}`)
  await lab.host('bravo').sh('drbdadm disconnect vol-1')
  const ms = await untilNotSynced(lab, SR_1)
  lab.note(`a stopped events2: noticed after ${ms} ms`)
  assert.equal((await reportOf(lab, SR_2)).state, 'synced', 'the array is not affected')
  await lab.host('bravo').sh('drbdadm connect vol-1')
  await alpha.sh('drbdadm connect vol-1 || true')
  await lab.until('the kernels are in sync', () => lab.isInSync('vol-1'))
  await lab.allMayReboot()
}

/** Every call of drbdsetup hangs from now on. */
async function everyDrbdsetupHangs(lab: Lab, alpha: Guest): Promise<void> {
  const [tool = ''] = (await alpha.sh('command -v drbdsetup')).trim().split('\n')
  await alpha.sh(
    `printf '#!/bin/sh\\nexec sleep 100000\\n' >/run/hanging && chmod 755 /run/hanging && mount -o bind /run/hanging ${tool}`,
  )
  const ms = await untilNotSynced(lab, SR_1)
  const report = await reportOf(lab, SR_1)
  lab.note(`a drbdsetup that hangs: noticed after ${ms} ms, ${JSON.stringify(report.reasons)}`)
  assert.equal(report.state, 'unknown')
  assert.equal(report.reasons[0]?.code, 'source-silent')
  assert.match(report.reasons[0]?.word ?? '', /drbdsetup .*hangs/)
  assert.equal((await reportOf(lab, SR_2)).state, 'synced')
  await untilAllBlocked(lab)
  await alpha.sh(`umount ${tool}; pkill -f 'sleep 100000' || true`)
  await lab.allMayReboot()
}

/** Makes reads of a file hang: mounts a pipe without a writer over it. */
async function hang(guest: Guest, file: string): Promise<void> {
  await guest.sh(`[ -p /run/pipe ] || mkfifo /run/pipe; mount -o bind /run/pipe $(readlink -f ${file})`)
}

/** A file of the array hangs, then /proc/drbd too, and the agent is ended meanwhile. */
async function filesHang(lab: Lab, alpha: Guest): Promise<void> {
  const [ofArray, ofDrbd] = ['/sys/block/md9/md/sync_action', '/proc/drbd']
  await hang(alpha, ofArray)
  const ms = await untilNotSynced(lab, SR_2)
  const report = await reportOf(lab, SR_2)
  lab.note(`a file of an array that hangs: noticed after ${ms} ms, ${JSON.stringify(report.reasons)}`)
  assert.equal(report.state, 'unknown')
  assert.match(JSON.stringify(report.reasons), /source-silent.*md9.*sync_action/)
  const until = performance.now() + WATCH_MS
  while (performance.now() < until) assert.equal((await reportOf(lab, SR_1)).state, 'synced', 'DRBD is not affected')

  // drbdsetup reads the module's version there and hangs too.
  await hang(alpha, ofDrbd)
  const drbdMs = await untilNotSynced(lab, SR_1)
  const { state, reasons } = await reportOf(lab, SR_1)
  lab.note(`/proc/drbd that hangs: noticed after ${drbdMs} ms, ${JSON.stringify(reasons)}`)
  assert.equal(state, 'unknown')

  const { pid, children } = await processesOf(alpha, 'agent')
  const toldAt = performance.now()
  await lab.killDaemon('alpha', 'agent', 'TERM')
  await lab.until('the agent has gone', async () => (await stillRunning(alpha, [pid])).length === 0)
  const tookMs = Math.round(performance.now() - toldAt)
  assert.ok(tookMs < END_MS + ASKING_MS, `it took ${tookMs} ms`)
  lab.note(`the agent ended ${tookMs} ms after SIGTERM, with ${children.length} children`)
  await alpha.sh([ofArray, ofDrbd].map(file => `umount $(readlink -f ${file})`).join('; '))
  await lab.startDaemon('alpha', 'agent')
  await lab.allMayReboot()
}

async function reportOf(lab: Lab, sr: string): Promise<Report> {
  return (await askAgent(lab, 'alpha', 'SR.sync_status', { sr })) as Report
}

/** @returns milliseconds until alpha no longer reported the SR as synced @throws AssertionError if it took too long */
async function untilNotSynced(lab: Lab, sr: string): Promise<number> {
  const began = performance.now()
  await lab.until(`${sr} is not in sync`, async () => (await reportOf(lab, sr)).state !== 'synced')
  const ms = Math.round(performance.now() - began)
  assert.ok(ms <= SILENCE_LIMIT_MS + ASKING_MS, `it took ${ms} ms`)
  return ms
}
