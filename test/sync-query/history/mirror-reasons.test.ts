import t from 'tap'
import { HostMirrors } from '../../../src/sync-query/history/host-mirrors.ts'
import { ReasonAges } from '../../../src/sync-query/history/mirror-reasons.ts'
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

/** The reasons at each of these moments, for these readings and a tick each second. Times are milliseconds. */
function reasonsAt(readings: readonly (readonly [number, readonly Reason[]])[], moments: readonly number[]) {
  const mirrors = new HostMirrors()
  const shown: string[][] = []
  const pending = [...readings]
  const end = Math.max(...moments)
  for (let now = 0; now <= end; now += SECOND) {
    while ((pending[0]?.[0] ?? Number.NaN) <= now) {
      const [, reasons = []] = pending.shift() ?? []
      mirrors.observe({ judgement: judgementWith('a/0', reasons), at: now, silenceMeansStall: true })
    }
    mirrors.tick(now)
    const mirror = mirrors.get('a/0')
    if (!moments.includes(now) || mirror === null) continue
    shown.push(mirrors.reasons(mirror, now).map(({ code, clearedBy }) => `${code}/${clearedBy}`))
  }
  return shown.map(each => each.join(' '))
}

t.test('a local disk that does not finish detaching is stuck after a minute, and only a reboot helps', async t => {
  for (const word of ['Detaching', 'Failed']) {
    const leaving = reason('disk-not-up-to-date', 'a/0', { field: 'disk', word })
    t.strictSame(
      reasonsAt([[0, [leaving]]], [59 * SECOND, 60 * SECOND]),
      ['disk-not-up-to-date/operator', 'disk-stuck/operator'],
      word,
    )
  }
  const stuck = reason('disk-stuck', 'a/0', { field: 'disk', word: 'Detaching' })
  t.match(describe(stuck), /only a reboot of this host clears it/)
  const { text, steps } = remedy(stuck, SR, 'hostB')
  t.match(text, /Only a reboot of this host clears it/)
  t.match(JSON.stringify(steps), /resync-monitor override hostB/)
  t.notMatch(JSON.stringify(steps), /drbdadm (attach|down)/, 'these commands hang on a stuck disk')
})

t.test('the age of a detaching disk restarts when the disk leaves that state', async t => {
  const leaving = reason('disk-not-up-to-date', 'a/0', { field: 'disk', word: 'Failed' })
  const gone = reason('disk-not-up-to-date', 'a/0', { field: 'disk', word: 'Diskless' })
  const away = reason('peer-not-connected', 'a/0', { peer: 'b', word: 'Connecting' })
  const readings = [
    [0, [leaving]],
    [50 * SECOND, [gone]],
    [55 * SECOND, [leaving]],
    [70 * SECOND, [leaving, away]],
  ] as const
  t.strictSame(reasonsAt(readings, [62 * SECOND, 114 * SECOND, 115 * SECOND]), [
    'disk-not-up-to-date/operator',
    'disk-not-up-to-date/operator peer-not-connected/time',
    'disk-stuck/operator peer-not-connected/time',
  ])
})

t.test('a disk that is Diskless or Inconsistent is never stuck', async t => {
  for (const disk of ['Diskless', 'Inconsistent']) {
    const { reasons } = judgeDrbdVolume(volume('a/0', [peer('b')], { disk }))
    t.notMatch(reasonsAt([[0, reasons]], [60 * MINUTE]), [/disk-stuck/], disk)
  }
})

t.test('a reason that time does not clear needs an operator after a limit, even if its state word changes', async t => {
  const away = (word: string) => reason('peer-not-connected', 'a/0', { peer: 'b', field: 'connection', word })
  const readings: [number, Reason[]][] = []
  for (let at = 0; at < 31 * MINUTE; at += 10 * SECOND) {
    readings.push([at, [away(['Unconnected', 'Connecting'][(at / SECOND / 10) % 2] ?? '')]])
  }
  t.strictSame(reasonsAt(readings, [30 * MINUTE - SECOND, 30 * MINUTE]), [
    'peer-not-connected/time',
    'peer-not-connected/operator',
  ])
  const overdue = { ...away('Connecting'), clearedBy: 'operator' } as const
  t.match(remedy(overdue, SR, 'hostA').text, /has been away for half an hour/)
  t.match(remedy({ ...overdue, word: 'Disconnecting' }, SR, 'hostA').text, /closing the connection/)
})

t.test('every reason that time clears has a time limit or another rule that ends it', async t => {
  // The trend of a resync and the order of resyncs have their own rules.
  const followed: readonly ReasonCode[] = [
    'resync-running',
    'resync-starting',
    'resync-waiting',
    'resync-outrun',
    'peer-behind',
    // The next complete reading removes or confirms it.
    'peer-removed',
    // A warning that blocks nothing: the next resync between the two replicas clears it.
    'marks-left',
  ]
  for (const [code, { clearedBy }] of Object.entries(REASONS) as [ReasonCode, { clearedBy: string }][]) {
    if (clearedBy !== 'time' || followed.includes(code)) continue
    t.ok(Number.isFinite(patienceWith(reason(code, 'a/0'), MINUTE)), code)
  }
  const elsewhere = reason('peer-disk-not-up-to-date', 'a/0', { word: 'Inconsistent', clearedBy: 'time' })
  t.equal(
    patienceWith(elsewhere, MINUTE),
    Number.POSITIVE_INFINITY,
    'another host copies to this peer, possibly for days',
  )
})

t.test('setting the clock back neither ends a time limit nor restarts it', async t => {
  const mirrors = new HostMirrors()
  const leaving = reason('disk-not-up-to-date', 'a/0', { word: 'Detaching' })
  mirrors.observe({ judgement: judgementWith('a/0', [leaving]), at: 100 * MINUTE, silenceMeansStall: true })
  mirrors.tick(100 * MINUTE + 50 * SECOND)
  mirrors.tick(0)
  const codes = () => mirrors.get('a/0')?.reasons.map(({ code }) => code)
  t.strictSame(codes(), ['disk-not-up-to-date'])
  t.equal(mirrors.tick(10 * SECOND).length, 1, 'the change is returned')
  t.strictSame(codes(), ['disk-stuck'])
  t.strictSame(mirrors.tick(11 * SECOND), [], 'the change is returned once')
})

t.test('a reason that does not exist has no age and is never overdue', async t => {
  const ages = new ReasonAges()
  ages.passTo(60 * MINUTE)
  t.ok(Number.isNaN(ages.since(0)))
  t.notOk(ages.isOverdue(0, reason('peer-not-connected', 'a/0'), MINUTE))
})

t.test('a source that stays silent needs an operator after five minutes, even if it has no mirror', async t => {
  const mirrors = new HostMirrors()
  const sr = new SrFold(0)
  sr.apply([], SECOND, reason('source-silent', '*', { word: 'drbdsetup is missing' }))
  const clearedBy = (now: number) => statusOf(sr, mirrors, now).reasons.map(each => each.clearedBy)
  sr.apply([], 5 * MINUTE - SECOND)
  t.strictSame(clearedBy(5 * MINUTE), ['time'])
  sr.apply([], 5 * MINUTE + SECOND, reason('source-silent', '*', { word: 'drbdsetup hangs' }))
  t.strictSame(clearedBy(5 * MINUTE), ['operator'], 'another error text does not restart the time')
  t.equal(sr.doubtNeedsOperator, true)
  sr.apply([], 6 * MINUTE, null)
  sr.apply([], 7 * MINUTE, reason('source-silent', '*'))
  t.strictSame(clearedBy(7 * MINUTE), ['time'])
})

t.test('suspended I/O has a start time that survives other causes, and a remedy for each cause', async t => {
  const mirrors = new HostMirrors()
  const observe = (at: number, ioSuspended: readonly string[]) =>
    mirrors.observe({
      judgement: judgeDrbdVolume(volume('a/0', [peer('b')], { ioSuspended })),
      at,
      silenceMeansStall: true,
    })
  const shown = () => mirrors.get('a/0')?.reasons ?? []
  observe(0, [])
  t.strictSame(shown(), [])
  observe(10 * SECOND, ['quorum'])
  observe(20 * SECOND, ['quorum', 'user'])
  t.match(shown(), [{ code: 'io-suspended', word: 'quorum,user', since: '1970-01-01T00:00:10.000Z' }])
  t.match(
    describe(shown()[0] ?? reason('drift', 'a/0')),
    /suspends all I\/O of a\/0 \(quorum,user\) since 1970-01-01T00:00:10/,
  )
  t.equal(mirrors.get('a/0')?.state, 'synced')
  observe(30 * SECOND, ['quorum'])
  t.match(shown(), [{ clearedBy: 'time' }])
  mirrors.tick(10 * SECOND + 30 * MINUTE)
  t.match(shown(), [{ clearedBy: 'operator' }], 'a lost majority that does not come back needs an operator')
  observe(31 * MINUTE, [])
  observe(32 * MINUTE, ['user'])
  t.match(shown(), [{ since: '1970-01-01T00:32:00.000Z' }])

  const commands = (word: string) =>
    remedy(reason('io-suspended', 'vol-c/0', { word }), SR, 'hostA').steps.flatMap(each => each.commands)
  t.strictSame(commands('user'), ['drbdadm resume-io vol-c'])
  for (const word of ['no-data', 'quorum', 'fencing', 'user,no-data', 'odd', '']) {
    t.notMatch(commands(word).join('\n'), /resume-io/, word)
    t.notSame(commands(word), [])
  }
  t.match(remedy(reason('io-suspended', 'vol-c/0', { word: 'no-data' }), SR, 'hostA').text, /bring a disk back/)
})
