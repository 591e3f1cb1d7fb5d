import t from 'tap'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import type { PoolSnapshot } from '../../src/allowed-operations/pool/pool-snapshot.ts'
import { type Clock, machineClock } from '../../src/platform/time/clock.ts'
import type { Replica } from '../../src/sync-query/report/report.ts'
import type { PoolPort } from '../../src/updater/pool-port.ts'
import { Updater, type UpdaterOptions } from '../../src/updater/updater.ts'
import { pool as examplePool, host, report } from '../allowed-operations/pool-of-three.ts'
import { START_MS, settle, VirtualClock } from '../platform/time/virtual-clock.ts'
import { LEASE_MS, type Tap, type WatchedPool, type WatchedPoolOptions, watchedPool } from './watched-pool.ts'

const MINUTE_MS = 60_000

/** A pool with a started updater, after all hosts have reported that they are in sync. */
async function poolInSync(t: Tap, options?: WatchedPoolOptions): Promise<WatchedPool> {
  const pool = await watchedPool(t, options)
  pool.updater().start()
  for (const index of [0, 1, 2]) await pool.push(index, 'synced')
  pool.changes.length = 0
  return pool
}

t.test('all hosts of the SR are blocked until each has reported, and again while one is not in sync', async t => {
  const pool = await watchedPool(t)
  pool.updater().start()
  t.equal(pool.mayReboot(), '')
  t.strictSame(pool.reasonsFor(0), ['no-report', 'no-report', 'no-report'])
  await pool.push(0, 'synced')
  await pool.push(1, 'synced')
  t.equal(pool.mayReboot(), '')
  await pool.push(2, 'synced')
  t.equal(pool.mayReboot(), 'ABC')
  pool.changes.length = 0
  await pool.push(1, 'resyncing')
  t.equal(pool.mayReboot(), '')
  t.strictSame(
    pool.changes.map(({ host, left, returned }) => [host, left, returned]),
    pool.hosts.map(ref => [ref, ['shutdown', 'reboot', 'apply_updates'], []]),
    'one change for each host',
  )
  await pool.push(1, 'synced')
  t.equal(pool.mayReboot(), 'ABC')
  pool.changes.length = 0
  await pool.push(1, 'synced')
  t.strictSame(pool.changes, [], 'a report that replaces another changes nothing in between')
})

t.test('two reboots in the same instant: exactly one is accepted', async t => {
  const pool = await poolInSync(t)
  const answers = await Promise.all([pool.reboot(0), pool.reboot(1), pool.reboot(2)])
  t.strictSame([...answers].sort(), ['CLUSTERED_SR_DEGRADED', 'CLUSTERED_SR_DEGRADED', 'accepted'])
  t.equal(pool.mayReboot(), '')
})

t.test('a call that is made while the coordinator changes is refused, before anything is computed', async t => {
  const pool = await poolInSync(t)
  pool.setCoordinator('another')
  const wanted = { host: pool.hosts[0] ?? '', operation: 'reboot', task: 't' } as const
  const answer = pool.updater().claim(pool.embedded.poolSnapshot(), wanted)
  t.match(answer, { ok: false, error: ['CLUSTERED_SR_DEGRADED', pool.sr] })
})

t.test('a restarted updater begins with an empty memory: stored reports were sent to another run', async t => {
  const pool = await poolInSync(t)
  await pool.restart()
  t.equal(pool.mayReboot(), '')
  t.strictSame(pool.reasonsFor(0), ['no-report', 'no-report', 'no-report'])
  t.strictSame(
    pool.changes.map(({ host, left, causes }) => [host, left, causes]),
    pool.hosts.map(ref => [ref, ['shutdown', 'reboot', 'apply_updates'], [{ code: 'updater-started' }]]),
    'the change is relative to the field of the previous run',
  )
  t.equal(await pool.reboot(0), 'CLUSTERED_SR_DEGRADED')
  pool.changes.length = 0
  await pool.restart()
  t.strictSame(pool.changes, [], 'another run finds the right field')
  for (const index of [0, 1, 2]) await pool.push(index, 'synced')
  t.equal(pool.mayReboot(), 'ABC')
})

t.test('two updaters at once: the one with fewer reports blocks, and they do not compete for the field', async t => {
  const pool = await poolInSync(t)
  pool.startAnother()
  await settle()
  t.equal(pool.mayReboot(), '')
  t.equal(pool.changes.length, 3, 'the first does not write again')
  for (const index of [0, 1, 2]) await pool.push(index, 'synced')
  t.equal(pool.mayReboot(), 'ABC')
  pool.changes.length = 0
  await pool.push(0, 'resyncing')
  t.equal(pool.mayReboot(), '')
  await pool.push(0, 'synced')
  t.equal(pool.mayReboot(), 'ABC')
  t.equal(pool.changes.length, 12, 'each once from both')
})

t.test('a host that went down and returned blocks until it reports from its present boot', async t => {
  const pool = await poolInSync(t)
  t.equal(await pool.reboot(2), 'accepted')
  pool.embedded.hostLeft(pool.hosts[2] ?? '')
  t.strictSame(pool.reasonsFor(0), ['host-not-live'])
  await pool.time.advanceAsync(MINUTE_MS)
  pool.embedded.hostReturned(pool.hosts[2] ?? '', { bootTimeMs: pool.time.now() - 10_000 })
  t.strictSame(pool.reasonsFor(0), ['report-before-boot'], 'its report from before is not valid')
  await pool.push(2, 'resyncing', { bootId: 'boot-2', seq: 1 })
  await settle()
  t.strictSame(pool.reasonsFor(1), ['not-synced'])
  t.equal(pool.mayReboot(), '')
  await pool.push(2, 'synced', { bootId: 'boot-2', seq: 2 })
  t.equal(pool.mayReboot(), 'ABC')
})

t.test('liveness that flaps within one step blocks until the host reports again', async t => {
  const pool = await poolInSync(t)
  await pool.time.advanceAsync(1_000)
  pool.embedded.hostLeft(pool.hosts[1] ?? '')
  pool.embedded.hostReturned(pool.hosts[1] ?? '', { bootTimeMs: START_MS })
  await settle()
  t.equal(pool.mayReboot(), '')
  t.strictSame(pool.reasonsFor(0), ['report-before-live'])
  await pool.push(1, 'synced')
  t.equal(pool.mayReboot(), 'ABC')
})

t.test('a host that is connected again must report again, because it may have other mirrors', async t => {
  const pool = await poolInSync(t)
  pool.embedded.removePbd(pool.embedded.get('host', pool.hosts[1] ?? '')?.PBDs[0] ?? '')
  await settle()
  t.equal(pool.mayReboot(), 'ABC')
  pool.embedded.addPbd({ host: pool.hosts[1] ?? '', sr: pool.sr, attached: true })
  await settle()
  t.equal(pool.mayReboot(), '')
  t.strictSame(pool.reasonsFor(0), ['no-report'])
})

t.test('also if no computation saw it without a PBD', async t => {
  const asked: number[] = []
  const pool = await poolInSync(t, {
    answer: async index => {
      asked.push(index)
      throw new Error('XENAPI_PLUGIN_FAILURE')
    },
  })
  await pool.time.advanceAsync(20_000)
  asked.length = 0
  pool.embedded.removePbd(pool.embedded.get('host', pool.hosts[1] ?? '')?.PBDs[0] ?? '')
  pool.embedded.addPbd({ host: pool.hosts[1] ?? '', sr: pool.sr, attached: true })
  await settle()
  t.equal(pool.mayReboot(), '')
  t.strictSame(pool.reasonsFor(0), ['no-report'])
  t.strictSame(asked, [1], 'it is polled at once')
})

t.test('a report whose number was edited by hand blocks for a lease, and not until the next boot', async t => {
  const pool = await poolInSync(t)
  await pool.push(1, 'synced', { seq: Number.MAX_SAFE_INTEGER })
  await pool.time.advanceAsync(LEASE_MS - 1)
  for (const index of [0, 1, 2]) await pool.push(index, 'synced')
  t.equal(pool.mayReboot(), '')
  t.strictSame(pool.reasonsFor(0), ['report-superseded'])
  await pool.time.advanceAsync(2)
  await pool.push(1, 'synced')
  t.equal(pool.mayReboot(), 'ABC')
})

t.test('placement: a push of progress does not remove the mirror list of a poll', async t => {
  const replicasOf = (reporter: number, words: string) =>
    words.split(' ').map(word => {
      const peer = word[0] === 'ABC'[reporter] ? 'self' : `host${word[0]}`
      return { peer, current: word.endsWith('+'), connected: true }
    })
  const nothing = { synced: 0, resyncing: 0, degraded: 0, unknown: 0 }
  const report = (index: number, isPoll: boolean) => {
    const replicas = replicasOf(index, 'A- B+')
    const mirrorList = index === 2 ? [] : [{ state: 'resyncing', count: 1, quorum: false, replicas }]
    const list = { listSeq: 0, ...(isPoll ? { mirrorList } : {}) }
    return index === 2
      ? pool.report(index, 'synced', { mirrors: nothing, ...list })
      : pool.report(index, 'resyncing', list)
  }
  const pool = await watchedPool(t, { policy: { kind: 'placement' }, answer: async index => report(index, true) })
  pool.updater().start()
  await settle()
  t.equal(pool.mayReboot(), 'AC')
  pool.changes.length = 0
  for (let pushes = 0; pushes < 12; pushes += 1) {
    await pool.time.advanceAsync(10_000)
    await pool.pushText(pool.embedded.get('host', pool.hosts[0] ?? '')?.PBDs[0] ?? '', report(0, false))
    await settle()
  }
  t.equal(pool.mayReboot(), 'AC')
  t.strictSame(pool.changes, [])
})

t.test('a dead agent blocks when its lease expires, and not earlier', async t => {
  const pool = await poolInSync(t)
  await pool.time.advanceAsync(LEASE_MS)
  t.equal(pool.mayReboot(), 'ABC')
  await pool.time.advanceAsync(1)
  t.equal(pool.mayReboot(), '')
  t.strictSame(pool.reasonsFor(0), ['lease-expired', 'lease-expired', 'lease-expired'])
})

t.test('an override that expires during a reboot does not affect that reboot', async t => {
  const pool = await poolInSync(t, { policy: { leaseMs: 10 * MINUTE_MS } })
  await pool.push(0, 'resyncing')
  t.equal(await pool.reboot(1), 'CLUSTERED_SR_DEGRADED')
  await pool.setOverride(1, MINUTE_MS)
  t.equal(await pool.reboot(1), 'accepted')
  t.equal(pool.mayReboot(), '', 'and it does not allow a second host')
  await pool.time.advanceAsync(MINUTE_MS)
  t.strictSame(pool.reasonsFor(1).sort(), ['host-going-down', 'not-synced', 'override-expired'])
  await pool.push(0, 'synced')
  pool.embedded.hostLeft(pool.hosts[1] ?? '')
  pool.embedded.hostReturned(pool.hosts[1] ?? '', { bootTimeMs: pool.time.now() })
  await pool.push(1, 'synced', { bootId: 'boot-2' })
  t.equal(pool.mayReboot(), 'ABC')
})

t.test('an override has events when it is set, used and expired, whether or not the field changes', async t => {
  const events: string[] = []
  const pool = await poolInSync(t, {
    policy: { leaseMs: 10 * MINUTE_MS },
    decided: event => {
      if (!('override' in event)) return
      events.push(`${event.code} ${pool.hosts.indexOf(event.host)} ${event.override.reason}`)
    },
  })
  const since = async (act: () => unknown) => {
    events.length = 0
    await act()
    await settle()
    return events
  }
  t.strictSame(await since(() => pool.setOverride(1, MINUTE_MS)), ['override-set 1 burnt disk'], 'nothing blocks')
  t.strictSame(pool.changes, [])
  t.strictSame(await since(() => pool.removeOverride(1)), ['override-removed 1 burnt disk'])
  t.strictSame(await since(() => pool.setOverride(1, MINUTE_MS)), ['override-set 1 burnt disk'])
  t.strictSame(await since(() => pool.time.advanceAsync(MINUTE_MS)), ['override-expired 1 burnt disk'])
  await pool.removeOverride(1)
  t.equal(await pool.reboot(2), 'accepted', 'the storage rule allows it')
  t.strictSame(await since(() => pool.setOverride(1, MINUTE_MS)), ['override-set 1 burnt disk'])
  t.strictSame(await since(() => pool.reboot(0)), [], 'a refused call uses no override')
  t.strictSame(await since(() => pool.reboot(1)), ['override-used 1 burnt disk'])
  t.strictSame(await since(() => pool.push(0, 'synced')), [], 'each event occurs once')
})

t.test('an override from a clock that is ahead comes into force when its time comes', async t => {
  const pool = await poolInSync(t, { policy: { leaseMs: 60 * MINUTE_MS }, pollEveryMs: 60 * MINUTE_MS })
  await pool.push(0, 'resyncing')
  await pool.setOverride(1, 5 * MINUTE_MS, 3 * MINUTE_MS)
  await pool.time.advanceAsync(2 * MINUTE_MS - 1)
  t.equal(pool.mayReboot(), '')
  await pool.time.advanceAsync(1)
  t.equal(pool.mayReboot(), 'B', 'a minute before its date, because clocks may differ')
})

t.test('an override for a removed host allows nothing', async t => {
  const pool = await poolInSync(t)
  await pool.push(0, 'resyncing')
  await pool.setOverride(1, MINUTE_MS)
  t.equal(pool.mayReboot(), 'B')
  pool.embedded.removeHost(pool.hosts[1] ?? '')
  await settle()
  t.equal(pool.mayReboot(), '')
})

async function until(isSo: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 10_000
  while (!isSo()) {
    if (Date.now() > deadlineMs) throw new Error('the condition was not met in time')
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

/** A port to a pool that never changes. */
const STILL: PoolPort = {
  read: () => ({ pool: threeHosts(), freshUntilMs: Number.POSITIVE_INFINITY }),
  coordinator: () => '',
  subscribe: () => () => undefined,
  publish: async () => undefined,
  keepPeers: async () => undefined,
  pollReport: () => new Promise(() => undefined),
}

/** An updater on a pool that never changes, by default with the machine's clock. */
function updaterOn(t: Tap, port: Partial<PoolPort>, options: Partial<UpdaterOptions> = {}): Updater {
  const updater = new Updater({
    pool: { ...STILL, ...port },
    policy: { ...DEFAULT_POLICY, leaseMs: LEASE_MS },
    clock: machineClock,
    pollEveryMs: MINUTE_MS,
    pollTimeoutMs: MINUTE_MS,
    decided: () => undefined,
    recomputed: () => undefined,
    effectFailed: error => {
      throw error
    },
    ...options,
  })
  t.teardown(() => updater.close())
  return updater
}

/** Hosts a, b and c share an SR; nothing is stored. */
function threeHosts(): PoolSnapshot {
  const hosts = ['a', 'b', 'c'].map(ref => host(ref, { liveSinceMs: null, bootTimeMs: null }))
  return examplePool({ hosts, reports: [] })
}

t.test('64 changes in one turn of the event loop cost one computation', async t => {
  let computed = 0
  const changed: (() => void)[] = []
  const subscribe = (callback: () => void) => {
    changed.push(callback)
    return () => undefined
  }
  updaterOn(t, { subscribe }, { recomputed: () => (computed += 1) }).start()
  for (let changes = 0; changes < 64; changes += 1) {
    await Promise.resolve()
    for (const callback of changed) callback()
  }
  await settle()
  t.equal(computed, 2, 'one at the start, one for all changes')
})

t.test('hosts are not polled for an SR that has no record', async t => {
  const polled: string[] = []
  const updater = updaterOn(t, {
    read: () => {
      const pool = threeHosts()
      const [pbd] = pool.pbds
      const dangling = pbd === undefined ? [] : [{ ...pbd, ref: 'dangling', sr: 'gone' }]
      return { pool: { ...pool, pbds: [...pool.pbds, ...dangling] }, freshUntilMs: Number.POSITIVE_INFINITY }
    },
    pollReport: (host, sr) => {
      polled.push(`${host} ${sr}`)
      return new Promise(() => undefined)
    },
  })
  updater.start()
  t.strictSame(polled, ['a sr', 'b sr', 'c sr'])
})

/** A host's answer to a poll: in sync, with one mirror that it shares with host b. */
const answerOf = (ref: string, clock: Clock) => {
  const at = new Date(clock.now()).toISOString()
  const replicas: readonly Replica[] = [
    { peer: 'self', current: true },
    { peer: 'host-b', current: true, connected: true },
  ]
  return JSON.stringify(
    report(ref, { at, since: at, mirrorList: [{ state: 'synced', count: 3, quorum: false, replicas }] }),
  )
}

t.test('an effect that hangs or fails delays nothing, is reported once and tried again', async t => {
  const clock = new VirtualClock()
  const failures: string[] = []
  const published: string[] = []
  let isAway = true
  const updater = updaterOn(
    t,
    {
      pollReport: async ref => answerOf(ref, clock),
      publish: async ({ allowed }) => {
        if (isAway) throw new Error('the pool is away')
        published.push([...allowed].map(([ref, operations]) => (operations.includes('reboot') ? ref : '-')).join(''))
      },
      keepPeers: () => new Promise(() => undefined),
    },
    { clock, effectFailed: error => failures.push(String(error)) },
  )
  updater.start()
  await clock.advanceAsync(1_000)
  t.equal(updater.verdicts().hosts.get('a')?.reboot.allowed, true, 'polls and verdicts go on')
  t.strictSame(failures, ['Error: the pool is away'], 'once, although each computation has failed')
  isAway = false
  await clock.advanceAsync(5_000)
  t.strictSame(published, ['abc'], 'without any change in the pool')
  isAway = true
  updater.recompute()
  await settle()
  t.equal(failures.length, 2, 'another failure after a success')
})

t.test('peers that could not be stored are stored with the next computation', async t => {
  const clock = new VirtualClock()
  const kept: string[] = []
  let fails = 3
  const updater = updaterOn(
    t,
    {
      pollReport: async ref => answerOf(ref, clock),
      keepPeers: async (pbd, peers) => {
        fails -= 1
        if (fails >= 0) throw new Error('the pool is away')
        kept.push(`${pbd} ${peers.join()}`)
      },
    },
    { clock, effectFailed: () => undefined },
  )
  updater.start()
  await clock.advanceAsync(6_000)
  t.ok(
    ['a', 'b', 'c'].every(ref => kept.includes(`pbd-${ref} host-b`)),
    kept.join('; '),
  )
})

t.test('a reading of the pool that is too old blocks, by itself, until there is a newer one', async t => {
  const clock = new VirtualClock()
  const mayReboot: string[] = []
  let freshUntilMs = clock.now() + 30_000
  const updater = updaterOn(
    t,
    {
      read: () => ({ pool: threeHosts(), freshUntilMs }),
      pollReport: async ref => answerOf(ref, clock),
      publish: async ({ allowed }) => {
        mayReboot.push([...allowed].map(([ref, operations]) => (operations.includes('reboot') ? ref : '')).join(''))
      },
    },
    { clock },
  )
  updater.start()
  await clock.advanceAsync(30_000)
  t.equal(mayReboot.at(-1), 'abc')
  await clock.advanceAsync(1)
  t.equal(mayReboot.at(-1), '')
  t.equal(updater.verdicts().hosts.get('a')?.reboot.allowed, false)
  freshUntilMs = clock.now() + 30_000
  updater.recompute()
  await settle()
  t.equal(mayReboot.at(-1), 'abc')
})

t.test('verdicts change nothing: a report that only they have seen is still new to the next computation', async t => {
  const pool = await watchedPool(t)
  pool.updater().start()
  for (const index of [0, 1]) await pool.push(index, 'synced')
  const pushed = pool.push(2, 'synced')
  for (let reads = 0; reads < 3; reads += 1) pool.updater().verdicts()
  pool.setCoordinator('another')
  t.equal(pool.reasonsFor(0).length, 3, 'with another coordinator no report is valid')
  pool.setCoordinator('the first')
  await pushed
  await settle()
  t.equal(pool.mayReboot(), 'ABC', 'the memory of the updater was not touched')
})

t.test('with the machine’s clock a lease expires as well', async t => {
  const silent = new Set<string>()
  const mayReboot = new Map<string, boolean>()
  const pollReport = async (ref: string): Promise<string> => {
    if (silent.has(ref)) return new Promise(() => undefined)
    silent.add(ref)
    return answerOf(ref, machineClock)
  }
  const publish: PoolPort['publish'] = async ({ allowed }) => {
    for (const [ref, operations] of allowed) mayReboot.set(ref, operations.includes('reboot'))
  }
  updaterOn(t, { pollReport, publish }, { policy: { ...DEFAULT_POLICY, leaseMs: 200 } }).start()
  const members = () => ['a', 'b', 'c'].map(ref => mayReboot.get(ref))
  await until(() => members().every(may => may === true))
  await until(() => members().every(may => may === false))
  t.pass()
})

t.test('the updater computes nothing before start and after close', async t => {
  const pool = await watchedPool(t)
  pool.notice()
  pool.updater().recompute()
  await settle()
  t.strictSame(pool.changes, [])
  pool.updater().start()
  await pool.updater().close()
  pool.changes.length = 0
  pool.notice()
  pool.updater().recompute()
  await pool.push(0, 'synced')
  t.strictSame(pool.changes, [])
})
