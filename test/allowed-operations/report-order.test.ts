import fc from 'fast-check'
import t from 'tap'
import {
  acceptReport,
  DEFAULT_POLICY,
  type KnownReport,
  type ReceivedReport,
} from '../../src/allowed-operations/index.ts'
import { DEGRADED, iso, NOW, RESYNCING, received } from './pool-of-three.ts'

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

t.test('which report counts of those that arrive', async t => {
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
      'or while the host says that the list is as it was',
      [received('a', { seq: 10, listSeq: 7, mirrorList }), received('a', { ...RESYNCING, seq: 11, listSeq: 7 })],
      received('a', { ...RESYNCING, seq: 11, listSeq: 7, mirrorList }),
    ],
    [
      'through every further report',
      [10, 11, 12].map(seq => received('a', { seq, listSeq: 7, ...(seq === 10 ? { mirrorList } : {}) })),
      received('a', { seq: 12, listSeq: 7, mirrorList }),
    ],
    [
      'not when it says that it changed',
      [received('a', { seq: 10, listSeq: 7, mirrorList }), received('a', { seq: 11, listSeq: 11 })],
      received('a', { seq: 11, listSeq: 11 }),
    ],
    ['nor when it does not say', [polled, received('a', { seq: 11 })], received('a', { seq: 11 })],
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

t.test('a clock that was ahead before a reboot does not shut out the next boot', async t => {
  const ahead = received('a', { at: iso(NOW + 3_600_000) }, NOW - 60_000)
  const setRight = received('a', { bootId: 'boot-3', seq: 1, at: iso(NOW) }, NOW)
  t.strictSame(acceptAll([ahead, setRight])?.received, setRight)
})

t.test('a number that its host never gave does not shut out what the host says for ever', async t => {
  const edited = received('a', { seq: Number.MAX_SAFE_INTEGER }, NOW)
  const said = (seq: number, afterMs: number, madeMs = afterMs) =>
    received('a', { ...RESYNCING, seq, at: iso(NOW + madeMs) }, NOW + afterMs)
  t.strictSame(acceptAll([edited, said(11, 90_000)])?.received, edited, 'while it is confirmed')
  t.strictSame(acceptAll([edited, said(11, 90_001)])?.received, said(11, 90_001))
  t.strictSame(acceptAll([edited, said(11, 90_001), said(12, 91_000)])?.received, said(12, 91_000))
  t.strictSame(acceptAll([edited, said(11, 90_001, -30_000)])?.received, edited, 'one that was not made later')
})

t.test('a host that reboots all the time is remembered in bounds', async t => {
  const boots = Array.from({ length: 100 }, (_, index) => received('a', { bootId: `b${index}`, at: iso(NOW + index) }))
  t.equal(acceptAll(boots)?.earlierBootIds.length, 16)
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
