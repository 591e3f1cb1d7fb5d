import t from 'tap'
import { HostMirrors } from '../../../../src/sync-query/history/host-mirrors.ts'
import { MarksMemory } from '../../../../src/sync-query/history/marks/marks-memory.ts'
import type { DrbdPeer, DrbdVolume } from '../../../../src/sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../../../src/sync-query/judge/judge-drbd.ts'
import { peer, volume } from '../../drbd-volume.ts'

const KIB = 1024
const MINUTE = 60_000

type Seen = { readonly gap?: true; readonly volume?: Partial<DrbdVolume>; readonly others?: readonly DrbdPeer[] }

/** One mirror with the peer hostB; each look is half a minute after the one before. */
function mirrorOf(memory = new MarksMemory()) {
  const mirrors = new HostMirrors(undefined, memory)
  let at = 0
  const observe = (said: Partial<DrbdPeer>, { gap, volume: own = {}, others = [] }: Seen = {}) => {
    at += MINUTE / 2
    const drbd = volume('r0/0', [peer('hostB', said), ...others], own)
    const seen = { judgement: judgeDrbdVolume(drbd), at, silenceMeansStall: true, drbd }
    const { transitions } = mirrors.observe(gap === true ? { ...seen, followsGap: true } : seen)
    return transitions.map(({ kind }) => kind)
  }
  /** The kernel does not have the peer. */
  const alone = ({ gap }: Seen) => {
    at += MINUTE / 2
    const drbd = volume('r0/0', [])
    mirrors.observe({ judgement: judgeDrbdVolume(drbd), at, silenceMeansStall: true, drbd, followsGap: gap === true })
  }
  const verdict = () => {
    const { state = 'unknown', reasons = [] } = mirrors.get('r0/0') ?? {}
    const told = reasons.map(({ code, peer = '', outOfSyncBytes = 0 }) => `${code} ${peer} ${outOfSyncBytes / KIB}`)
    return [state, ...told].join(', ')
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
/** A whole verify has ended. */
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
  t.strictSame(observe(WELL), ['degraded'], 'it has not recovered')
  t.equal(verdict(), OWED)
  observe(WELL)
  observe(WELL)
  t.equal(verdict(), OWED, 'it stays')
  observe(away(0))
  t.match(verdict(), /^degraded, peer-not-connected hostB 0, rejoined-unrepaired hostB 64/)
  observe(WELL)
  t.equal(verdict(), OWED, 'whether the peer goes and comes again')
})

t.test('an unrepaired peer is no current replica, so the placement policy keeps the other host', async t => {
  const memory = new MarksMemory()
  const mirrors = new HostMirrors(undefined, memory)
  const current = (drbd: DrbdVolume, at: number) => {
    mirrors.observe({ judgement: judgeDrbdVolume(drbd), at, silenceMeansStall: true, drbd })
    const mirror = mirrors.get('r0/0')
    return [mirror?.judgement.replicas.current, ...(mirror?.placement?.replicas.map(each => each.current) ?? [])]
  }
  const story = [WELL, away(64), WELL, source(64), WELL]
  const seen = story.map((said, at) => current(volume('r0/0', [peer('hostB', said), peer('hostC')]), at))
  t.strictSame(seen, [
    [3, true, true, true],
    [2, true, false, true],
    [2, true, false, true],
    [2, true, false, true],
    [3, true, true, true],
  ])
})

t.test('what clears an unrepaired peer', async t => {
  const accused = () => {
    const story = mirrorOf()
    for (const look of [WELL, away(64), WELL]) story.observe(look)
    return story
  }
  const clearedBy = (...looks: readonly Partial<DrbdPeer>[]) => {
    const story = accused()
    for (const look of looks) story.observe(look)
    return story.verdict()
  }
  t.equal(clearedBy(source(64), source(8), WELL), 'synced', 'a resync towards the peer')
  t.equal(clearedBy({ ...source(0), outOfSyncBytes: null }, WELL), 'synced', 'or one whose amount was not shown')
  t.equal(clearedBy(repairedByThird, WELL), 'synced', 'a resync from anybody: its disk was Inconsistent')
  t.equal(clearedBy(verifying(0), verified(0)), 'synced', 'a verify that finds nothing')
  t.equal(clearedBy(verifying(0), verifying(12), verified(12)), 'synced, drift hostB 12', 'a verify says what differs')
  t.equal(clearedBy(verifying(12), verified(12), source(12), WELL), 'synced', 'and its resync may be smaller')
  t.equal(clearedBy(verifying(0), away(0), WELL), OWED, 'no verify that was cut off')
  t.equal(clearedBy(verifying(0), WELL), OWED, 'nor one whose connection was lost and made again between two looks')
  t.equal(clearedBy(source(64), away(32), source(32), WELL), 'synced', 'a resync in two parts')
  t.equal(clearedBy(away(4), source(4), WELL), OWED, 'no resync that is smaller than what has vanished')
  t.equal(accused().observe(verifying(0)).join(), '', 'a verify is no edge')
  const story = accused()
  story.observe(verifying(0))
  t.strictSame(story.observe(verified(0)), ['recovered'])
})

t.test('marks that vanish with a repair stay quiet', async t => {
  const story = (looks: readonly Partial<DrbdPeer>[], seen: Seen = {}) => {
    const { observe, verdict } = mirrorOf()
    for (const look of [WELL, away(64), ...looks]) observe(look, seen)
    return verdict()
  }
  t.equal(story([source(64), WELL]), 'synced', 'an ordinary resync')
  t.equal(story([source(64), away(64), source(64), WELL]), 'synced', 'one that was interrupted')
  t.equal(story([repairedByThird, WELL], { others: THIRD }), 'synced', 'a third replica repaired it')
  t.equal(story([repairedByThird, away(0), WELL], { others: THIRD }), 'synced', 'and went on while the peer was away')
  t.equal(
    story([{ replication: 'SyncTarget', outOfSyncBytes: 61_440 * KIB }, WELL]),
    'synced',
    'the peer had newer data',
  )
  t.equal(story([{ replication: 'PausedSyncS', outOfSyncBytes: 0, peerDisk: 'Inconsistent' }, WELL]), 'synced')
  t.equal(
    story([{ peerDisk: 'Diskless', intentionalClient: true, replication: 'Established' }, WELL]),
    'synced',
    'it gave up its replica and got a new one',
  )
})

t.test('a handshake that only began is no repair', async t => {
  const { observe, verdict } = mirrorOf()
  for (const look of [WELL, away(64), { replication: 'WFBitMapS', outOfSyncBytes: 64 * KIB }, away(0), WELL])
    observe(look)
  t.equal(verdict(), OWED)
})

t.test('what this host still owes after its own disk was repaired is owed', async t => {
  const { observe, verdict } = mirrorOf()
  observe(WELL, { others: THIRD })
  observe(away(64), { others: THIRD })
  observe(away(64), { others: THIRD, volume: { disk: 'Inconsistent' } })
  observe(away(64), { others: THIRD })
  observe(WELL, { others: THIRD })
  t.equal(verdict(), OWED)
})

t.test('what happens between two readings counts', async t => {
  const lost = mirrorOf()
  lost.observe(WELL)
  lost.observe({ passed: { ...PASSED, outOfSyncBytes: 64 * KIB } })
  t.equal(lost.verdict(), OWED, 'away and back')
  const repaired = mirrorOf()
  for (const look of [WELL, away(64)]) repaired.observe(look)
  t.strictSame(
    repaired.observe({ passed: { ...PASSED, resync: true, repairedBytes: 64 * KIB } }),
    ['resync-started', 'resync-finished'],
    'a resync is reported as one',
  )
  t.equal(repaired.verdict(), 'synced')
  t.strictSame(repaired.observe({ passed: { ...PASSED, resync: true, repairedBytes: 0 } }), [
    'resync-started',
    'resync-finished',
  ])
  const both = mirrorOf()
  for (const look of [WELL, source(12)]) both.observe(look)
  both.observe({ passed: { ...PASSED, repairedBytes: 12 * KIB, outOfSyncBytes: 64 * KIB } })
  t.equal(both.verdict(), OWED, 'a repair that ended, and then marks that came and vanished')
  const verified = mirrorOf()
  for (const look of [WELL, away(64), WELL]) verified.observe(look)
  verified.observe({ passed: { ...PASSED, verifiedBytes: 0 } })
  t.equal(verified.verdict(), 'synced', 'a verify of a small volume')
  for (const repair of ['there', 'here'] as const) {
    const begun = mirrorOf()
    begun.observe(WELL, { others: THIRD })
    const passed = { ...PASSED, resync: true, repair, outOfSyncBytes: 64 * KIB }
    begun.observe({ ...away(0), passed }, { others: THIRD })
    begun.observe(WELL, { others: THIRD })
    t.equal(begun.verdict(), 'synced', `what a repair (${repair}) had to copy is not owed`)
  }
})

t.test('a gap that may have hidden a resync makes it a warning', async t => {
  const story = (...looks: readonly (readonly [Partial<DrbdPeer>, Seen?])[]) => {
    const { observe, verdict } = mirrorOf()
    for (const [look, seen] of looks) observe(look, seen)
    return verdict()
  }
  const unwatched = 'synced, rejoined-unwatched hostB 64'
  t.equal(story([away(64)], [WELL, { gap: true }]), unwatched)
  t.equal(story([away(64)], [WELL, { gap: true }], [source(64)], [WELL]), 'synced')
  t.equal(story([source(64)], [WELL, { gap: true }]), 'synced', 'a resync was running: it has ended')
  t.equal(story([away(64), { gap: true }], [WELL]), OWED, 'nothing was hidden')
  t.equal(story([away(64)], [WELL], [WELL, { gap: true }]), OWED, 'what was known before stays known')
})

t.test('a resync during a restart of the agent is recognised by the bytes that the connection has moved', async t => {
  const story = (before: Partial<DrbdPeer>, after: Partial<DrbdPeer>, others: readonly DrbdPeer[] = []) => {
    const { observe, verdict } = mirrorOf()
    observe(before, { others })
    observe(after, { others, gap: true })
    return verdict()
  }
  const moved = (kib: number, look: Partial<DrbdPeer> = WELL) => ({ ...look, movedBytes: kib * KIB })
  t.equal(story(away(64), moved(64)), 'synced')
  t.equal(story(away(64), moved(64), THIRD), 'synced')
  t.equal(story(away(64), moved(63)), 'synced, rejoined-unwatched hostB 64', 'less than was owed')
  t.equal(
    story(away(64), moved(52, marked(12)), THIRD),
    'synced, marks-left hostB 12',
    'as a resync of three leaves them',
  )
  t.equal(story(away(64), moved(52, marked(12))), 'synced, drift hostB 12')
  const again = mirrorOf()
  again.observe(away(64))
  again.observe(moved(64, away(0)), { gap: true })
  again.observe(WELL)
  t.equal(again.verdict(), 'synced', 'and the peer went away again before the agent was back')
  const { observe, verdict } = mirrorOf()
  for (const look of [away(64), moved(64)]) observe(look)
  t.equal(verdict(), OWED, 'writes alone move as much: where nothing was hidden they prove nothing')
  observe(moved(640), { gap: true })
  t.equal(verdict(), OWED, 'and they lift no accusation')
})

t.test('marks that vanished in a gap are not expected when the peer returns later', async t => {
  const unwatched = 'synced, rejoined-unwatched hostB 64'
  const away0 = mirrorOf()
  away0.observe(away(64))
  away0.observe(away(0), { gap: true })
  away0.observe(WELL)
  t.equal(away0.verdict(), unwatched, 'it came back, was repaired, and went away again while the agent was down')
  const less = mirrorOf()
  for (const [kib, gap] of [[64], [16, true]] as const) less.observe(away(kib), gap === true ? { gap } : {})
  less.observe(WELL)
  t.equal(less.verdict(), OWED, 'what is left is owed')
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
    t.notMatch(attaching.verdict(), /rejoined/, `${disk}: nothing is forgotten`)
    attaching.observe(WELL)
    t.equal(attaching.verdict(), OWED, `the disk is shown as ${disk}: before it is attached its marks are not known`)
  }
})

t.test('a volume that was down here for a while: only a third replica can have repaired the peer', async t => {
  const story = (others: readonly DrbdPeer[]) => {
    const { observe, verdict, remove } = mirrorOf()
    observe(away(64), { others })
    remove()
    observe(WELL, { others })
    return verdict()
  }
  t.equal(story([]), OWED)
  t.equal(story(THIRD), 'synced, rejoined-unwatched hostB 64')
})

t.test('DRBD 8.4: what changed while it stood alone', async t => {
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
    'only what changes is written down',
  )
  observe(volume('r0/0', [peer('peer')], { family: '8.4' }), 5)
  t.match(mirrors.get('r0/0'), {
    state: 'degraded',
    reasons: [{ code: 'rejoined-unrepaired', peer: 'peer', outOfSyncBytes: 64 * KIB }],
  })
})

t.test('marks at rest', async t => {
  const story = (looks: readonly Partial<DrbdPeer>[], others: readonly DrbdPeer[] = []) => {
    const { observe, verdict } = mirrorOf()
    for (const look of looks) observe(look, { others })
    return verdict()
  }
  const rejoin = [away(12), WELL]
  t.equal(
    story([WELL, verifying(12), verified(12), marked(12), ...rejoin]),
    'synced, verify-unrepaired hostB 12',
    'what a verify found is a warning, seen or vanished',
  )
  t.equal(
    story([{ ...repairedByThird, ...marked(8152) }, marked(4056), away(4056), WELL], THIRD),
    'synced',
    'a resync of three replicas left them: the disks are equal',
  )
  t.equal(
    story([{ ...repairedByThird, ...marked(8152) }, marked(4056), away(5000), WELL], THIRD),
    'degraded, rejoined-unrepaired hostB 5000',
    'more was written while the peer was away',
  )
  t.equal(
    story([WELL, marked(12), marked(12), away(12), WELL]),
    'degraded, rejoined-unrepaired hostB 12',
    'two replicas and no verify: nobody else can have left them',
  )
  t.equal(
    story([WELL, marked(12), marked(12), WELL]),
    'synced, rejoined-unwatched hostB 12',
    'at a connected peer DRBD drops marks by itself: no reason to stop anything',
  )
  t.equal(story([WELL, marked(256), WELL]), 'synced', 'they were there for a moment, 9.2.18')
  t.equal(story([WELL, source(64), marked(12)]), 'synced, drift hostB 12', 'a resync of two replicas leaves none')
  t.equal(
    story([WELL, away(64), marked(12)]),
    'degraded, drift hostB 12, rejoined-unrepaired hostB 64',
    'a part of what was owed has vanished',
  )
  t.equal(
    story([WELL, away(64), marked(12), source(12), WELL]),
    OWED,
    'a resync of what is left does not copy the part that has vanished',
  )
})

t.test('with a third replica it is not known how marks at rest came', async t => {
  const story = (...looks: readonly Partial<DrbdPeer>[]) => {
    const { observe, verdict } = mirrorOf()
    for (const look of [WELL, marked(12), marked(12), ...looks]) observe(look, { others: THIRD })
    return verdict()
  }
  t.equal(story(), 'synced, marks-left hostB 12')
  t.equal(story(WELL), 'synced', 'DRBD drops them at a connected peer')
  t.equal(story(away(12), WELL), 'synced, rejoined-unwatched hostB 12', 'the peer was away before they vanished')
})

t.test('what a verify found stays a warning until it is repaired, or a later verify is clean', async t => {
  const story = (...looks: readonly Partial<DrbdPeer>[]) => {
    const { observe, verdict } = mirrorOf()
    for (const look of [WELL, verifying(0), verifying(12), verified(12), away(0), WELL, ...looks]) observe(look)
    return verdict()
  }
  const found = 'synced, verify-unrepaired hostB 12'
  t.equal(story(), found, 'a reconnect makes it vanish, 9.2 and 9.3')
  t.equal(story(source(12), WELL), 'synced')
  t.equal(story(verifying(0), verified(0)), 'synced')
  t.equal(story(verifying(4), away(0), WELL), found, 'the larger find of a verify that was cut off')
  t.equal(story(verifying(0), { replication: 'VerifyS', outOfSyncBytes: null }, { outOfSyncBytes: null }), found)
  t.equal(story(verifying(0), away(0), WELL), found, 'no verify that was cut off')
})

t.test('nothing is kept of mirrors without marks, and of a resync that has ended', async t => {
  const { observe, memory } = mirrorOf()
  const before = memory.version
  for (const look of [WELL, away(0), WELL]) observe(look)
  t.strictSame([...memory.all()], [])
  t.strictSame(memory.version, before)
  observe(source(64))
  t.equal([...memory.all()].length, 1, 'a restart must know that a resync was running')
  observe(WELL)
  t.strictSame([...memory.all()], [])
})

t.test('doubtful readings decide nothing', async t => {
  const { observe, verdict } = mirrorOf()
  observe(away(64))
  observe(WELL, { volume: { doubts: [{ code: 'contradiction', field: 'peer-disk' }] } })
  t.match(verdict(), /^unknown/)
  observe(source(64))
  observe(WELL)
  t.equal(verdict(), 'synced')
})

t.test('missing values decide nothing', async t => {
  const { observe, verdict } = mirrorOf()
  const silent = { peerDisk: 'Outdated', outOfSyncBytes: null }
  for (const look of [away(64), silent, WELL]) observe(look)
  t.equal(verdict(), OWED)
  const lasting = mirrorOf()
  for (const look of [marked(12), silent, marked(12), WELL]) lasting.observe(look)
  t.equal(lasting.verdict(), 'synced, rejoined-unwatched hostB 12', 'marks last although one look did not show them')
})

t.test('a diskless client draws no conclusion from marks and keeps them', async t => {
  const { observe, verdict, memory } = mirrorOf()
  for (const look of [away(64), WELL]) observe(look)
  t.equal(verdict(), OWED)
  const before = memory.version
  observe(WELL, { volume: { disk: 'Diskless', intentionalClient: true } })
  t.notMatch(verdict(), /rejoined/)
  t.strictSame(memory.version, before)
  observe(WELL)
  t.equal(verdict(), OWED, 'its disk is back, and nothing was copied')
})
