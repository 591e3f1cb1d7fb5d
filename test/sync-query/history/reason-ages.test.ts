import t from 'tap'
import { HostMirrors } from '../../../src/sync-query/history/host-mirrors.ts'
import { ReasonAges } from '../../../src/sync-query/history/reason-ages.ts'
import { judgeDrbdVolume } from '../../../src/sync-query/judge/judge-drbd.ts'
import {
  describe,
  REASONS,
  type Reason,
  type ReasonCode,
  reason,
  remedy,
} from '../../../src/sync-query/reason/reason.ts'
import { patienceWith } from '../../../src/sync-query/reason/reason-patience.ts'
import { SrFold } from '../../../src/sync-query/sr-state/sr-fold.ts'
import { peer, volume } from '../drbd-volume.ts'
import { judgementWith } from '../judgement-with.ts'
import { statusOf } from '../sr-state/status-of.ts'

const SECOND = 1000
const MINUTE = 60_000
const SR = '5c5c5c5c-0000-4000-8000-000000000001'

/** What is told at each of these moments, with no look after the first ones and a tick each second. */
function toldAt(looks: readonly (readonly [number, readonly Reason[]])[], moments: readonly number[]) {
  const mirrors = new HostMirrors()
  const told: string[][] = []
  const pending = [...looks]
  const end = Math.max(...moments)
  for (let now = 0; now <= end; now += SECOND) {
    while ((pending[0]?.[0] ?? Number.NaN) <= now) {
      const [, reasons = []] = pending.shift() ?? []
      mirrors.observe({ judgement: judgementWith('a/0', reasons), at: now, silenceMeansStall: true })
    }
    mirrors.tick(now)
    const mirror = mirrors.get('a/0')
    if (!moments.includes(now) || mirror === null) continue
    told.push(mirrors.reasons(mirror, now).map(({ code, clearedBy }) => `${code}/${clearedBy}`))
  }
  return told.map(each => each.join(' '))
}

t.test('a local disk that does not finish leaving is stuck after a minute, and only a reboot helps', async t => {
  for (const word of ['Detaching', 'Failed']) {
    const leaving = reason('disk-not-up-to-date', 'a/0', { field: 'disk', word })
    t.strictSame(
      toldAt([[0, [leaving]]], [59 * SECOND, 60 * SECOND]),
      ['disk-not-up-to-date/operator', 'disk-stuck/operator'],
      word,
    )
  }
  const stuck = reason('disk-stuck', 'a/0', { field: 'disk', word: 'Detaching' })
  t.match(describe(stuck), /only a reboot of this host clears it/)
  const { text, steps } = remedy(stuck, SR, 'hostB')
  t.match(text, /Only a reboot of this host clears it/)
  t.match(JSON.stringify(steps), /resync-monitor override hostB/)
  t.notMatch(JSON.stringify(steps), /drbdadm (attach|down)/, 'these hang')
})

t.test('a disk that leaves, comes back and leaves again has not been leaving since the first time', async t => {
  const leaving = reason('disk-not-up-to-date', 'a/0', { field: 'disk', word: 'Failed' })
  const gone = reason('disk-not-up-to-date', 'a/0', { field: 'disk', word: 'Diskless' })
  const away = reason('peer-not-connected', 'a/0', { peer: 'b', word: 'Connecting' })
  const looks = [
    [0, [leaving]],
    [50 * SECOND, [gone]],
    [55 * SECOND, [leaving]],
    [70 * SECOND, [leaving, away]],
  ] as const
  t.strictSame(toldAt(looks, [62 * SECOND, 114 * SECOND, 115 * SECOND]), [
    'disk-not-up-to-date/operator',
    'disk-not-up-to-date/operator peer-not-connected/time',
    'disk-stuck/operator peer-not-connected/time',
  ])
})

t.test('a disk that is Diskless or Inconsistent is not stuck, however long', async t => {
  for (const disk of ['Diskless', 'Inconsistent']) {
    const { reasons } = judgeDrbdVolume(volume('a/0', [peer('b')], { disk }))
    t.notMatch(toldAt([[0, reasons]], [60 * MINUTE]), [/disk-stuck/], disk)
  }
})

t.test('what time should clear and does not becomes an operator’s, whichever words it goes through', async t => {
  const away = (word: string) => reason('peer-not-connected', 'a/0', { peer: 'b', field: 'connection', word })
  const looks: [number, Reason[]][] = []
  for (let at = 0; at < 31 * MINUTE; at += 10 * SECOND) {
    looks.push([at, [away(['Unconnected', 'Connecting'][(at / SECOND / 10) % 2] ?? '')]])
  }
  t.strictSame(toldAt(looks, [30 * MINUTE - SECOND, 30 * MINUTE]), [
    'peer-not-connected/time',
    'peer-not-connected/operator',
  ])
  const overdue = { ...away('Connecting'), clearedBy: 'operator' } as const
  t.match(remedy(overdue, SR, 'hostA').text, /has been away for half an hour/)
  t.match(remedy({ ...overdue, word: 'Disconnecting' }, SR, 'hostA').text, /closing the connection/)
})

t.test('every reason that time clears either has an end or says itself what ends it', async t => {
  // Progress, its absence and the order of resyncs are followed by their own means.
  const followed: readonly ReasonCode[] = [
    'resync-running',
    'resync-starting',
    'resync-waiting',
    'resync-outrun',
    'peer-behind',
    // The next whole reading takes it back or leaves it.
    'peer-removed',
    // A warning that blocks nothing: the next resync between the two takes it back.
    'marks-left',
  ]
  for (const [code, { clearedBy }] of Object.entries(REASONS) as [ReasonCode, { clearedBy: string }][]) {
    if (clearedBy !== 'time' || followed.includes(code)) continue
    t.ok(Number.isFinite(patienceWith(reason(code, 'a/0'), MINUTE)), code)
  }
  const elsewhere = reason('peer-disk-not-up-to-date', 'a/0', { word: 'Inconsistent', clearedBy: 'time' })
  t.equal(patienceWith(elsewhere, MINUTE), Number.POSITIVE_INFINITY, 'another host copies to it, for days perhaps')
})

t.test('setting the clock back neither ends a patience nor restarts it', async t => {
  const mirrors = new HostMirrors()
  const leaving = reason('disk-not-up-to-date', 'a/0', { word: 'Detaching' })
  mirrors.observe({ judgement: judgementWith('a/0', [leaving]), at: 100 * MINUTE, silenceMeansStall: true })
  mirrors.tick(100 * MINUTE + 50 * SECOND)
  mirrors.tick(0)
  const codes = () => mirrors.get('a/0')?.reasons.map(({ code }) => code)
  t.strictSame(codes(), ['disk-not-up-to-date'])
  t.equal(mirrors.tick(10 * SECOND).length, 1, 'it is told when it changes')
  t.strictSame(codes(), ['disk-stuck'])
  t.strictSame(mirrors.tick(11 * SECOND), [], 'and once')
})

t.test('a reason that does not exist has no age and is never overdue', async t => {
  const ages = new ReasonAges()
  ages.passTo(60 * MINUTE)
  t.ok(Number.isNaN(ages.since(0)))
  t.notOk(ages.isOverdue(0, reason('peer-not-connected', 'a/0'), MINUTE))
})

t.test('a source that stays silent needs an operator after five minutes, also where it knows no mirror', async t => {
  const mirrors = new HostMirrors()
  const sr = new SrFold(0)
  sr.apply([], SECOND, reason('source-silent', '*', { word: 'drbdsetup is missing' }))
  const clearedBy = (now: number) => statusOf(sr, mirrors, now).reasons.map(each => each.clearedBy)
  sr.apply([], 5 * MINUTE - SECOND)
  t.strictSame(clearedBy(5 * MINUTE), ['time'])
  sr.apply([], 5 * MINUTE + SECOND, reason('source-silent', '*', { word: 'drbdsetup hangs' }))
  t.strictSame(clearedBy(5 * MINUTE), ['operator'], 'whatever it says of itself meanwhile')
  t.equal(sr.doubtNeedsOperator, true)
  sr.apply([], 6 * MINUTE, null)
  sr.apply([], 7 * MINUTE, reason('source-silent', '*'))
  t.strictSame(clearedBy(7 * MINUTE), ['time'])
})

t.test('I/O that is suspended: since when, whatever words it goes through, and a remedy for each word', async t => {
  const mirrors = new HostMirrors()
  const observe = (at: number, ioSuspended: readonly string[]) =>
    mirrors.observe({
      judgement: judgeDrbdVolume(volume('a/0', [peer('b')], { ioSuspended })),
      at,
      silenceMeansStall: true,
    })
  const told = () => mirrors.get('a/0')?.reasons ?? []
  observe(0, [])
  t.strictSame(told(), [])
  observe(10 * SECOND, ['quorum'])
  observe(20 * SECOND, ['quorum', 'user'])
  t.match(told(), [{ code: 'io-suspended', word: 'quorum,user', since: '1970-01-01T00:00:10.000Z' }])
  t.match(
    describe(told()[0] ?? reason('drift', 'a/0')),
    /suspends all I\/O of a\/0 \(quorum,user\) since 1970-01-01T00:00:10/,
  )
  t.equal(mirrors.get('a/0')?.state, 'synced')
  observe(30 * SECOND, ['quorum'])
  t.match(told(), [{ clearedBy: 'time' }])
  mirrors.tick(10 * SECOND + 30 * MINUTE)
  t.match(told(), [{ clearedBy: 'operator' }], 'a majority that does not come back is somebody’s business')
  observe(31 * MINUTE, [])
  observe(32 * MINUTE, ['user'])
  t.match(told(), [{ since: '1970-01-01T00:32:00.000Z' }])

  const commands = (word: string) =>
    remedy(reason('io-suspended', 'vol-c/0', { word }), SR, 'hostA').steps.flatMap(each => each.commands)
  t.strictSame(commands('user'), ['drbdadm resume-io vol-c'])
  for (const word of ['no-data', 'quorum', 'fencing', 'user,no-data', 'odd', '']) {
    t.notMatch(commands(word).join('\n'), /resume-io/, word)
    t.notSame(commands(word), [])
  }
  t.match(remedy(reason('io-suspended', 'vol-c/0', { word: 'no-data' }), SR, 'hostA').text, /bring a disk back/)
})
