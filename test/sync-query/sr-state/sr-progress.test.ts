import fc from 'fast-check'
import t from 'tap'
import { HostMirrors } from '../../../src/sync-query/history/host-mirrors.ts'
import { type MirrorShare, SYNCED_SHARE } from '../../../src/sync-query/history/mirror-share.ts'
import { judgeDrbdVolume } from '../../../src/sync-query/judge/judge-drbd.ts'
import type { Judgement } from '../../../src/sync-query/judge/judgement.ts'
import { SrFold } from '../../../src/sync-query/sr-state/sr-fold.ts'
import { SrProgress } from '../../../src/sync-query/sr-state/sr-progress.ts'
import { peer, volume } from '../drbd-volume.ts'
import { judgementWith } from '../judgement-with.ts'
import { statusOf } from './status-of.ts'

const GIB = 1024 ** 3

function host() {
  const mirrors = new HostMirrors()
  const sr = new SrFold(0)
  sr.apply([], 0, null)
  let at = 0
  const observe = (judgement: Judgement) => {
    at += 1000
    sr.apply([mirrors.observe({ judgement, at, silenceMeansStall: true })], at)
    return statusOf(sr, mirrors, at).progress
  }
  return { observe }
}

/** A resync for which the kernel reports this progress (0 to 1) and amounts in bytes. */
function resyncAt(mirror: string, progress: number | null, outOfSyncBytes: number, totalBytes: number | null = null) {
  const replication = { replication: 'SyncSource', peerDisk: 'Inconsistent' }
  return judgeDrbdVolume(volume(mirror, [peer('b', { ...replication, progress, outOfSyncBytes, totalBytes })]))
}

t.test(
  'while writes add to the remaining amount, the progress of the SR rises with the kernel’s own figure (DRBD 9.3)',
  async t => {
    const { observe } = host()
    observe(resyncAt('b/0', 0.1, 9 * GIB, 10 * GIB))
    let last = observe(resyncAt('a/0', 0, 10 * GIB, 10 * GIB)) ?? 0
    for (let percent = 1; percent < 100; percent += 1) {
      // The total that drbdsetup reports grows faster than the copied amount.
      const total = (10 + percent) * GIB
      const shown = observe(resyncAt('a/0', percent / 100, 10 * GIB + percent * GIB * 0.2, total)) ?? 0
      t.ok(shown > last && shown < 1, `${percent} %: ${last} -> ${shown}`)
      last = shown
    }
  },
)

t.test('the progress of a single resync is the kernel’s own figure', async t => {
  const { observe } = host()
  for (const share of [0.1, 0.35, 0.3529, 0.9999]) {
    t.ok(
      Math.abs((observe(resyncAt('a/0', share, (1 - share) * GIB, GIB)) ?? 0) - Math.min(share, 0.999)) < 1e-9,
      `${share}`,
    )
  }
})

t.test('a resync with unknown progress lowers the progress of the SR, which still rises', async t => {
  const { observe } = host()
  t.equal(observe(judgementWith('b/0', ['resync-waiting'])), null, 'an array that waits for its turn (resync=DELAYED)')
  let last = 0
  for (const share of [0.1, 0.2, 0.5, 0.9]) {
    const shown = observe(resyncAt('a/0', share, (1 - share) * GIB, GIB)) ?? 0
    t.ok(shown > last && shown <= share / 2 + 1e-9, `${share}: ${shown}`)
    last = shown
  }
  t.equal(observe(resyncAt('b/0', 0, GIB, GIB)), last, 'the progress does not fall when the waiting resync starts')
  t.ok((observe(resyncAt('b/0', 0.1, 0.9 * GIB, GIB)) ?? 0) > last)
})

t.test('several targets of one source are weighted by their total bytes', async t => {
  const { observe } = host()
  const both = (first: number, second: number, total: number) => {
    const one = { replication: 'SyncSource', peerDisk: 'Inconsistent', totalBytes: GIB, outOfSyncBytes: GIB }
    return judgeDrbdVolume(
      volume('a/0', [
        peer('b', { ...one, progress: first }),
        peer('c', { ...one, progress: second, totalBytes: total * GIB, outOfSyncBytes: total * GIB }),
      ]),
    )
  }
  t.equal(observe(both(0.5, 0, 3)), 0.125)
  t.equal(observe(both(0.5, 0.5, 3)), 0.5)
})

t.test('a target with nothing to receive does not change the progress of its source', async t => {
  const to = (name: string, totalBytes: number, outOfSyncBytes: number) =>
    peer(name, { replication: 'SyncSource', peerDisk: 'Inconsistent', totalBytes, outOfSyncBytes })
  const half = judgeDrbdVolume(volume('a/0', [to('b', GIB, GIB / 2), to('c', 0, 0)]))
  t.match(half, { progress: 0.5, doneBytes: GIB / 2, totalBytes: GIB })
  const nothing = judgeDrbdVolume(volume('a/0', [to('b', 0, 0), to('c', 0, 0)]))
  t.match(nothing, { progress: null, doneBytes: 0, totalBytes: 0 })
})

t.test('property: progress never falls and rises with each mirror, while others start, end or grow', async t => {
  const step = fc.record({
    mirror: fc.nat(4),
    kind: fc.constantFrom('rise', 'rise', 'rise', 'begin', 'end', 'leave', 'unknown', 'grow'),
    by: fc.double({ min: 0.001, max: 0.5, noNaN: true }),
    weight: fc.integer({ min: 1, max: 1_000_000 }),
  })
  const share = (changes: Partial<MirrorShare>): MirrorShare => ({
    ...SYNCED_SHARE,
    state: 'resyncing',
    ...changes,
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const progress = new SrProgress()
      const shares = new Map<number, MirrorShare>()
      let shown: number | null = null
      for (const { mirror, kind, by, weight } of steps) {
        const before = shares.get(mirror) ?? null
        let after: MirrorShare | null = before
        if (kind === 'begin' && before === null) after = share({ progress: by / 2, weightBytes: weight })
        else if (kind === 'unknown' && before === null) after = share({})
        else if (before === null) continue
        else if (kind === 'end') after = SYNCED_SHARE
        else if (kind === 'leave') after = null
        else if (kind === 'grow') after = share({ ...before, weightBytes: before.weightBytes * (1 + by) })
        else if (kind === 'rise') {
          after = share({ ...before, progress: before.progress + (0.9 - before.progress) * by })
        }
        progress.change(before, after)
        if (after?.state === 'resyncing') shares.set(mirror, after)
        else shares.delete(mirror)
        if (shares.size === 0) {
          progress.reset()
          shown = null
          continue
        }
        const now = progress.show()
        if (now !== null && (now >= 1 || now < 0)) throw new Error(`out of bounds: ${now}`)
        if (shown !== null && (now === null || now < shown)) throw new Error(`fell from ${shown} to ${now}`)
        const hasRisen = kind === 'rise' && (after?.progress ?? 0) - (before?.progress ?? 0) > 1e-3
        const isSmall = (after?.weightBytes ?? 0) < 1000 || (now ?? 0) > 0.99
        if (hasRisen && !isSmall && shown !== null && now === shown) throw new Error(`stands still at ${now}`)
        shown = now
      }
    }),
    { numRuns: 500 },
  )
  t.pass('the property holds')
})

t.test(
  'a resync that the kernel restarts continues from the shown progress, and a handshake has no progress',
  async t => {
    const { observe } = host()
    const starting = (out: number) =>
      judgementWith('a/0', ['resync-starting'], { activity: 'resync', outOfSyncBytes: out, progress: null })
    observe(starting(10 * GIB))
    t.not((observe(starting(GIB)) ?? 0) > 0, true, 'bits that a handshake clears are no progress')
    let last = observe(resyncAt('a/0', 0, GIB, GIB)) ?? 0
    t.equal(last, 0)
    for (let round = 0; round < 3; round += 1) {
      for (const share of [0.25, 0.5, 0.75]) {
        const shown = observe(resyncAt('a/0', share, (1 - share) * GIB, GIB)) ?? 0
        t.ok(shown > last && shown < 1, `round ${round}, ${share}: ${last} -> ${shown}`)
        last = shown
      }
      observe(judgementWith('a/0', ['peer-behind'], { activity: 'resync', outOfSyncBytes: 3 * GIB }))
      const again = observe(resyncAt('a/0', 0, 3 * GIB, 3 * GIB)) ?? 0
      t.ok(again >= last, 'progress never falls')
      last = again
    }
  },
)
