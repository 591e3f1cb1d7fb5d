import t from 'tap'
import { DEFAULT_POLICY } from '../../src/allowed-operations/index.ts'
import type { SyncState } from '../../src/sync-query/state.ts'
import { createPool } from '../../src/toolstack/index.ts'
import { type OperationsChange, Updater } from '../../src/updater/index.ts'
import { ReportSink, XenApiClient } from '../../src/xapi-notify/index.ts'

const BOOT = 'b0b0b0b0-0000-4000-8000-000000000001'
const LEASE_MS = 400

interface Answers {
  /** What a poll of a host (by its index) is answered with; no entry: it hangs. */
  readonly polls?: Map<number, () => Promise<string>>
  readonly pollEveryMs?: number
  readonly leaseMs?: number
}

/** A served pool of three disabled hosts with one SR, its updater, and reports as their agents would push them. */
async function pool(t: Tap, { polls, pollEveryMs = 60_000, leaseMs = 90_000 }: Answers = {}) {
  const changes: OperationsChange[] = []
  const down: string[] = []
  let seq = 0
  const embedded = createPool({
    gate: { claim: (snapshot, wanted) => updater.claim(snapshot, wanted) },
    machines: { goDown: ref => down.push(ref) },
    authenticate: () => true,
  })
  const { sr, hosts } = embedded.seed(['hostA', 'hostB', 'hostC'])
  const updater: Updater = new Updater({
    pool: {
      snapshot: () => embedded.poolSnapshot(),
      setAllowedOperations: (host, operations) => embedded.setAllowedOperations(host, operations),
      pollReport: (host, _sr, signal) => {
        const answer = polls?.get(hosts.findIndex(({ ref }) => ref === host))
        if (answer !== undefined) return answer()
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
    },
    policy: { ...DEFAULT_POLICY, leaseMs },
    now: Date.now,
    pollEveryMs,
    pollTimeoutMs: 50,
    witness: change => changes.push(change),
  })
  embedded.subscribe(() => updater.notice())
  const { host, port } = await embedded.listen({ port: 0 })
  const client = new XenApiClient({ url: `http://${host}:${port}`, user: 'root', password: '' })
  const sink = new ReportSink(client)
  for (const { ref } of hosts) await client.call('host.disable', [ref])

  const uuidOf = (cls: 'host' | 'SR', ref: string) => embedded.get(cls, ref)?.uuid
  const report = (index: number, state: SyncState, given: object = {}) => {
    seq += 1
    const at = new Date().toISOString()
    const mirrors = { synced: 0, resyncing: 0, degraded: 0, unknown: 0, [state]: 1 }
    const about = { host: uuidOf('host', hosts[index]?.ref ?? ''), sr: uuidOf('SR', sr), bootId: BOOT, seq }
    const figures = { outOfSyncBytes: null, progress: null, etaSeconds: null, reasons: [] }
    return JSON.stringify({ schema: 1, ...about, at, state, since: at, mirrors, ...figures, ...given })
  }
  const push = (index: number, state: SyncState, given: object = {}) =>
    sink.pushReport(hosts[index]?.pbd ?? '', report(index, state, given))
  const mayReboot = () =>
    hosts.map(({ ref }) => embedded.get('host', ref)?.allowed_operations.includes('reboot') ?? false)
  const reboot = (index: number) =>
    client.call('host.reboot', [hosts[index]?.ref]).then(
      () => 'accepted',
      error => error.code,
    )
  const reasonsFor = (index: number) => {
    const verdict = updater.verdicts().get(hosts[index]?.ref ?? '')?.reboot
    return verdict?.reasons.map(({ code }) => code)
  }
  t.teardown(async () => {
    await updater.close()
    await client.close()
    await embedded.close()
  })
  return { embedded, updater, changes, down, hosts, report, push, mayReboot, reboot, reasonsFor }
}

interface Tap {
  teardown(end: () => Promise<void>): void
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!isSo()) {
    if (Date.now() > deadline) throw new Error('it never came about')
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

const ALL = [true, true, true]
const NONE = [false, false, false]

t.test('all hosts of the SR are blocked until each has spoken, and again while one is not in sync', async t => {
  const { updater, changes, push, mayReboot, hosts, reasonsFor } = await pool(t)
  updater.start()
  t.strictSame(mayReboot(), NONE)
  t.strictSame(reasonsFor(0), ['no-report', 'no-report', 'no-report'])
  await push(0, 'synced')
  await push(1, 'synced')
  t.strictSame(mayReboot(), NONE)
  await push(2, 'synced')
  t.strictSame(mayReboot(), ALL)
  changes.length = 0
  await push(1, 'resyncing')
  t.strictSame(mayReboot(), NONE)
  t.strictSame(
    changes.map(({ host, left, returned }) => [host, left, returned]),
    hosts.map(({ ref }) => [ref, ['shutdown', 'reboot', 'apply_updates'], []]),
    'one change for each host',
  )
  await push(1, 'synced')
  t.strictSame(mayReboot(), ALL)
  changes.length = 0
  await push(1, 'synced')
  t.strictSame(changes, [], 'a report that replaces another is no silence between the two')
})

t.test('two reboots in the same instant: exactly one', async t => {
  const { updater, push, reboot, down, mayReboot } = await pool(t)
  updater.start()
  for (const index of [0, 1, 2]) await push(index, 'synced')
  const answers = await Promise.all([reboot(0), reboot(1), reboot(2)])
  t.strictSame([...answers].sort(), ['CLUSTERED_SR_DEGRADED', 'CLUSTERED_SR_DEGRADED', 'accepted'])
  t.equal(down.length, 1)
  t.strictSame(mayReboot(), NONE)
})

t.test('a host that left and returned blocks until it speaks of its present boot', async t => {
  const { embedded, updater, push, reboot, hosts, mayReboot, reasonsFor } = await pool(t)
  updater.start()
  for (const index of [0, 1, 2]) await push(index, 'synced')
  t.equal(await reboot(2), 'accepted')
  const ref = hosts[2]?.ref ?? ''
  embedded.hostLeft(ref)
  await until(() => reasonsFor(0)?.[0] === 'host-not-live')
  embedded.hostReturned(ref, { bootTimeMs: Date.now() })
  await until(() => reasonsFor(0)?.[0]?.startsWith('report-before-') === true)
  t.strictSame(mayReboot(), NONE, 'what it said before it left is worth nothing')
  await push(2, 'resyncing', { bootId: 'b0b0b0b0-0000-4000-8000-000000000002', seq: 1 })
  t.strictSame(reasonsFor(1), ['not-synced'])
  await push(2, 'synced', { bootId: 'b0b0b0b0-0000-4000-8000-000000000002', seq: 2 })
  await until(() => reasonsFor(1)?.length === 0)
})

t.test('a dead agent blocks within the lease, by itself', async t => {
  const { updater, push, mayReboot, reasonsFor } = await pool(t, { leaseMs: LEASE_MS })
  updater.start()
  for (const index of [0, 1, 2]) await push(index, 'synced')
  t.strictSame(mayReboot(), ALL)
  await until(() => mayReboot().every(may => !may))
  t.match(reasonsFor(0), ['lease-expired'])
})

t.test('polls confirm what was pushed; a host that hangs or fails confirms nothing and delays no other', async t => {
  const polls = new Map<number, () => Promise<string>>()
  const { updater, report, mayReboot, reasonsFor } = await pool(t, { polls, pollEveryMs: 20, leaseMs: LEASE_MS })
  polls.set(0, async () => report(0, 'synced'))
  polls.set(1, async () => report(1, 'synced'))
  updater.start()
  await until(() => reasonsFor(0)?.length === 1)
  t.strictSame(reasonsFor(0), ['no-report'], 'the third hangs')
  polls.set(2, async () => report(2, 'synced'))
  await until(() => mayReboot().every(may => may))
  await new Promise(resolve => setTimeout(resolve, 1.5 * LEASE_MS))
  t.strictSame(mayReboot(), ALL, 'nothing was pushed, and no lease has run out')
  polls.set(1, () => Promise.reject(new Error('XENAPI_PLUGIN_FAILURE')))
  await until(() => reasonsFor(0)?.[0] === 'lease-expired')
  polls.set(1, async () => 'no JSON')
  await until(() => reasonsFor(0)?.[0] === 'report-unreadable')
})

t.test('an override lets one host go, for its time', async t => {
  const { updater, push, hosts, mayReboot } = await pool(t)
  updater.start()
  await push(0, 'synced')
  const expiresMs = Date.now() + LEASE_MS
  updater.setOverrides([{ host: hosts[1]?.ref ?? '', reason: 'its disk is being replaced', expiresMs }])
  await until(() => mayReboot().includes(true))
  t.strictSame(mayReboot(), [false, true, false])
  await until(() => !mayReboot().includes(true))
  t.ok(Date.now() >= expiresMs)
})

t.test(
  'membership: a host without a PBD is not blocked, and one that gets one is; a forgotten host blocks nobody',
  async t => {
    const { embedded, updater, push, hosts, mayReboot } = await pool(t)
    updater.start()
    await push(0, 'synced')
    await push(1, 'synced')
    t.strictSame(mayReboot(), NONE)
    embedded.removeHost(hosts[2]?.ref ?? '')
    await until(() => mayReboot()[0] === true)
    const added = embedded.addHost({ hostname: 'hostD', enabled: false })
    const sr = embedded.list('SR')[0]?.[0] ?? ''
    await until(() => embedded.get('host', added)?.allowed_operations.includes('reboot') === true)
    embedded.addPbd({ host: added, sr, attached: false })
    await until(() => mayReboot()[0] === false)
    t.notOk(embedded.get('host', added)?.allowed_operations.includes('reboot'))
  },
)

t.test('closed, it computes nothing more', async t => {
  const { updater, changes, push } = await pool(t)
  updater.start()
  await updater.close()
  changes.length = 0
  updater.notice()
  updater.recompute()
  await push(0, 'synced')
  t.strictSame(changes, [])
})
