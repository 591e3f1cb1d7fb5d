import t from 'tap'
import { claim } from '../../src/allowed-operations/claim.ts'
import { decide } from '../../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import type { PoolSnapshot, ReceivedReport } from '../../src/allowed-operations/pool/pool-snapshot.ts'
import { connectedHosts, observeSrs } from '../../src/allowed-operations/rules/sr-members.ts'
import { canReboot } from '../../src/allowed-operations/rules/storage-rule.ts'
import { ReportMemory } from '../../src/updater/report-memory.ts'
import { iso, NOW, pool, RESYNCING, received, withHost } from '../allowed-operations/pool-of-three.ts'

const SECOND_MS = 1000
const HOUR_MS = 3_600_000

const CUT: ReceivedReport = {
  host: 'c',
  sr: 'sr',
  confirmedAtMs: NOW - 15 * SECOND_MS,
  problem: { device: null, code: 'not-json', text: 'cut' },
}

/** The hosts that may reboot after a and b have reported that they are in sync, and then these reports have arrived. */
function mayReboot(of: PoolSnapshot, ...arriving: readonly ReceivedReport[]): string {
  const memory = new ReportMemory(DEFAULT_POLICY)
  for (const each of [received('a'), received('b'), ...arriving]) memory.accept(each, NOW)
  const known = memory.read({ reports: [] }, connectedHosts(of.pbds), NOW)
  const srs = observeSrs(of, DEFAULT_POLICY, NOW, known)
  const verdicts = [...decide(of, DEFAULT_POLICY, NOW, srs)]
  const allowed = verdicts.flatMap(([ref, { reboot }]) => (reboot.allowed ? ref : []))
  for (const host of ['a', 'b', 'c', 'd']) {
    const isAllowed = allowed.includes(host)
    const claimed = claim(of, DEFAULT_POLICY, NOW, { host, operation: 'reboot', task: 't' }, srs)
    t.equal(claimed.ok, isAllowed, `a call for ${host} has the same answer`)
    t.equal(canReboot(of, DEFAULT_POLICY, NOW, new Set([host]), srs).ok, isAllowed, `so has a question about ${host}`)
  }
  return allowed.join(' ')
}

t.test('a decision about an arriving report is kept, and not repeated from the report alone', async t => {
  const resyncing = received('c', { ...RESYNCING, seq: 11 }, NOW - 20 * SECOND_MS)
  const older = received('c', { seq: 10 }, NOW - 10 * SECOND_MS)
  t.equal(mayReboot(pool(), resyncing), 'd')
  t.equal(mayReboot(pool(), resyncing, older), 'd', 'an older one that arrives late')
  t.equal(mayReboot(pool(), resyncing, CUT, older), 'd', 'an older one after an unreadable one')
  t.equal(mayReboot(pool(), resyncing, CUT, received('c', { seq: 12 })), 'a b c d', 'a newer one is valid')

  // In its last boot the clock of c was ahead. It is corrected, and c has been back for 25 seconds.
  const returned = withHost(pool(), 'c', { liveSinceMs: NOW - 25 * SECOND_MS, bootTimeMs: NOW - 40 * SECOND_MS })
  const lastBoot = (confirmedAtMs: number) => received('c', { seq: 99, at: iso(NOW - SECOND_MS) }, confirmedAtMs)
  const presentBoot = { ...RESYNCING, bootId: 'boot-3', seq: 1, at: iso(NOW - 20 * SECOND_MS) }
  t.equal(
    mayReboot(
      returned,
      lastBoot(NOW - 60 * SECOND_MS),
      received('c', presentBoot, NOW - 20 * SECOND_MS),
      lastBoot(NOW - 5 * SECOND_MS),
    ),
    'd',
    'a report of the previous boot, written into the database again',
  )
})

t.test('after the clock was set back, reports with a confirmation in the future are forgotten', async t => {
  const memory = new ReportMemory(DEFAULT_POLICY)
  const connected = connectedHosts(pool().pbds)
  const confirmedAtMs = (now: number) =>
    memory.read({ reports: [] }, connected, now).get('sr')?.get('a')?.received.confirmedAtMs
  memory.accept(received('a', {}, NOW), NOW)
  t.equal(confirmedAtMs(NOW), NOW)
  t.equal(confirmedAtMs(NOW - DEFAULT_POLICY.clockSkewMs), NOW, 'a small correction of the clock')
  t.equal(confirmedAtMs(NOW - HOUR_MS), undefined)
  memory.accept(received('a', {}, NOW - HOUR_MS), NOW - HOUR_MS)
  t.equal(confirmedAtMs(NOW - HOUR_MS), NOW - HOUR_MS, 'the same report, confirmed on the present clock')
  memory.accept(received('a', {}, NOW), NOW - HOUR_MS)
  t.equal(confirmedAtMs(NOW - HOUR_MS), NOW - HOUR_MS, 'a database that still has the old time changes nothing')
})

t.test('each report in the database is taken in once, in any order', async t => {
  const memory = new ReportMemory(DEFAULT_POLICY)
  const connected = connectedHosts(pool().pbds)
  const stored = ['a', 'b', 'c'].map(ref => received(ref))
  const read = (reports: readonly ReceivedReport[]) => {
    memory.read({ reports }, connected, NOW)
    return Object.fromEntries(memory.newest([]).map(({ host, report }) => [host, report?.seq]))
  }
  memory.begin({ reports: [received('a')] })
  t.strictSame(read(stored), { b: 10, c: 10 }, 'reports from before the memory began are not used')
  t.strictSame(read(stored.toReversed()), { b: 10, c: 10 })
  t.strictSame(read([received('a', { seq: 11 }), ...stored.slice(1)]), { a: 11, b: 10, c: 10 })
  t.strictSame(read([]), { a: 11, b: 10, c: 10 }, 'a report that is being replaced')
  memory.read({ reports: [] }, connectedHosts(pool().pbds.slice(1)), NOW)
  t.strictSame(read([]), { b: 10, c: 10 }, 'a host that is no longer connected')
})

t.test(
  'heartbeats state the boot of a host: a report of an earlier boot with a later date is neither used nor blocks',
  async t => {
    // In its last boot the clock of c was 50 s ahead. It has been back for 25 seconds, in boot-3.
    const since = { liveSinceMs: NOW - 25 * SECOND_MS, bootTimeMs: NOW - 40 * SECOND_MS }
    const returned = withHost(pool(), 'c', { ...since, bootId: 'boot-3' })
    const lastBoot = (state: object, confirmedAtMs: number) =>
      received('c', { ...state, seq: 99, at: iso(NOW + 50 * SECOND_MS) }, confirmedAtMs)
    const present = (state: object) =>
      received('c', { ...state, bootId: 'boot-3', seq: 1, at: iso(NOW - 20 * SECOND_MS) }, NOW - 20 * SECOND_MS)
    const late = (state: object) => lastBoot(state, NOW - 5 * SECOND_MS)
    const early = (state: object) => lastBoot(state, NOW - 30 * SECOND_MS)
    t.equal(mayReboot(returned, early(RESYNCING), present({})), 'a b c d', 'the present boot is in sync')
    t.equal(mayReboot(returned, present({}), late(RESYNCING)), 'a b c d')
    t.equal(mayReboot(returned, early({}), present(RESYNCING)), 'd', 'the present boot is not in sync')
    t.equal(mayReboot(returned, present(RESYNCING), late({})), 'd')
    t.equal(mayReboot(returned, early({})), 'd', 'nothing is known of the present boot')
    const setBack = withHost(returned, 'c', { bootTimeMs: NOW - 10 * SECOND_MS, liveSinceMs: null })
    t.equal(
      mayReboot(setBack, present({})),
      'a b c d',
      'a clock that was set since makes no report of this boot older than it',
    )
  },
)
