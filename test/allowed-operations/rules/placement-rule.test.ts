import t from 'tap'
import { claim } from '../../../src/allowed-operations/claim.ts'
import { DEFAULT_POLICY } from '../../../src/allowed-operations/pool/gate-policy.ts'
import type { PoolSnapshot } from '../../../src/allowed-operations/pool/pool-snapshot.ts'
import { whatIf } from '../../../src/allowed-operations/what-if.ts'
import type { MirrorListEntry, Replica } from '../../../src/sync-query/report/report.ts'
import {
  codes,
  DEGRADED,
  host,
  mayGoTogether,
  mayReboot,
  NOW,
  PLACEMENT,
  pool,
  RESYNCING,
  reasonsOf,
  received,
  withHost,
  withOperation,
  withoutReportOf,
  withReports,
} from '../pool-of-three.ts'

/** `a+` is a current replica on a, `a-` one that is not, `a?` a diskless voter, `a!` a replica that the reporting host has lost. */
function replicas(speaker: string, words: string): readonly Replica[] {
  return words.split(' ').map((word): Replica => {
    const on = word.slice(0, -1)
    if (word.endsWith('!')) return { peer: `host-${on}`, current: false }
    const at = on === speaker ? ({ peer: 'self' } as const) : ({ peer: `host-${on}`, connected: true } as const)
    return word.endsWith('?') ? { ...at, current: false, diskless: true } : { ...at, current: word.endsWith('+') }
  })
}

function entry(speaker: string, words: string, changes: Partial<MirrorListEntry> = {}): MirrorListEntry {
  return { state: 'synced', count: 3, quorum: false, replicas: replicas(speaker, words), ...changes }
}

const NOT_SYNCED = { state: 'resyncing', count: 1, mirrors: ['vol/0'] } as const satisfies Partial<MirrorListEntry>

/** All members are in sync and list the same mirrors, each three times. */
function synced(words: readonly string[], changes: Partial<MirrorListEntry> = {}): PoolSnapshot {
  const mirrors = { synced: 3 * words.length, resyncing: 0, degraded: 0, unknown: 0 }
  return withReports(
    pool(),
    ...['a', 'b', 'c'].map(ref => received(ref, { mirrors, mirrorList: words.map(each => entry(ref, each, changes)) })),
  )
}

t.test('which hosts may go down together', async t => {
  const everywhere = synced(['a+ b+ c+'])
  const pairs = synced(['a+ b+', 'b+ c+'])
  const table: readonly [title: string, pool: PoolSnapshot, hosts: string, answer: string][] = [
    ['one of three replicas', everywhere, 'a', 'yes'],
    ['two of three replicas', everywhere, 'a b', 'yes'],
    ['all three', everywhere, 'a b c', 'last-replica@a last-replica@b last-replica@c'],
    ['no host', everywhere, '', 'yes'],
    ['a host that is not in the SR', everywhere, 'd', 'yes'],
    ['two that share no mirror', pairs, 'a c', 'yes'],
    ['two that do', pairs, 'b c', 'last-replica@a last-replica@b last-replica@c'],
    [
      'two of three without a majority left',
      synced(['a+ b+ c+'], { quorum: true }),
      'a b',
      'quorum-loss@a quorum-loss@b quorum-loss@c',
    ],
    ['one of three with a majority left', synced(['a+ b+ c+'], { quorum: true }), 'a', 'yes'],
    [
      'one of two, and no tiebreaker',
      synced(['a+ b+'], { quorum: true }),
      'a',
      'quorum-loss@a quorum-loss@b quorum-loss@c',
    ],
    ['one of two with a tiebreaker', synced(['a+ b+ c?'], { quorum: true }), 'a', 'yes'],
    ['the tiebreaker', synced(['a+ b+ c?'], { quorum: true }), 'c', 'yes'],
    [
      'the tiebreaker and a replica',
      synced(['a+ b+ c?'], { quorum: true }),
      'a c',
      'quorum-loss@a quorum-loss@b quorum-loss@c',
    ],
    [
      'both replicas, the tiebreaker has no data',
      synced(['a+ b+ c?']),
      'a b',
      'last-replica@a last-replica@b last-replica@c',
    ],
    ['an entry for no mirrors', synced(['a+'], { count: 0 }), 'a', 'yes'],
  ]
  for (const [title, of, hosts, answer] of table) {
    t.equal(mayGoTogether(of, hosts === '' ? [] : hosts.split(' ')), answer, title)
  }
  t.equal(mayGoTogether(everywhere, ['gone']), '', 'of a host that is not in the pool nothing is promised')
})

t.test('a client that is not a tiebreaker has no vote', async t => {
  const voteless = (speaker: string, words: string) =>
    replicas(speaker, words).map(each => (each.diskless === true ? { ...each, votes: false as const } : each))
  const of = (words: string, speakers = ['a', 'b', 'c']) =>
    withReports(
      synced([]),
      ...speakers.map(ref =>
        received(ref, {
          mirrors: { synced: 3, resyncing: 0, degraded: 0, unknown: 0 },
          mirrorList: [entry(ref, words, { quorum: true, replicas: voteless(ref, words) })],
        }),
      ),
    )
  t.equal(mayGoTogether(of('a+ b+ c?'), ['a']), 'quorum-loss@a quorum-loss@b quorum-loss@c', 'one of two with data')
  t.equal(mayGoTogether(of('a+ b+ c?'), ['c']), 'yes', 'the client itself may go')
  t.equal(mayGoTogether(synced(['a+ b+ c?'], { quorum: true }), ['a']), 'yes', 'a client that is one')
})

t.test('the incident: the target of a resync may go down, its source may not', async t => {
  const list = (speaker: string) => [entry(speaker, 'a- b+', NOT_SYNCED), entry(speaker, 'b+ c+', { count: 2 })]
  const of = withReports(
    pool(),
    received('a', { ...RESYNCING, mirrorList: list('a') }),
    received('b', { ...RESYNCING, mirrorList: list('b') }),
    received('c', { mirrorList: [entry('c', 'b+ c+')] }),
  )
  t.equal(mayReboot(of, PLACEMENT), 'a c d')
  t.strictSame(reasonsOf(of, 'b', PLACEMENT)[0], {
    code: 'last-replica',
    host: 'a',
    sr: 'sr',
    clearedBy: 'time',
    state: 'resyncing',
    mirrorCount: 1,
    mirrors: ['vol/0'],
  })
  t.equal(mayReboot(of, DEFAULT_POLICY), 'd', 'the conservative policy blocks all')
})

t.test('of two views the worse decides', async t => {
  // LINBIT/drbd#142: a shows both sides UpToDate, b reports that it is not.
  const of = withReports(
    synced(['a+ b+']),
    received('b', {
      ...DEGRADED,
      mirrors: { synced: 0, resyncing: 0, degraded: 1, unknown: 0 },
      mirrorList: [entry('b', 'a+ b-', { ...NOT_SYNCED, state: 'degraded' })],
    }),
  )
  t.equal(mayGoTogether(of, ['a']), 'last-replica@b')
  t.equal(mayGoTogether(of, ['b']), 'yes')
  const unknown = withReports(
    synced(['a+ b+']),
    received('b', { ...DEGRADED, mirrorList: [entry('b', 'a+ b+', { ...NOT_SYNCED, state: 'unknown' })] }),
  )
  t.equal(mayGoTogether(unknown, ['a']), 'last-replica@b', 'what is not known to be current is not')
})

t.test('the list of a host that cannot see its mirrors is not used', async t => {
  const blind = (ref: string, mirrorList: readonly MirrorListEntry[]) => {
    const silent = { code: 'source-silent', mirror: '*', clearedBy: 'time' } as const
    return received(ref, { state: 'unknown', reasons: [silent], mirrorList })
  }
  const one = withReports(synced(['a+ b+']), blind('b', [entry('b', 'a+ b+')]))
  t.equal(mayReboot(one, PLACEMENT), '', 'its stream of events has ended')
  t.equal(codes(reasonsOf(one, 'a', PLACEMENT)), 'not-synced@b mirror-list-missing@b')
  t.equal(mayGoTogether(one, ['a', 'c']), 'not-synced@b mirror-list-missing@b')
  const all = withReports(pool(), ...['a', 'b', 'c'].map(ref => blind(ref, [])))
  t.equal(mayReboot(all, PLACEMENT), '', 'none has seen anything yet')
})

t.test('replicas that a host has lost do not count for its majority', async t => {
  // The ends of a chain a - b - c have lost each other: without b each is one of three, and DRBD stops their I/O.
  const degraded = { ...DEGRADED, mirrors: { synced: 0, resyncing: 0, degraded: 1, unknown: 0 } }
  const list = (speaker: string, words: string) => [
    entry(speaker, words, { ...NOT_SYNCED, state: 'degraded', quorum: true }),
  ]
  const chain = withReports(
    synced(['a+ b+ c+'], { quorum: true }),
    received('a', { ...degraded, mirrorList: list('a', 'a+ b+ c!') }),
    received('c', { ...degraded, mirrorList: list('c', 'a! b+ c+') }),
  )
  t.equal(mayGoTogether(chain, ['b']), 'quorum-loss@a quorum-loss@c')
  const lost = synced(['a+ b! c+'], { quorum: true })
  t.equal(mayGoTogether(lost, ['b']), 'yes', 'the one that is lost may go')
  const unsaid = entry('a', 'a+', {
    quorum: true,
    replicas: ['self', 'host-b', 'host-c'].map(peer => ({ peer, current: true })),
  })
  const older = withReports(synced(['a+ b+ c+'], { quorum: true }), received('a', { mirrorList: [unsaid] }))
  t.equal(mayGoTogether(older, ['b']), 'quorum-loss@a', 'an agent that does not state what it is connected to')
})

t.test('hosts that are away count as gone, and need no report', async t => {
  const down = (of: PoolSnapshot) => withoutReportOf(withHost(of, 'a', { live: false }), 'a')
  t.equal(mayReboot(down(synced(['a+ b+ c+'])), PLACEMENT), 'a b c')
  t.equal(mayReboot(down(synced(['a+ b+', 'b+ c+'])), PLACEMENT), 'a c')
  const going = withHost(synced(['a+ b+']), 'a', { currentOperations: [{ task: 't', operation: 'reboot' }] })
  t.equal(mayReboot(going, PLACEMENT), 'a c d', 'still connected, and about to go')
})

t.test('two reboots in one instant: both are accepted only if no mirror suffers', async t => {
  const both = (of: PoolSnapshot) => {
    const first = claim(of, PLACEMENT, NOW, { host: 'a', operation: 'reboot', task: 't1' })
    const after = withOperation(of, 'a', { task: 't1', operation: 'reboot' })
    return first.ok && claim(after, PLACEMENT, NOW, { host: 'c', operation: 'reboot', task: 't2' }).ok
  }
  t.equal(both(synced(['a+ b+', 'b+ c+'])), true)
  t.equal(both(synced(['a+ c+', 'b+ c+'])), false)
})

t.test('hosts that have replicas and no PBD', async t => {
  const of = synced(['a+ d+'])
  t.equal(mayReboot(of, PLACEMENT), 'a b c', 'd may share mirrors with other such hosts')
  t.match(reasonsOf(of, 'd', PLACEMENT), [{ code: 'holder-without-report', host: 'd', clearedBy: 'operator' }])
  t.match(mayGoTogether(of, ['a', 'd']), /holder-without-report@d last-replica@a/)
  t.equal(mayReboot(withHost(of, 'd', { live: false }), PLACEMENT), 'b c d', 'while d is away, a stays')
  const connected = withReports(
    pool({ ...of, pbds: [...of.pbds, { ref: 'pbd-d', host: 'd', sr: 'sr', currentlyAttached: true }] }),
    received('d', { mirrors: { synced: 3, resyncing: 0, degraded: 0, unknown: 0 }, mirrorList: [entry('d', 'a+ d+')] }),
  )
  t.equal(mayReboot(connected, PLACEMENT), 'a b c d', 'once it reports, it may go down')
  t.equal(mayReboot(pool({ reports: [] }), PLACEMENT), '', 'before the first report no host is known')
  const onlyOnD = withReports(synced(['d+']), received('b', { mirrorList: [entry('b', 'b+')] }))
  t.equal(mayReboot(onlyOnD, PLACEMENT), 'a c', 'the last replica stays, with or without a PBD')
  const resyncing = withReports(of, received('b', { ...RESYNCING, mirrorList: [] }), received('c'))
  t.equal(mayReboot(resyncing, PLACEMENT), '', 'in doubt about the others too')
  t.equal(mayReboot(withoutReportOf(of, 'c'), PLACEMENT), '')
})

t.test('the replicas of a member without a valid report are known from its last list only', async t => {
  // a shares a mirror with d, which no other member lists; d has no PBD.
  const lists = [
    received('a', { mirrorList: [entry('a', 'a+ d+')] }),
    received('b', { mirrorList: [entry('b', 'b+ c+')] }),
    received('c', { mirrorList: [entry('c', 'b+ c+')] }),
  ]
  const whole = withReports(pool({ hosts: ['a', 'b', 'c', 'd', 'e'].map(ref => host(ref)) }), ...lists)
  const down = withHost(whole, 'a', { live: false })
  t.equal(mayReboot(down, PLACEMENT), 'a b c e', 'a is down and has listed d')
  t.match(reasonsOf(down, 'd', PLACEMENT), [{ code: 'replicas-unknown', host: 'a', clearedBy: 'operator' }])
  const going = withHost(whole, 'a', { leaving: true })
  t.match(reasonsOf(going, 'd', PLACEMENT), [{ code: 'replicas-unknown', host: 'a', clearedBy: 'time' }])
  const silent = withReports(whole, { ...received('a', { mirrorList: [entry('a', 'a+ d+')] }), confirmedAtMs: 0 })
  t.equal(codes(reasonsOf(silent, 'd', PLACEMENT)), 'report-before-live@a')
  t.equal(mayReboot(silent, PLACEMENT), 'e')
  const never = withoutReportOf(down, 'a')
  t.equal(mayReboot(never, PLACEMENT), 'a b c', 'a has never listed anything: any host may have the other replica')
  t.equal(codes(reasonsOf(never, 'e', PLACEMENT)), 'replicas-unknown@a')
  const kept = (knownPeers: readonly string[], of = never): PoolSnapshot => ({
    ...of,
    pbds: of.pbds.map(pbd => (pbd.host === 'a' ? { ...pbd, knownPeers } : pbd)),
  })
  t.equal(mayReboot(kept(['host-d']), PLACEMENT), 'a b c e', 'what it listed before a restart is kept')
  t.equal(mayReboot(kept([]), PLACEMENT), 'a b c d e')
  t.equal(mayReboot(kept(['renamed']), PLACEMENT), 'a b c', 'an unknown peer may be any host')
  t.equal(mayReboot(kept(['outside']), { ...PLACEMENT, outsidePeers: ['outside'] }), 'a b c d e')
  const mute = withoutReportOf(whole, 'a')
  t.equal(mayReboot(kept(['host-d'], mute), PLACEMENT), 'e', 'up and silent: its mirrors and its peers wait for it')
  const blind = withReports(whole, received('a', { state: 'unknown' }))
  t.match(codes(reasonsOf(blind, 'e', PLACEMENT)), /mirror-list-missing@a/)
  const allDown = ['a', 'b', 'c'].reduce((of, ref) => withHost(of, ref, { live: false }), pool({ reports: [] }))
  t.equal(codes(reasonsOf(allDown, 'd', PLACEMENT)), 'replicas-unknown@a replicas-unknown@b replicas-unknown@c')
  const strange = withReports(whole, received('a', { mirrorList: [entry('a', 'a+ b+'), entry('a', 'a- renamed+')] }))
  t.equal(codes(reasonsOf(strange, 'e', PLACEMENT)), 'peer-unknown@a', 'the unknown peer may be e')
})

t.test('what-if blocks by the same lists', async t => {
  const pbd = { sr: 'sr', currently_attached: true }
  const of = (known_peers: readonly string[] | undefined) =>
    JSON.stringify({
      hosts: [
        { ref: 'a', hostname: 'host-a', live: false, enabled: false },
        { ref: 'd', hostname: 'host-d', live: true, enabled: false },
      ],
      srs: [{ ref: 'sr', uuid: 'uuid-sr', clustered: true }],
      pbds: [{ ...pbd, host: 'a', known_peers }],
    })
  const mayGo = (line: string) => {
    const answer = whatIf(line, { rules: 'project', policy: 'placement', now: NOW })
    return 'allowed_operations' in answer && answer.allowed_operations.d?.includes('reboot')
  }
  t.equal(mayGo(of(undefined)), false)
  t.equal(mayGo(of(['host-d'])), false)
  t.equal(mayGo(of([])), true)
})

t.test('missing knowledge blocks', async t => {
  const of = synced(['a+ b+ c+'])
  t.equal(codes(reasonsOf(withoutReportOf(of, 'c'), 'a', PLACEMENT)), 'no-report@c')
  const mute = withReports(of, received('c'))
  t.equal(mayReboot(mute, PLACEMENT), 'a b c', 'a list is missing: the conservative rule finds nothing')
  t.equal(codes(reasonsOf(mute, 'd', PLACEMENT)), 'mirror-list-missing@c', 'and d may share mirrors with c')
  t.equal(mayGoTogether(mute, ['a', 'b']), 'mirror-list-missing@c', 'and a set of several hosts is blocked')
  const worse = withReports(mute, received('b', RESYNCING))
  t.equal(codes(reasonsOf(worse, 'a', PLACEMENT)), 'not-synced@b mirror-list-missing@b mirror-list-missing@c')
  t.equal(codes(reasonsOf({ ...of, srs: [] }, 'a', PLACEMENT)), 'sr-missing@a sr-missing@b sr-missing@c')
})

t.test('machines outside the pool', async t => {
  const of = withReports(
    pool({ pbds: pool().pbds.filter(pbd => pbd.host === 'a') }),
    received('a', { mirrorList: [entry('a', 'a+ storage1+')] }),
  )
  t.match(reasonsOf(of, 'a', PLACEMENT), [{ code: 'peer-unknown', host: 'a', unknownPeers: ['host-storage1'] }])
  t.strictSame(reasonsOf(of, 'a', { ...PLACEMENT, outsidePeers: ['host-storage1'] }), [], 'one that stays up')
  const own = withReports(synced(['a+ b+']), received('b', { mirrorList: [entry('b', 'b+ renamed-')] }))
  t.equal(mayGoTogether(own, ['a']), 'yes', 'an unknown peer is not needed while another replica stays')
  const other = withReports(synced(['a+ b+']), received('c', { mirrorList: [entry('c', 'c- renamed+')] }))
  t.equal(mayGoTogether(other, ['a']), 'peer-unknown@c', 'it may be the one that leaves')
})

t.test('the conservative policy decides for sets as well', async t => {
  t.equal(mayGoTogether(pool(), ['a'], DEFAULT_POLICY), 'yes')
  t.equal(mayGoTogether(pool(), ['a', 'd'], DEFAULT_POLICY), 'yes')
  t.equal(mayGoTogether(pool(), ['a', 'b'], DEFAULT_POLICY), 'one-at-a-time@a one-at-a-time@b')
  const down = withHost(pool(), 'c', { live: false })
  t.equal(mayGoTogether(down, ['a', 'b'], DEFAULT_POLICY), 'host-not-live@c one-at-a-time@a one-at-a-time@b')
})
