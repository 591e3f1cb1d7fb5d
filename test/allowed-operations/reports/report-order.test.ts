import fc from 'fast-check'
import t from 'tap'
import { DEFAULT_POLICY } from '../../../src/allowed-operations/pool/gate-policy.ts'
import type { ReceivedReport } from '../../../src/allowed-operations/pool/pool-snapshot.ts'
import { acceptReport, type KnownReport, ofPresentBoot } from '../../../src/allowed-operations/reports/report-order.ts'
import { DEGRADED, iso, NOW, RESYNCING, received } from '../pool-of-three.ts'

function acceptAll(reports: readonly ReceivedReport[]): KnownReport | undefined {
  let known: KnownReport | undefined
  for (const each of reports) known = acceptReport(known, each, DEFAULT_POLICY.leaseMs)
  return known
}

const CUT: ReceivedReport = {
  host: 'a',
  sr: 'sr',
  confirmedAtMs: NOW,
  problem: { device: null, code: 'not-json', text: 'cut' },
}

t.test('which of the arriving reports is used', async t => {
  const first = received('a', { seq: 10 })
  const next = received('a', { ...RESYNCING, seq: 11 })
  const rebooted = received('a', { bootId: 'boot-3', seq: 1, at: iso(NOW - 10_000) })
  const twiceRebooted = received('a', { bootId: 'boot-4', seq: 1, at: iso(NOW - 5_000) })
  const unseenOlderBoot = received('a', { bootId: 'boot-1', seq: 99, at: iso(NOW - 600_000) })
  const again = received('a', { seq: 10 }, NOW)
  const worse = received('a', { ...DEGRADED, seq: 10 }, NOW - 5000)
  const mirrorList = [{ state: 'synced', count: 3, quorum: true, replicas: [{ peer: 'self', current: true }] }] as const
  const polled = received('a', { seq: 10, mirrorList })
  const table: readonly [
    title: string,
    arriving: readonly ReceivedReport[],
    counts: ReceivedReport,
    discarded?: ReceivedReport,
  ][] = [
    ['the first', [first], first],
    ['a higher number', [first, next], next],
    ['not a lower one', [next, first], next, first],
    ['a higher one forgets what was discarded', [next, first, received('a', { seq: 12 })], received('a', { seq: 12 })],
    ['the same again confirms', [first, again], again],
    ['a confirmation that comes late is not taken back', [again, first], again],
    ['the same number and a worse state: the worse', [first, worse], worse],
    ['the same number and a better state: the worse', [worse, again], worse],
    [
      'the list that a poll brought stays while the number is the same',
      [polled, again],
      received('a', { seq: 10, mirrorList }, NOW),
    ],
    ['and comes with a poll', [first, polled], polled],
    [
      'or while the host states that the list has not changed',
      [received('a', { seq: 10, listSeq: 7, mirrorList }), received('a', { ...RESYNCING, seq: 11, listSeq: 7 })],
      received('a', { ...RESYNCING, seq: 11, listSeq: 7, mirrorList }),
    ],
    [
      'through every further report',
      [10, 11, 12].map(seq => received('a', { seq, listSeq: 7, ...(seq === 10 ? { mirrorList } : {}) })),
      received('a', { seq: 12, listSeq: 7, mirrorList }),
    ],
    [
      'not when it states that the list changed',
      [received('a', { seq: 10, listSeq: 7, mirrorList }), received('a', { seq: 11, listSeq: 11 })],
      received('a', { seq: 11, listSeq: 11 }),
    ],
    ['nor when it does not state it', [polled, received('a', { seq: 11 })], received('a', { seq: 11 })],
    [
      'nor of another boot',
      [
        received('a', { seq: 10, listSeq: 7, mirrorList }),
        received('a', { bootId: 'boot-3', seq: 10, listSeq: 7, at: iso(NOW) }),
      ],
      received('a', { bootId: 'boot-3', seq: 10, listSeq: 7, at: iso(NOW) }),
    ],
    [
      'a list that was sent along replaces the known one',
      [received('a', { seq: 10, listSeq: 7, mirrorList }), received('a', { seq: 11, listSeq: 7, mirrorList: [] })],
      received('a', { seq: 11, listSeq: 7, mirrorList: [] }),
    ],
    ['a new boot, whatever its number', [first, rebooted], rebooted],
    ['not the boot before', [first, rebooted, next], rebooted, next],
    ['nor the one before that', [first, rebooted, twiceRebooted, next], twiceRebooted, next],
    ['nor one that was made before, of a boot never seen', [first, unseenOlderBoot], first, unseenOlderBoot],
    ['what cannot be read', [first, CUT], CUT],
    ['what comes after it, with the same number', [first, CUT, again], again],
    ['still not a lower number', [next, CUT, first], CUT, first],
    ['nothing but what cannot be read', [CUT], CUT],
    ['the first that can be', [CUT, first], first],
  ]
  for (const [title, arriving, counts, discarded = null] of table) {
    const known = acceptAll(arriving)
    t.strictSame(known?.received, counts, title)
    t.strictSame(known?.discarded, discarded, `${title}: discarded`)
  }
})

t.test('a clock that was ahead before a reboot does not exclude the next boot', async t => {
  const ahead = received('a', { at: iso(NOW + 3_600_000) }, NOW - 60_000)
  const setRight = received('a', { bootId: 'boot-3', seq: 1, at: iso(NOW) }, NOW)
  t.strictSame(acceptAll([ahead, setRight])?.received, setRight)
})

t.test('a number that is not from its host does not exclude the reports of the host for ever', async t => {
  const edited = received('a', { seq: Number.MAX_SAFE_INTEGER }, NOW)
  const made = (seq: number, afterMs: number, madeMs = afterMs) =>
    received('a', { ...RESYNCING, seq, at: iso(NOW + madeMs) }, NOW + afterMs)
  t.strictSame(acceptAll([edited, made(11, 90_000)])?.received, edited, 'while it is confirmed')
  t.strictSame(acceptAll([edited, made(11, 90_001)])?.received, made(11, 90_001))
  t.strictSame(acceptAll([edited, made(11, 90_001), made(12, 91_000)])?.received, made(12, 91_000))
  t.strictSame(acceptAll([edited, made(11, 90_001, -30_000)])?.received, edited, 'one that was not made later')
})

t.test('a report of an earlier boot with a later date does not exclude the present boot', async t => {
  const present = (seq: number, afterMs = 0) =>
    received('a', { bootId: 'boot-3', seq, at: iso(NOW + afterMs) }, NOW + afterMs)
  // In boot-2 the clock was 50 s ahead. A push of that boot arrives late.
  const late = received('a', { seq: 99, at: iso(NOW + 50_000) }, NOW + 1)
  for (const arriving of [
    [late, present(1)],
    [present(1), late],
    [present(1), late, present(2, 2)],
    [late, present(1), received('a', { seq: 100, at: iso(NOW + 55_000) }, NOW + 2)],
  ]) {
    const newest = arriving.findLast(each => each.report?.bootId === 'boot-3')
    t.strictSame(
      ofPresentBoot(acceptAll(arriving), 'boot-3')?.received,
      newest,
      'the heartbeats state which boot it is',
    )
  }
  const early = acceptAll([late, present(1)])
  t.strictSame(ofPresentBoot(early, 'boot-2')?.received, late, 'a push that overtakes the first heartbeat of its boot')
  t.equal(ofPresentBoot(early, 'boot-4'), early, 'nothing has arrived of that boot')
  const cut = ofPresentBoot(acceptAll([present(1), late, CUT]), 'boot-3')
  t.strictSame(cut?.received, CUT, 'something unreadable stands for any boot')
  t.strictSame(ofPresentBoot(acceptAll([present(1), late, CUT, present(2)]), 'boot-3')?.received, present(2))
})

t.test('without heartbeats a boot that leads because of its dates leads for a lease at most', async t => {
  const ahead = received('a', { seq: 99, at: iso(NOW + 50_000) }, NOW + 50_000)
  const present = (afterMs: number) =>
    received('a', { bootId: 'boot-3', seq: afterMs, at: iso(NOW + afterMs) }, NOW + afterMs)
  t.strictSame(acceptAll([present(1), ahead, present(51_000)])?.received, ahead, 'that boot is known and was followed')
  t.strictSame(acceptAll([present(1), ahead, present(140_001)])?.received, present(140_001))
  t.strictSame(acceptAll([ahead, present(40_000)])?.received, ahead, 'its date is earlier')
  t.strictSame(acceptAll([ahead, present(40_000), present(140_001)])?.received, present(140_001))
})

t.test('the memory of a host that reboots all the time is bounded', async t => {
  const boots = Array.from({ length: 100 }, (_, index) => received('a', { bootId: `b${index}`, at: iso(NOW + index) }))
  t.equal(acceptAll(boots)?.boots.length, 16)
})

t.test('property: within one boot any order of arrival ends with the highest number', async t => {
  const numbers = fc.uniqueArray(fc.nat(1000), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(numbers, seqs => {
      const known = acceptAll(seqs.map(seq => received('a', { seq })))
      return known?.received.report?.seq === Math.max(...seqs)
    }),
  )
  t.pass()
})
