import t from 'tap'
import type { PoolSnapshot, ReceivedReport } from '../../../src/allowed-operations/pool/pool-snapshot.ts'
import { describeGate } from '../../../src/allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../../../src/allowed-operations/reason/gate-reason.ts'
import type { ReportReason } from '../../../src/sync-query/report/report.ts'
import {
  codes,
  DEGRADED,
  iso,
  MINUTE_MS,
  mayReboot,
  NOW,
  PLACEMENT,
  pool,
  RESYNCING,
  reasonsOf,
  received,
  withHost,
  withReports,
} from '../pool-of-three.ts'

const SECOND_MS = 1000

function reason(code: string, mirror: string, details: Partial<ReportReason> = {}): ReportReason {
  return { code, mirror, clearedBy: 'time', ...details }
}

t.test('reports that are not valid', async t => {
  const fresh = { at: iso(NOW - 5 * SECOND_MS) }
  const table: readonly [title: string, pool: PoolSnapshot, code: string | null][] = [
    [
      'frozen: made before it went down, found recent after it came back',
      withHost(pool(), 'b', { liveSinceMs: NOW - 5 * SECOND_MS, bootTimeMs: null }),
      'report-before-live',
    ],
    [
      'frozen: made before it came back, and confirmed by a toolstack that has just read its database',
      withReports(
        withHost(pool(), 'b', { liveSinceMs: NOW - 20 * SECOND_MS, bootTimeMs: null }),
        received('b', {}, NOW - SECOND_MS),
      ),
      'report-before-live',
    ],
    [
      'made after it came back by a clock ahead, confirmed before',
      withReports(
        withHost(pool(), 'b', { liveSinceMs: NOW - 20 * SECOND_MS }),
        received('b', { at: iso(NOW) }, NOW - 30 * SECOND_MS),
      ),
      'report-before-live',
    ],
    ['live, dead and live within a second', withHost(pool(), 'b', { liveSinceMs: NOW }), 'report-before-live'],
    [
      'of this very moment',
      withReports(withHost(pool(), 'b', { liveSinceMs: NOW }), received('b', { at: iso(NOW) }, NOW)),
      null,
    ],
    ['older than its boot', withHost(pool(), 'b', { bootTimeMs: NOW, liveSinceMs: null }), 'report-before-boot'],
    [
      'its boot is yet to come, by a clock that has been set right since',
      withHost(pool(), 'b', { bootTimeMs: NOW + 61 * SECOND_MS }),
      null,
    ],
    [
      'the same, made before it came back',
      withHost(pool(), 'b', { bootTimeMs: NOW + 61 * SECOND_MS, liveSinceMs: NOW - 5 * SECOND_MS }),
      'report-before-live',
    ],
    [
      'the same, and its return is not known',
      withHost(pool(), 'b', { bootTimeMs: NOW + 61 * SECOND_MS, liveSinceMs: null }),
      'report-before-boot',
    ],
    ['a boot at no known time', withHost(pool(), 'b', { bootTimeMs: Number.NaN }), 'report-before-boot'],
    ['of another boot', withHost(pool(), 'b', { bootId: 'boot-3' }), 'report-other-boot'],
    ['of the boot that the toolstack knows', withHost(pool(), 'b', { bootId: 'boot-2' }), null],
    [
      'from the future, by more than the skew that is allowed',
      withReports(pool(), received('b', { at: iso(NOW + 61 * SECOND_MS) }, NOW)),
      'report-from-future',
    ],
    ['ahead within the skew', withReports(pool(), received('b', { at: iso(NOW + 60 * SECOND_MS) }, NOW)), null],
    ['confirmed in the future', withReports(pool(), received('b', fresh, NOW + 61 * SECOND_MS)), 'report-from-future'],
    [
      'the daemon is dead: at the end of the lease it still counts',
      withReports(pool(), received('b', fresh, NOW - 90 * SECOND_MS)),
      null,
    ],
    [
      'the daemon is dead, and its old text is written again and again',
      withReports(pool(), received('b', { at: iso(NOW - 151 * SECOND_MS) }, NOW)),
      'lease-expired',
    ],
    [
      'its clock is behind within the skew',
      withReports(pool(), received('b', { at: iso(NOW - 150 * SECOND_MS) }, NOW)),
      null,
    ],
    ['the daemon is dead: after the lease', withReports(pool(), received('b', {}, NOW - 90_001)), 'lease-expired'],
    ['confirmed at no known time', withReports(pool(), received('b', {}, Number.NaN)), 'report-from-future'],
    ['copied from another host', withReports(pool(), { ...received('c'), host: 'b' }), 'report-misplaced'],
    ['copied from another SR', withReports(pool(), received('b', { sr: 'uuid-other' })), 'report-misplaced'],
    ['named by refs instead of uuids', withReports(pool(), received('b', { host: 'b', sr: 'sr' })), null],
    ['not readable', withReports(pool(), unreadable('b', 'not-json')), 'report-unreadable'],
    ['of another schema', withReports(pool(), unreadable('b', 'unknown-schema')), 'report-unknown-schema'],
    [
      'readable first, then cut: what stands there now counts',
      withReports(pool(), received('b'), unreadable('b', 'not-json')),
      'report-unreadable',
    ],
    [
      'a lower number made later: its writer has lost count',
      withReports(pool(), received('b'), received('b', { seq: 3, at: iso(NOW - SECOND_MS) }, NOW)),
      'report-superseded',
    ],
    [
      'a poll that answers late, after a newer push, changes nothing',
      withReports(pool(), received('b'), received('b', { ...RESYNCING, seq: 9, at: iso(NOW - 31 * SECOND_MS) }, NOW)),
      null,
    ],
    [
      'only older ones arrive until the lease is over',
      withReports(pool(), received('b', {}, NOW - 100_000), received('b', { seq: 9, at: iso(NOW - 40_000) }, NOW)),
      'report-superseded',
    ],
  ]
  for (const [title, of, code] of table) {
    t.equal(codes(reasonsOf(of, 'a')), code === null ? '' : `${code}@b`, title)
    t.equal(mayReboot(of), code === null ? 'a b c d' : 'd', `${title}: who may reboot`)
  }
})

function unreadable(ref: string, code: string): ReceivedReport {
  return { host: ref, sr: 'sr', confirmedAtMs: NOW, problem: { device: null, code, text: 'the problem' } }
}

t.test('a report is not valid while the heartbeat of its host states that its state has changed', async t => {
  const of = (bootId: string, seq: number, sr = 'uuid-sr') => ({
    ...withHost(pool(), 'b', { bootId: 'boot-2' }),
    changedSeqs: { get: (ref: string) => (ref === 'b' ? { bootId, bySr: new Map([[sr, seq]]) } : undefined) },
  })
  t.equal(codes(reasonsOf(of('boot-2', 11), 'a')), 'report-overtaken@b')
  t.equal(codes(reasonsOf(of('boot-2', 11), 'a', PLACEMENT)), 'report-overtaken@b')
  t.equal(mayReboot(of('boot-2', 10)), 'a b c d', 'it is of the present state')
  t.equal(mayReboot(of('boot-1', 11)), 'a b c d', 'a heartbeat of another boot')
  t.equal(mayReboot(of('boot-2', 11, 'uuid-other')), 'a b c d')
  const forgotten = { ...of('boot-2', 11), srs: [] }
  t.equal(codes(reasonsOf(forgotten, 'a')), 'sr-missing@a sr-missing@b sr-missing@c', 'the pool has lost the SR itself')
})

t.test('a replica that its peers no longer know concerns only its own host, after a settling time', async t => {
  const lost = ['host-a', 'host-c'].map(peer => reason('peer-not-connected', 'vol/0', { peer }))
  const since = (ms: number) => ({ ...DEGRADED, since: iso(NOW - 30_000 - ms), reasons: lost })
  const settled = withReports(pool(), received('b', since(MINUTE_MS)))
  t.match(reasonsOf(settled, 'a'), [
    {
      code: 'not-synced',
      host: 'b',
      clearedBy: 'operator',
      mirrorReasons: ['host-a', 'host-c'].map(peer => ({ code: 'left-over-replica', peer, clearedBy: 'operator' })),
    },
  ])
  t.match(describeGate(reasonsOf(settled, 'a')[0] as GateReason), /vol\/0 is left over: host-a is in sync/)
  t.equal(mayReboot(settled), 'd', 'it blocks until it is gone')
  const fresh = withReports(pool(), received('b', since(MINUTE_MS - 1)))
  t.equal(codes(reasonsOf(fresh, 'a')), 'contradicted-by-peer@a not-synced@b contradicted-by-peer@c', 'not settled')
  const early = withReports(settled, received('a', {}, NOW - MINUTE_MS - 5_000))
  t.equal(codes(reasonsOf(early, 'c')), 'contradicted-by-peer@a not-synced@b', 'a has not confirmed its report since')
  const moving = reason('resync-running', 'vol/1', { peer: 'host-c' })
  const busy = withReports(pool(), received('b', { ...since(MINUTE_MS), reasons: [...lost, moving] }))
  t.match(codes(reasonsOf(busy, 'a')), /contradicted-by-peer@a/, 'the state is as old as the resync may be')
  const both = withReports(
    settled,
    received('a', { ...DEGRADED, reasons: [reason('peer-not-connected', 'vol/0', { peer: 'host-b' })] }),
  )
  t.match(reasonsOf(both, 'c')[0], { host: 'a', clearedBy: 'time' }, 'a has the connection too')
  const stuck = reason('resync-starting', 'vol/0', { peer: 'host-a' })
  const copying = withReports(
    pool(),
    received('b', { ...RESYNCING, since: iso(NOW - 60 * MINUTE_MS), reasons: [stuck] }),
  )
  t.equal(codes(reasonsOf(copying, 'c')), 'contradicted-by-peer@a not-synced@b', 'a connection that is there')
})

t.test('a contradiction needs an operator where the reason of the peer does (home-operations/miroir#390)', async t => {
  const stranded = reason('resync-never-began', 'vol-a/0', { peer: 'host-a', clearedBy: 'operator' })
  const passing = reason('peer-disk-not-up-to-date', 'vol-b/0', { peer: 'host-a', clearedBy: 'time' })
  const clearedBy = (...reasons: ReportReason[]) =>
    reasonsOf(withReports(pool(), received('b', { ...DEGRADED, reasons })), 'c').map(each => each.clearedBy)
  t.strictSame(clearedBy(stranded), ['operator', 'operator'])
  t.strictSame(clearedBy(passing), ['time', 'time'])
  t.strictSame(clearedBy(passing, stranded), ['operator', 'operator'])
})

t.test('a synced report is not valid while its peer reports otherwise', async t => {
  const bReports = (...reasons: ReportReason[]) => received('b', { ...DEGRADED, reasons })
  const stuck = reason('resync-starting', 'vol/0', { peer: 'host-a' })
  const both = withReports(pool(), received('b', { ...RESYNCING, reasons: [stuck] }))
  t.match(reasonsOf(both, 'c'), [
    { code: 'contradicted-by-peer', host: 'a', peer: 'b', mirrors: ['vol/0'], clearedBy: 'time' },
    { code: 'not-synced', host: 'b', state: 'resyncing', mirrorReasons: [stuck] },
  ])
  const table: readonly [title: string, pool: PoolSnapshot, reasons: string][] = [
    [
      'by its uuid',
      withReports(pool(), bReports(reason('not-up', 'v', { peer: 'uuid-a' }))),
      'contradicted-by-peer@a not-synced@b',
    ],
    [
      'by the short form of its host name',
      withReports(
        withHost(pool(), 'a', { hostname: 'alpha.example.org' }),
        bReports(reason('not-up', 'v', { peer: 'alpha' })),
      ),
      'contradicted-by-peer@a not-synced@b',
    ],
    [
      'by the long form where the pool knows the short one',
      withReports(
        withHost(pool(), 'a', { hostname: 'alpha' }),
        bReports(reason('not-up', 'v', { peer: 'alpha.example.org' })),
      ),
      'contradicted-by-peer@a not-synced@b',
    ],
    [
      'two hosts have one name: either may be meant',
      withReports(
        withHost(withHost(pool(), 'a', { hostname: 'localhost' }), 'c', { hostname: 'localhost' }),
        bReports(reason('not-up', 'v', { peer: 'localhost' })),
      ),
      'contradicted-by-peer@a not-synced@b contradicted-by-peer@c',
    ],
    [
      'DRBD 8.4 calls the other one of two `peer`',
      withReports(
        { ...pool(), pbds: pool().pbds.filter(pbd => pbd.host !== 'c') },
        bReports(reason('not-up', 'drbd0', { peer: 'peer' })),
      ),
      'contradicted-by-peer@a not-synced@b',
    ],
    [
      '`peer` among three may be anybody',
      withReports(pool(), bReports(reason('not-up', 'drbd0', { peer: 'peer' }))),
      'not-synced@b',
    ],
    ['it names itself', withReports(pool(), bReports(reason('not-up', 'v', { peer: 'host-b' }))), 'not-synced@b'],
    [
      'a warning is no contradiction',
      withReports(pool(), bReports(reason('drift', 'v', { peer: 'host-a' }))),
      'not-synced@b',
    ],
    [
      'a code that is not known here is one',
      withReports(pool(), bReports(reason('code-of-2030', 'v', { peer: 'host-a' }))),
      'contradicted-by-peer@a not-synced@b',
    ],
    [
      'the peer is down, and its last report has expired',
      withHost(withReports(pool(), received('b', { ...RESYNCING, reasons: [stuck] }, NOW - 2 * MINUTE_MS)), 'b', {
        live: false,
      }),
      'host-not-live@b',
    ],
  ]
  for (const [title, of, expected] of table) t.equal(codes(reasonsOf(of, 'a')), expected, title)
})

t.test('connecting here and StandAlone there need an operator', async t => {
  const connecting = reason('peer-not-connected', 'vol/0', { peer: 'host-b', word: 'Connecting' })
  const elsewhere = reason('peer-not-connected', 'vol/1', { peer: 'host-b' })
  const nameless = reason('peer-not-connected', 'vol/0')
  const standAlone = reason('stand-alone', 'vol/0', { peer: 'host-a', clearedBy: 'operator' })
  const of = withReports(
    pool(),
    received('a', { ...DEGRADED, reasons: [connecting, elsewhere, nameless], reasonsOmitted: 4 }),
    received('b', { ...DEGRADED, reasons: [standAlone] }),
  )
  t.strictSame(reasonsOf(of, 'a')[0], {
    code: 'not-synced',
    host: 'a',
    sr: 'sr',
    clearedBy: 'operator',
    state: 'degraded',
    mirrorReasons: [{ ...connecting, clearedBy: 'operator', waitsFor: 'host-b' }, elsewhere, nameless],
    mirrorReasonsOmitted: 4,
  })
  const waiting = withReports(
    pool(),
    received('a', { ...DEGRADED, since: iso(NOW - MINUTE_MS), reasons: [connecting] }),
  )
  t.equal(reasonsOf(waiting, 'a')[0]?.clearedBy, 'time')
  const operators = [reason('drift', 'v', { clearedBy: 'operator' }), reason('resync-running', 'v')]
  t.equal(
    reasonsOf(withReports(pool(), received('a', { ...RESYNCING, reasons: operators })), 'a')[0]?.clearedBy,
    'time',
  )
  t.equal(reasonsOf(withHost(pool(), 'a', { live: false }), 'a')[0]?.clearedBy, 'operator', 'it crashed')
  t.equal(reasonsOf(withHost(pool(), 'a', { live: false, leaving: true }), 'a')[0]?.clearedBy, 'time', 'it reboots')
})

t.test('a pause that is set on one side holds the other back, which cannot see it', async t => {
  const ofA = (code: 'resync-paused' | 'resync-waiting', word: string, clearedBy: 'time' | 'operator') =>
    reason(code, 'vol/0', { peer: 'host-b', word, clearedBy })
  const held = (details: Partial<ReportReason> = {}) =>
    reason('resync-waiting', 'vol/0', { peer: 'host-a', word: 'peer', ...details })
  const seenOfB = (onA: ReportReason, onB: ReportReason, ofC = received('c')) => {
    const of = withReports(
      pool(),
      received('a', { ...RESYNCING, reasons: [onA] }),
      received('b', { ...RESYNCING, reasons: [onB] }),
      ofC,
    )
    const about = reasonsOf(of, 'a').find(({ host }) => host === 'b')
    return [about?.clearedBy, about?.mirrorReasons?.[0]]
  }
  const byOperator = { clearedBy: 'operator', waitsFor: 'host-a' } as const
  const allResync = received('c', { ...RESYNCING, reasons: [held({ peer: 'host-d', mirror: 'w/0' })] })
  for (const ofC of [received('c'), allResync]) {
    t.strictSame(seenOfB(ofA('resync-paused', 'user', 'operator'), held(), ofC), ['operator', held(byOperator)])
    t.strictSame(
      seenOfB(ofA('resync-waiting', 'dependency', 'time'), held(byOperator), ofC),
      ['time', held()],
      'its turn comes there',
    )
  }
  t.strictSame(
    seenOfB(ofA('resync-waiting', 'dependency', 'operator'), held(byOperator)),
    ['operator', held(byOperator)],
    'it waits in vain there too',
  )
  t.strictSame(
    seenOfB(ofA('resync-waiting', 'peer', 'operator'), held(byOperator)),
    ['operator', held(byOperator)],
    'each names the other side',
  )
  t.strictSame(
    seenOfB(ofA('resync-paused', 'user', 'operator'), held({ word: 'dependency' })),
    ['time', held({ word: 'dependency' })],
    'what waits for something here waits for that',
  )
})
