import t from 'tap'
import { HostMirrors } from '../../../../src/sync-query/history/host-mirrors.ts'
import { MarksMemory } from '../../../../src/sync-query/history/marks/marks-memory.ts'
import type { DrbdPeer, DrbdVolume } from '../../../../src/sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../../../src/sync-query/judge/judge-drbd.ts'
import { peer, volume } from '../../drbd-volume.ts'

const KIB = 1024
const MINUTE = 60_000

type ObserveOptions = {
  readonly gap?: true
  readonly volume?: Partial<DrbdVolume>
  readonly others?: readonly DrbdPeer[]
}

/** One mirror with the peer hostB; each reading is half a minute after the previous one. */
function mirrorOf(memory = new MarksMemory()) {
  const mirrors = new HostMirrors(undefined, memory)
  let at = 0
  const observe = (changes: Partial<DrbdPeer>, { gap, volume: own = {}, others = [] }: ObserveOptions = {}) => {
    at += MINUTE / 2
    const drbd = volume('r0/0', [peer('hostB', changes), ...others], own)
    const observation = { judgement: judgeDrbdVolume(drbd), at, silenceMeansStall: true, drbd }
    const { transitions } = mirrors.observe(gap === true ? { ...observation, followsGap: true } : observation)
    return transitions.map(({ kind }) => kind)
  }
  /** A reading in which the kernel does not have the peer. */
  const alone = ({ gap }: ObserveOptions) => {
    at += MINUTE / 2
    const drbd = volume('r0/0', [])
    mirrors.observe({ judgement: judgeDrbdVolume(drbd), at, silenceMeansStall: true, drbd, followsGap: gap === true })
  }
  const verdict = () => {
    const { state = 'unknown', reasons = [] } = mirrors.get('r0/0') ?? {}
    const parts = reasons.map(({ code, peer = '', outOfSyncBytes = 0 }) => `${code} ${peer} ${outOfSyncBytes / KIB}`)
    return [state, ...parts].join(', ')
  }
  const remove = () => mirrors.remove('r0/0', at)
  return { observe, alone, verdict, remove, memory }
}

const WELL: Partial<DrbdPeer> = {}
const away = (kib: number): Partial<DrbdPeer> => ({
  connection: 'Connecting',
  replication: 'Off',
  peerDisk: 'Outdated',
  outOfSyncBytes: kib * KIB,
})
const source = (kib: number): Partial<DrbdPeer> => ({
  replication: 'SyncSource',
  peerDisk: 'Inconsistent',
  outOfSyncBytes: kib * KIB,
})
const marked = (kib: number): Partial<DrbdPeer> => ({ outOfSyncBytes: kib * KIB })
const verifying = (kib: number): Partial<DrbdPeer> => ({ replication: 'VerifyS', outOfSyncBytes: kib * KIB })
const PASSED = { resync: false, repair: 'none', repairedBytes: null, verifiedBytes: null, outOfSyncBytes: 0 } as const
/** A complete verify has ended. */
const verified = (kib: number): Partial<DrbdPeer> => ({
  outOfSyncBytes: kib * KIB,
  passed: { ...PASSED, verifiedBytes: kib * KIB },
})
const repairedByThird: Partial<DrbdPeer> = { peerDisk: 'Inconsistent', outOfSyncBytes: 0 }
const THIRD = [peer('hostC')]

const OWED = 'degraded, rejoined-unrepaired hostB 64'

t.test('a peer that was owed data and returns as up to date without a repair is degraded, LINBIT/drbd#145', async t => {
  const { observe, verdict } = mirrorOf()
  observe(WELL)
  observe(away(0))
  observe(away(64))
  t.strictSame(observe(WELL), ['degraded'], 'the mirror has not recovered')
  t.equal(verdict(), OWED)
  observe(WELL)
  observe(WELL)
  t.equal(verdict(), OWED, 'the reason stays')
  observe(away(0))
  t.match(verdict(), /^degraded, peer-not-connected hostB 0, rejoined-unrepaired hostB 64/)
  observe(WELL)
  t.equal(verdict(), OWED, 'the reason stays when the peer disconnects and reconnects')
})

t.test('an unrepaired peer is no current replica, so the placement policy keeps the other host', async t => {
  const memory = new MarksMemory()
  const mirrors = new HostMirrors(undefined, memory)
  const current = (drbd: DrbdVolume, at: number) => {
    mirrors.observe({ judgement: judgeDrbdVolume(drbd), at, silenceMeansStall: true, drbd })
    const mirror = mirrors.get('r0/0')
    return [mirror?.judgement.replicas.current, ...(mirror?.placement?.replicas.map(each => each.current) ?? [])]
  }
  const readings = [WELL, away(64), WELL, source(64), WELL]
  const shown = readings.map((each, at) => current(volume('r0/0', [peer('hostB', each), peer('hostC')]), at))
  t.strictSame(shown, [
    [3, true, true, true],
    [2, true, false, true],
    [2, true, false, true],
    [2, true, false, true],
    [3, true, true, true],
  ])
})

t.test('a large enough resync or a complete verify clears an unrepaired peer', async t => {
  const unrepaired = () => {
    const mirror = mirrorOf()
    for (const reading of [WELL, away(64), WELL]) mirror.observe(reading)
    return mirror
  }
  const clearedBy = (...readings: readonly Partial<DrbdPeer>[]) => {
    const mirror = unrepaired()
    for (const reading of readings) mirror.observe(reading)
    return mirror.verdict()
  }
  t.equal(clearedBy(source(64), source(8), WELL), 'synced', 'a resync towards the peer')
  t.equal(clearedBy({ ...source(0), outOfSyncBytes: null }, WELL), 'synced', 'a resync with an unknown amount')
  t.equal(clearedBy(repairedByThird, WELL), 'synced', 'a resync from any source: the disk of the peer was Inconsistent')
  t.equal(clearedBy(verifying(0), verified(0)), 'synced', 'a verify that finds no differences')
  t.equal(
    clearedBy(verifying(0), verifying(12), verified(12)),
    'synced, drift hostB 12',
    'a verify finds the differing blocks',
  )
  t.equal(
    clearedBy(verifying(12), verified(12), source(12), WELL),
    'synced',
    'the resync after a verify may be smaller',
  )
  t.equal(clearedBy(verifying(0), away(0), WELL), OWED, 'not a verify that was interrupted')
  t.equal(
    clearedBy(verifying(0), WELL),
    OWED,
    'not a verify whose connection was lost and restored between two readings',
  )
  t.equal(clearedBy(source(64), away(32), source(32), WELL), 'synced', 'a resync in two parts')
  t.equal(clearedBy(away(4), source(4), WELL), OWED, 'not a resync that is smaller than the vanished amount')
  t.equal(unrepaired().observe(verifying(0)).join(), '', 'a verify is no transition')
  const mirror = unrepaired()
  mirror.observe(verifying(0))
  t.strictSame(mirror.observe(verified(0)), ['recovered'])
})

t.test('marks that vanish with a repair give no reason', async t => {
  const verdictAfter = (readings: readonly Partial<DrbdPeer>[], options: ObserveOptions = {}) => {
    const { observe, verdict } = mirrorOf()
    for (const reading of [WELL, away(64), ...readings]) observe(reading, options)
    return verdict()
  }
  t.equal(verdictAfter([source(64), WELL]), 'synced', 'an ordinary resync')
  t.equal(verdictAfter([source(64), away(64), source(64), WELL]), 'synced', 'a resync that was interrupted')
  t.equal(verdictAfter([repairedByThird, WELL], { others: THIRD }), 'synced', 'a third replica repaired it')
  t.equal(
    verdictAfter([repairedByThird, away(0), WELL], { others: THIRD }),
    'synced',
    'the repair by a third replica continues while the peer is disconnected from this host',
  )
  t.equal(
    verdictAfter([{ replication: 'SyncTarget', outOfSyncBytes: 61_440 * KIB }, WELL]),
    'synced',
    'the peer had newer data',
  )
  t.equal(verdictAfter([{ replication: 'PausedSyncS', outOfSyncBytes: 0, peerDisk: 'Inconsistent' }, WELL]), 'synced')
  t.equal(
    verdictAfter([{ peerDisk: 'Diskless', intentionalClient: true, replication: 'Established' }, WELL]),
    'synced',
    'the peer gave up its replica and got a new one',
  )
})

t.test('a handshake that does not complete is no repair', async t => {
  const { observe, verdict } = mirrorOf()
  for (const reading of [WELL, away(64), { replication: 'WFBitMapS', outOfSyncBytes: 64 * KIB }, away(0), WELL])
    observe(reading)
  t.equal(verdict(), OWED)
})

t.test('marks that remain after the local disk was repaired are still owed', async t => {
  const { observe, verdict } = mirrorOf()
  observe(WELL, { others: THIRD })
  observe(away(64), { others: THIRD })
  observe(away(64), { others: THIRD, volume: { disk: 'Inconsistent' } })
  observe(away(64), { others: THIRD })
  observe(WELL, { others: THIRD })
  t.equal(verdict(), OWED)
})

t.test('changes between two readings count', async t => {
  const lost = mirrorOf()
  lost.observe(WELL)
  lost.observe({ passed: { ...PASSED, outOfSyncBytes: 64 * KIB } })
  t.equal(lost.verdict(), OWED, 'the peer disconnected and reconnected')
  const repaired = mirrorOf()
  for (const reading of [WELL, away(64)]) repaired.observe(reading)
  t.strictSame(
    repaired.observe({ passed: { ...PASSED, resync: true, repairedBytes: 64 * KIB } }),
    ['resync-started', 'resync-finished'],
    'the resync is reported with both transitions',
  )
  t.equal(repaired.verdict(), 'synced')
  t.strictSame(repaired.observe({ passed: { ...PASSED, resync: true, repairedBytes: 0 } }), [
    'resync-started',
    'resync-finished',
  ])
  const both = mirrorOf()
  for (const reading of [WELL, source(12)]) both.observe(reading)
  both.observe({ passed: { ...PASSED, repairedBytes: 12 * KIB, outOfSyncBytes: 64 * KIB } })
  t.equal(both.verdict(), OWED, 'a repair ended, and then new marks came and vanished')
  const verified = mirrorOf()
  for (const reading of [WELL, away(64), WELL]) verified.observe(reading)
  verified.observe({ passed: { ...PASSED, verifiedBytes: 0 } })
  t.equal(verified.verdict(), 'synced', 'a verify of a small volume')
  for (const repair of ['there', 'here'] as const) {
    const begun = mirrorOf()
    begun.observe(WELL, { others: THIRD })
    const passed = { ...PASSED, resync: true, repair, outOfSyncBytes: 64 * KIB }
    begun.observe({ ...away(0), passed }, { others: THIRD })
    begun.observe(WELL, { others: THIRD })
    t.equal(begun.verdict(), 'synced', `blocks that a repair (${repair}) had to copy are not owed`)
  }
})

t.test('after a gap that may have hidden a resync the reason is only a warning', async t => {
  const verdictAfter = (...readings: readonly (readonly [Partial<DrbdPeer>, ObserveOptions?])[]) => {
    const { observe, verdict } = mirrorOf()
    for (const [reading, options] of readings) observe(reading, options)
    return verdict()
  }
  const unwatched = 'synced, rejoined-unwatched hostB 64'
  t.equal(verdictAfter([away(64)], [WELL, { gap: true }]), unwatched)
  t.equal(verdictAfter([away(64)], [WELL, { gap: true }], [source(64)], [WELL]), 'synced')
  t.equal(verdictAfter([source(64)], [WELL, { gap: true }]), 'synced', 'the resync that was running has ended')
  t.equal(verdictAfter([away(64), { gap: true }], [WELL]), OWED, 'the gap hid nothing')
  t.equal(verdictAfter([away(64)], [WELL], [WELL, { gap: true }]), OWED, 'an earlier finding stays')
})

t.test('a resync during a restart of the agent is recognised by the bytes that the connection has moved', async t => {
  const verdictAfter = (before: Partial<DrbdPeer>, after: Partial<DrbdPeer>, others: readonly DrbdPeer[] = []) => {
    const { observe, verdict } = mirrorOf()
    observe(before, { others })
    observe(after, { others, gap: true })
    return verdict()
  }
  const moved = (kib: number, reading: Partial<DrbdPeer> = WELL) => ({ ...reading, movedBytes: kib * KIB })
  t.equal(verdictAfter(away(64), moved(64)), 'synced')
  t.equal(verdictAfter(away(64), moved(64), THIRD), 'synced')
  t.equal(
    verdictAfter(away(64), moved(63)),
    'synced, rejoined-unwatched hostB 64',
    'the connection moved less than was owed',
  )
  t.equal(
    verdictAfter(away(64), moved(52, marked(12)), THIRD),
    'synced, marks-left hostB 12',
    'a resync of three replicas leaves such marks',
  )
  t.equal(verdictAfter(away(64), moved(52, marked(12))), 'synced, drift hostB 12')
  const again = mirrorOf()
  again.observe(away(64))
  again.observe(moved(64, away(0)), { gap: true })
  again.observe(WELL)
  t.equal(again.verdict(), 'synced', 'the peer disconnected again before the agent was back')
  const { observe, verdict } = mirrorOf()
  for (const reading of [away(64), moved(64)]) observe(reading)
  t.equal(verdict(), OWED, 'without a gap the moved bytes may be writes and prove no resync')
  observe(moved(640), { gap: true })
  t.equal(verdict(), OWED, 'moved bytes do not clear an existing reason')
})

t.test('marks that vanished in a gap give only a warning when the peer returns later', async t => {
  const unwatched = 'synced, rejoined-unwatched hostB 64'
  const away0 = mirrorOf()
  away0.observe(away(64))
  away0.observe(away(0), { gap: true })
  away0.observe(WELL)
  t.equal(
    away0.verdict(),
    unwatched,
    'the peer may have returned, been repaired and left again while the agent was down',
  )
  const less = mirrorOf()
  for (const [kib, gap] of [[64], [16, true]] as const) less.observe(away(kib), gap === true ? { gap } : {})
  less.observe(WELL)
  t.equal(less.verdict(), OWED, 'the remaining marks are owed')
  const { observe, verdict, memory } = mirrorOf()
  observe(away(64))
  const later = mirrorOf(new MarksMemory([...memory.all()]))
  later.alone({ gap: true })
  later.observe(away(0))
  later.observe(WELL)
  t.equal(later.verdict(), unwatched, 'the kernel did not have the peer when the agent was back')
  t.equal(verdict(), 'degraded, peer-not-connected hostB 0')
  for (const disk of ['Attaching', null]) {
    const attaching = mirrorOf()
    attaching.observe(away(64))
    attaching.observe(away(0), { gap: true, volume: { disk } })
    attaching.observe(away(64))
    t.notMatch(attaching.verdict(), /rejoined/, `${disk}: the marks are kept`)
    attaching.observe(WELL)
    t.equal(attaching.verdict(), OWED, `disk ${disk}: the marks are unknown until the disk is attached`)
  }
})

t.test('while the local volume was down, only a third replica can have repaired the peer', async t => {
  const verdictAfter = (others: readonly DrbdPeer[]) => {
    const { observe, verdict, remove } = mirrorOf()
    observe(away(64), { others })
    remove()
    observe(WELL, { others })
    return verdict()
  }
  t.equal(verdictAfter([]), OWED)
  t.equal(verdictAfter(THIRD), 'synced, rejoined-unwatched hostB 64')
})

t.test('DRBD 8.4: blocks that changed while the volume had no connection are owed', async t => {
  const memory = new MarksMemory()
  const mirrors = new HostMirrors(undefined, memory)
  const observe = (drbd: DrbdVolume, at: number) =>
    mirrors.observe({ judgement: judgeDrbdVolume(drbd), at, silenceMeansStall: false, drbd })
  observe(volume('r0/0', [peer('peer')], { family: '8.4' }), 1)
  const versions = [32, 64, 64].map((kib, index) => {
    observe(volume('r0/0', [], { family: '8.4', aloneOutOfSyncBytes: kib * KIB }), 2 + index)
    return memory.version
  })
  t.strictSame(
    versions,
    [
      { facts: 1, amounts: 0 },
      { facts: 1, amounts: 1 },
      { facts: 1, amounts: 1 },
    ],
    'only changes are recorded',
  )
  observe(volume('r0/0', [peer('peer')], { family: '8.4' }), 5)
  t.match(mirrors.get('r0/0'), {
    state: 'degraded',
    reasons: [{ code: 'rejoined-unrepaired', peer: 'peer', outOfSyncBytes: 64 * KIB }],
  })
})

t.test('the reason for marks at rest depends on their origin', async t => {
  const verdictAfter = (readings: readonly Partial<DrbdPeer>[], others: readonly DrbdPeer[] = []) => {
    const { observe, verdict } = mirrorOf()
    for (const reading of readings) observe(reading, { others })
    return verdict()
  }
  const rejoin = [away(12), WELL]
  t.equal(
    verdictAfter([WELL, verifying(12), verified(12), marked(12), ...rejoin]),
    'synced, verify-unrepaired hostB 12',
    'findings of a verify are a warning, even after the marks have vanished',
  )
  t.equal(
    verdictAfter([{ ...repairedByThird, ...marked(8152) }, marked(4056), away(4056), WELL], THIRD),
    'synced',
    'a resync of three replicas left the marks: the disks are equal',
  )
  t.equal(
    verdictAfter([{ ...repairedByThird, ...marked(8152) }, marked(4056), away(5000), WELL], THIRD),
    'degraded, rejoined-unrepaired hostB 5000',
    'more was written while the peer was away',
  )
  t.equal(
    verdictAfter([WELL, marked(12), marked(12), away(12), WELL]),
    'degraded, rejoined-unrepaired hostB 12',
    'two replicas and no verify: no resync and no verify can have left the marks',
  )
  t.equal(
    verdictAfter([WELL, marked(12), marked(12), WELL]),
    'synced, rejoined-unwatched hostB 12',
    'DRBD drops marks of a connected peer by itself, so this does not block',
  )
  t.equal(verdictAfter([WELL, marked(256), WELL]), 'synced', 'the marks existed in one reading only, 9.2.18')
  t.equal(
    verdictAfter([WELL, source(64), marked(12)]),
    'synced, drift hostB 12',
    'a resync of two replicas leaves no marks',
  )
  t.equal(
    verdictAfter([WELL, away(64), marked(12)]),
    'degraded, drift hostB 12, rejoined-unrepaired hostB 64',
    'a part of the owed marks has vanished',
  )
  t.equal(
    verdictAfter([WELL, away(64), marked(12), source(12), WELL]),
    OWED,
    'a resync of the remaining marks does not copy the vanished part',
  )
})

t.test('with a third replica the origin of marks at rest is unknown', async t => {
  const verdictAfter = (...readings: readonly Partial<DrbdPeer>[]) => {
    const { observe, verdict } = mirrorOf()
    for (const reading of [WELL, marked(12), marked(12), ...readings]) observe(reading, { others: THIRD })
    return verdict()
  }
  t.equal(verdictAfter(), 'synced, marks-left hostB 12')
  t.equal(verdictAfter(WELL), 'synced', 'DRBD drops marks of a connected peer')
  t.equal(
    verdictAfter(away(12), WELL),
    'synced, rejoined-unwatched hostB 12',
    'the peer was disconnected before the marks vanished',
  )
})

t.test('findings of a verify stay a warning until a repair or a clean verify', async t => {
  const verdictAfter = (...readings: readonly Partial<DrbdPeer>[]) => {
    const { observe, verdict } = mirrorOf()
    for (const reading of [WELL, verifying(0), verifying(12), verified(12), away(0), WELL, ...readings])
      observe(reading)
    return verdict()
  }
  const found = 'synced, verify-unrepaired hostB 12'
  t.equal(verdictAfter(), found, 'a reconnect makes the marks vanish, 9.2 and 9.3')
  t.equal(verdictAfter(source(12), WELL), 'synced')
  t.equal(verdictAfter(verifying(0), verified(0)), 'synced')
  t.equal(
    verdictAfter(verifying(4), away(0), WELL),
    found,
    'the larger finding counts when a later verify is interrupted',
  )
  t.equal(verdictAfter(verifying(0), { replication: 'VerifyS', outOfSyncBytes: null }, { outOfSyncBytes: null }), found)
  t.equal(verdictAfter(verifying(0), away(0), WELL), found, 'an interrupted verify clears nothing')
})

t.test('the memory holds no mirrors without marks and no ended resyncs', async t => {
  const { observe, memory } = mirrorOf()
  const before = memory.version
  for (const reading of [WELL, away(0), WELL]) observe(reading)
  t.strictSame([...memory.all()], [])
  t.strictSame(memory.version, before)
  observe(source(64))
  t.equal([...memory.all()].length, 1, 'after a restart the agent must know that a resync was running')
  observe(WELL)
  t.strictSame([...memory.all()], [])
})

t.test('readings with doubts change no finding', async t => {
  const { observe, verdict } = mirrorOf()
  observe(away(64))
  observe(WELL, { volume: { doubts: [{ code: 'contradiction', field: 'peer-disk' }] } })
  t.match(verdict(), /^unknown/)
  observe(source(64))
  observe(WELL)
  t.equal(verdict(), 'synced')
})

t.test('missing values change no finding', async t => {
  const { observe, verdict } = mirrorOf()
  const incomplete = { peerDisk: 'Outdated', outOfSyncBytes: null }
  for (const reading of [away(64), incomplete, WELL]) observe(reading)
  t.equal(verdict(), OWED)
  const lasting = mirrorOf()
  for (const reading of [marked(12), incomplete, marked(12), WELL]) lasting.observe(reading)
  t.equal(
    lasting.verdict(),
    'synced, rejoined-unwatched hostB 12',
    'the marks stay known although one reading lacks them',
  )
})

t.test('a diskless client gives no reason for marks and keeps them', async t => {
  const { observe, verdict, memory } = mirrorOf()
  for (const reading of [away(64), WELL]) observe(reading)
  t.equal(verdict(), OWED)
  const before = memory.version
  observe(WELL, { volume: { disk: 'Diskless', intentionalClient: true } })
  t.notMatch(verdict(), /rejoined/)
  t.strictSame(memory.version, before)
  observe(WELL)
  t.equal(verdict(), OWED, 'the local disk is back, and nothing was copied')
})
