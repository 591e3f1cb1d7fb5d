import fc from 'fast-check'
import t from 'tap'
import type { ConfiguredPeer } from '../../../src/sync-query/judge/configured-peers.ts'
import {
  CONNECTION_WORDS,
  DISK_WORDS,
  type DrbdPeer,
  type DrbdVolume,
  REPLICATION_WORDS,
} from '../../../src/sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../../src/sync-query/judge/judge-drbd.ts'
import type { Judgement } from '../../../src/sync-query/judge/judgement.ts'
import type { Reason } from '../../../src/sync-query/reason/reason.ts'
import type { Candidate } from '../../../src/sync-query/reason/reason-kind.ts'
import { volume, peer as wellPeer } from '../drbd-volume.ts'

const MIB = 1024 * 1024

const BRAVO = wellPeer('bravo')
const CHARLIE: DrbdPeer = { ...BRAVO, peer: 'charlie' }
const CLIENT: DrbdPeer = { ...BRAVO, peer: 'client', peerDisk: 'Diskless', intentionalClient: true }
const AWAY: DrbdPeer = { ...BRAVO, connection: 'Connecting', replication: 'Off', peerDisk: 'DUnknown' }

const WELL = volume('r0/0', [BRAVO], { sizeBytes: 64 * MIB })

/** A reason as `code field=word …`; `!` where it takes an operator. */
function words({ code, clearedBy, mirror, ...details }: Reason): string {
  const said = Object.entries(details).map(
    ([key, value]) => `${key}=${Array.isArray(value) ? value.map(choice) : value}`,
  )
  return [clearedBy === 'operator' ? `${code}!` : code, ...said, ...(mirror === WELL.mirror ? [] : [mirror])].join(' ')
}

function choice({ peer, word, outOfSyncBytes }: Candidate): string {
  return `${peer}:${word}:${outOfSyncBytes ?? '-'}`
}

type Row = readonly [title: string, volume: Partial<DrbdVolume>, state: Judgement['state'], reasons?: readonly string[]]

function table(name: string, rows: readonly Row[]) {
  t.test(name, t => {
    for (const [title, change, state, reasons = []] of rows) {
      const judged = judgeDrbdVolume({ ...WELL, ...change })
      t.strictSame({ state: judged.state, reasons: judged.reasons.map(words) }, { state, reasons }, title)
    }
    t.end()
  })
}

function peer(change: Partial<DrbdPeer>): Partial<DrbdVolume> {
  return { peers: [{ ...BRAVO, ...change }] }
}

t.test('the amount out of sync of an 8.4 volume without a peer is what changed since', t => {
  const alone = { ...WELL, family: '8.4' as const, peers: [], aloneOutOfSyncBytes: 4096 }
  t.equal(judgeDrbdVolume(alone).outOfSyncBytes, 4096)
  t.end()
})

t.test('a volume without any reason is synced, with all figures', t => {
  t.strictSame(judgeDrbdVolume(WELL), {
    mirror: 'r0/0',
    backend: 'drbd',
    state: 'synced',
    activity: 'none',
    moving: false,
    progress: null,
    doneBytes: null,
    totalBytes: null,
    etaSeconds: null,
    outOfSyncBytes: 0,
    movedBytes: null,
    replicas: { expected: 2, current: 2 },
    placement: {
      quorum: true,
      replicas: [
        { peer: 'self', current: true },
        { peer: 'bravo', current: true, connected: true },
      ],
    },
    reasons: [],
  })
  t.end()
})

table('what counts as synced', [
  ['three replicas', { peers: [BRAVO, CHARLIE] }, 'synced'],
  ['a client on purpose among the peers', { peers: [BRAVO, CLIENT] }, 'synced'],
  ['a client with which replication is Off', { peers: [BRAVO, { ...CLIENT, replication: 'Off' }] }, 'synced'],
  ['this host is the client', { disk: 'Diskless', intentionalClient: true, peers: [BRAVO, CHARLIE] }, 'synced'],
  [
    'this host is the client of a single copy',
    { disk: 'Diskless', intentionalClient: true },
    'synced',
    ['single-copy!'],
  ],
  [
    'a forgotten pause of nothing (9.2.18: resume-sync stops half-way)',
    peer({ resyncSuspended: ['user'] }),
    'synced',
    ['pause-left-set! peer=bravo'],
  ],
  ['nothing said of out-of-sync or suspension', peer({ outOfSyncBytes: null, resyncSuspended: null }), 'synced'],
  ['the source of a verify', peer({ replication: 'VerifyS' }), 'synced'],
  ['the target of a verify', peer({ replication: 'VerifyT' }), 'synced'],
  ['drift (LINBIT/drbd#30)', peer({ outOfSyncBytes: 12288 }), 'synced', ['drift! peer=bravo outOfSyncBytes=12288']],
  [
    'what a verify found so far',
    peer({ replication: 'VerifyS', outOfSyncBytes: 4096 }),
    'synced',
    ['drift! peer=bravo outOfSyncBytes=4096'],
  ],
  ['a single copy on 9', { peers: [] }, 'synced', ['single-copy!']],
  ['a single copy with a client', { peers: [CLIENT] }, 'synced', ['single-copy!']],
  ['a single copy with two clients', { peers: [CLIENT, { ...CLIENT, peer: 'delta' }] }, 'synced', ['single-copy!']],
  [
    'two copies of which the peer has lost its disk',
    peer({ peerDisk: 'Diskless' }),
    'degraded',
    ['peer-disk-not-up-to-date! peer=bravo field=peer-disk word=Diskless'],
  ],
  ['no quorum', { quorum: false }, 'synced', ['quorum-lost! field=quorum word=no']],
])

table('what was not said, or is not known, is unknown', [
  ['disk', { disk: null }, 'unknown', ['word-missing field=disk']],
  ['connection', peer({ connection: null }), 'unknown', ['word-missing peer=bravo field=connection']],
  ['replication', peer({ replication: null }), 'unknown', ['word-missing peer=bravo field=replication']],
  ['peer-disk', peer({ peerDisk: null }), 'unknown', ['word-missing peer=bravo field=peer-disk']],
  ['another disk', { disk: 'Mirrored' }, 'unknown', ['unknown-word! field=disk word=Mirrored']],
  [
    'another connection',
    peer({ connection: 'Tunneled' }),
    'unknown',
    ['unknown-word! peer=bravo field=connection word=Tunneled'],
  ],
  [
    'another replication',
    peer({ replication: 'Replaying' }),
    'unknown',
    ['unknown-word! peer=bravo field=replication word=Replaying'],
  ],
  [
    'another peer-disk',
    peer({ peerDisk: 'Mirrored' }),
    'unknown',
    ['unknown-word! peer=bravo field=peer-disk word=Mirrored'],
  ],
  [
    'a word that only JavaScript knows',
    peer({ replication: 'constructor' }),
    'unknown',
    ['unknown-word! peer=bravo field=replication word=constructor'],
  ],
  ['a doubt', { doubts: [{ code: 'dump-incomplete' }] }, 'unknown', ['dump-incomplete']],
  [
    'a doubt with particulars',
    { doubts: [{ code: 'unknown-word', field: 'k', word: 'SyncSource', peer: 'bravo' }] },
    'unknown',
    ['unknown-word! field=k word=SyncSource peer=bravo'],
  ],
  [
    'a doubt while a resync runs, with both',
    { ...peer({ replication: 'SyncSource', outOfSyncBytes: null }), doubts: [{ code: 'events-lost' }] },
    'unknown',
    ['events-lost', 'resync-running peer=bravo side=source field=replication word=SyncSource'],
  ],
])

table('words that are left out of a connection that is down are not missed', [
  [
    'as drbdsetup status does',
    peer({ connection: 'Connecting', replication: null, peerDisk: null }),
    'degraded',
    ['peer-not-connected peer=bravo field=connection word=Connecting'],
  ],
])

table('a resync', [
  [
    'this host is the source: the other disk is explained',
    peer({ replication: 'SyncSource', peerDisk: 'Inconsistent', progress: 0.25, outOfSyncBytes: 96 }),
    'resyncing',
    ['resync-running peer=bravo side=source progress=0.25 outOfSyncBytes=96 field=replication word=SyncSource'],
  ],
  [
    'the kernel says that all is done, and it is not over',
    peer({ replication: 'SyncSource', peerDisk: 'Inconsistent', progress: 1 }),
    'resyncing',
    ['resync-running peer=bravo side=source progress=0.999 outOfSyncBytes=0 field=replication word=SyncSource'],
  ],
  [
    'this host is the target: its own disk is explained',
    { ...peer({ replication: 'SyncTarget' }), disk: 'Inconsistent' },
    'resyncing',
    ['resync-running peer=bravo side=target outOfSyncBytes=0 field=replication word=SyncTarget'],
  ],
  [
    'a disk that failed is not',
    { ...peer({ replication: 'SyncTarget' }), disk: 'Failed' },
    'resyncing',
    [
      'disk-not-up-to-date! field=disk word=Failed',
      'resync-running peer=bravo side=target outOfSyncBytes=0 field=replication word=SyncTarget',
    ],
  ],
  [
    'the source of a target has to be good',
    { ...peer({ replication: 'SyncTarget', peerDisk: 'Outdated' }), disk: 'Inconsistent' },
    'resyncing',
    [
      'no-current-replica! field=disk missing=2 candidates=self:Inconsistent:-,bravo:Outdated:0',
      'resync-running peer=bravo side=target outOfSyncBytes=0 field=replication word=SyncTarget',
    ],
  ],
  [
    'another peer is away: both are told',
    {
      peers: [
        { ...BRAVO, replication: 'SyncSource', peerDisk: 'Inconsistent' },
        { ...AWAY, peer: 'charlie' },
      ],
    },
    'resyncing',
    [
      'resync-running peer=bravo side=source outOfSyncBytes=0 field=replication word=SyncSource',
      'peer-not-connected peer=charlie field=connection word=Connecting',
    ],
  ],
  [
    'paused by an operator here',
    peer({ replication: 'PausedSyncS', peerDisk: 'Inconsistent', resyncSuspended: ['user', 'peer', 'dependency'] }),
    'resyncing',
    ['resync-paused! peer=bravo side=source outOfSyncBytes=0 field=resync-suspended word=user,peer,dependency'],
  ],
  [
    'waiting for another resync',
    peer({ replication: 'PausedSyncS', resyncSuspended: ['peer', 'dependency'] }),
    'resyncing',
    ['resync-waiting peer=bravo side=source outOfSyncBytes=0 field=resync-suspended word=peer,dependency'],
  ],
  [
    'waiting for its turn (9.3: max-parallel)',
    peer({ replication: 'PausedSyncT', resyncSuspended: ['max-parallel'] }),
    'resyncing',
    ['resync-waiting peer=bravo side=target outOfSyncBytes=0 field=resync-suspended word=max-parallel'],
  ],
  [
    'paused, and it was not said why',
    peer({ replication: 'PausedSyncT', resyncSuspended: null }),
    'resyncing',
    ['resync-waiting peer=bravo side=target outOfSyncBytes=0 field=replication word=PausedSyncT'],
  ],
  [
    'about to be paused',
    peer({ replication: 'SyncSource', resyncSuspended: ['user'] }),
    'resyncing',
    ['resync-paused! peer=bravo side=source outOfSyncBytes=0 field=resync-suspended word=user'],
  ],
  [
    'Ahead of a congested peer',
    peer({ replication: 'Ahead', peerDisk: 'Consistent' }),
    'resyncing',
    ['peer-behind peer=bravo field=replication word=Ahead side=source outOfSyncBytes=0'],
  ],
  [
    'Behind',
    { ...peer({ replication: 'Behind' }), disk: 'Inconsistent' },
    'resyncing',
    ['peer-behind peer=bravo field=replication word=Behind side=target outOfSyncBytes=0'],
  ],
  [
    'the handshake of a target whose disk is still Outdated (8.4.11)',
    { ...peer({ replication: 'WFBitMapT' }), disk: 'Outdated' },
    'resyncing',
    ['resync-starting peer=bravo field=replication word=WFBitMapT side=target'],
  ],
  ...(['StartingSyncS', 'WFBitMapS'] as const).map(
    (word): Row => [
      `${word} is about to move`,
      peer({ replication: word, peerDisk: 'Consistent' }),
      'resyncing',
      [`resync-starting peer=bravo field=replication word=${word} side=source`],
    ],
  ),
  ...(['StartingSyncT', 'WFSyncUUID'] as const).map(
    (word): Row => [
      `${word} is about to move`,
      peer({ replication: word }),
      'resyncing',
      [`resync-starting peer=bravo field=replication word=${word} side=target`],
    ],
  ),
])

table('connections that are down', [
  ...(
    ['Unconnected', 'Timeout', 'BrokenPipe', 'NetworkFailure', 'ProtocolError', 'TearDown', 'Connecting'] as const
  ).map(
    (word): Row => [
      `${word} comes back by itself`,
      { peers: [{ ...AWAY, connection: word }] },
      'degraded',
      [`peer-not-connected peer=bravo field=connection word=${word}`],
    ],
  ),
  [
    'Disconnecting ends in StandAlone',
    { peers: [{ ...AWAY, connection: 'Disconnecting' }] },
    'degraded',
    ['peer-not-connected! peer=bravo field=connection word=Disconnecting'],
  ],
  [
    'StandAlone',
    { peers: [{ ...AWAY, connection: 'StandAlone' }] },
    'degraded',
    ['stand-alone! peer=bravo field=connection word=StandAlone'],
  ],
  [
    'a split brain',
    { peers: [{ ...AWAY, connection: 'StandAlone' }, CHARLIE], splitBrainPeers: ['bravo'] },
    'degraded',
    ['split-brain! peer=bravo field=connection word=StandAlone'],
  ],
  [
    'the side that only saw a NetworkFailure of it',
    { peers: [{ ...AWAY, connection: 'NetworkFailure' }], splitBrainPeers: ['bravo'] },
    'degraded',
    ['split-brain! peer=bravo field=connection word=NetworkFailure'],
  ],
  ['a split brain that was resolved', { splitBrainPeers: ['bravo'] }, 'synced'],
])

table('peers that are missing altogether', [
  ['on 8.4 that is StandAlone', { family: '8.4', peers: [] }, 'degraded', ['stand-alone! field=connection']],
  [
    'and what has changed since is told',
    { family: '8.4', peers: [], aloneOutOfSyncBytes: 4096 },
    'degraded',
    ['stand-alone! field=connection outOfSyncBytes=4096'],
  ],
  [
    'after a split brain as well',
    { family: '8.4', peers: [], splitBrainPeers: ['peer'], aloneOutOfSyncBytes: 4096 },
    'degraded',
    ['split-brain! peer=peer outOfSyncBytes=4096'],
  ],
  ['where the family is not known too', { family: null, peers: [] }, 'degraded', ['stand-alone! field=connection']],
  [
    'after a split brain on 8.4',
    { family: '8.4', peers: [], splitBrainPeers: ['peer'], removedPeers: ['peer'] },
    'degraded',
    ['split-brain! peer=peer'],
  ],
  ['removed since the last dump', { peers: [], removedPeers: ['bravo'] }, 'degraded', ['peer-removed peer=bravo']],
  ['one of several removed', { removedPeers: ['delta'] }, 'degraded', ['peer-removed peer=delta']],
  ['nothing configured on the minor', { configured: false, disk: null }, 'degraded', ['not-configured!']],
  [
    'a client of nobody has no replica at all',
    { disk: 'Diskless', intentionalClient: true, peers: [] },
    'degraded',
    ['disk-not-up-to-date! field=disk word=Diskless missing=1'],
  ],
  [
    'a client among clients too',
    { disk: 'Diskless', intentionalClient: true, peers: [CLIENT] },
    'degraded',
    ['disk-not-up-to-date! field=disk word=Diskless missing=1'],
  ],
])

table('disks that are not up to date', [
  ['Diskless', { disk: 'Diskless' }, 'degraded', ['disk-not-up-to-date! field=disk word=Diskless']],
  [
    'Diskless, and it was not said whether on purpose',
    { disk: 'Diskless', intentionalClient: null },
    'degraded',
    ['disk-not-up-to-date! field=disk word=Diskless'],
  ],
  ['Failed', { disk: 'Failed' }, 'degraded', ['disk-not-up-to-date! field=disk word=Failed']],
  ['Detaching', { disk: 'Detaching' }, 'degraded', ['disk-not-up-to-date! field=disk word=Detaching']],
  ['Attaching', { disk: 'Attaching' }, 'degraded', ['disk-not-up-to-date field=disk word=Attaching']],
  ['Negotiating', { disk: 'Negotiating' }, 'degraded', ['disk-not-up-to-date field=disk word=Negotiating']],
  ['DUnknown', { disk: 'DUnknown' }, 'degraded', ['disk-not-up-to-date! field=disk word=DUnknown']],
  [
    'Inconsistent without a resync (linstor-server#203)',
    { disk: 'Inconsistent' },
    'degraded',
    ['disk-not-up-to-date! field=disk word=Inconsistent'],
  ],
  [
    'Outdated while the peer is away: its return repairs it',
    { disk: 'Outdated', peers: [AWAY] },
    'degraded',
    ['disk-not-up-to-date field=disk word=Outdated', 'peer-not-connected peer=bravo field=connection word=Connecting'],
  ],
  [
    'a peer that is Diskless, not on purpose',
    peer({ peerDisk: 'Diskless' }),
    'degraded',
    ['peer-disk-not-up-to-date! peer=bravo field=peer-disk word=Diskless'],
  ],
  [
    'a client that shows a disk which is no disk',
    peer({ peerDisk: 'Failed', intentionalClient: true }),
    'degraded',
    ['peer-disk-not-up-to-date! peer=bravo field=peer-disk word=Failed', 'single-copy!'],
  ],
  [
    'the only peer is Inconsistent and nothing copies to it',
    peer({ peerDisk: 'Inconsistent' }),
    'degraded',
    ['peer-disk-not-up-to-date! peer=bravo field=peer-disk word=Inconsistent'],
  ],
  [
    'a third node sees two others copy (9.2.18)',
    { peers: [{ ...BRAVO, peerDisk: 'Inconsistent', outOfSyncBytes: 4096 }, CHARLIE] },
    'degraded',
    ['peer-disk-not-up-to-date peer=bravo field=peer-disk word=Inconsistent'],
  ],
  [
    'a peer that attaches',
    peer({ peerDisk: 'Attaching' }),
    'degraded',
    ['peer-disk-not-up-to-date peer=bravo field=peer-disk word=Attaching'],
  ],
  [
    'connected, and the handshake has still to tell the disk',
    peer({ replication: 'Off', peerDisk: 'DUnknown' }),
    'degraded',
    [
      'replication-off peer=bravo field=replication word=Off',
      'peer-disk-not-up-to-date peer=bravo field=peer-disk word=DUnknown',
    ],
  ],
  [
    'connected and good, and nothing is replicated',
    peer({ replication: 'Off' }),
    'degraded',
    ['replication-off! peer=bravo field=replication word=Off'],
  ],
  [
    'a source whose peer failed',
    peer({ replication: 'SyncSource', peerDisk: 'Failed' }),
    'resyncing',
    [
      'resync-running peer=bravo side=source outOfSyncBytes=0 field=replication word=SyncSource',
      'peer-disk-not-up-to-date! peer=bravo field=peer-disk word=Failed',
    ],
  ],
])

type Figures = Pick<
  Judgement,
  'activity' | 'moving' | 'progress' | 'doneBytes' | 'totalBytes' | 'etaSeconds' | 'outOfSyncBytes'
>

const SOURCE: Partial<DrbdPeer> = {
  replication: 'SyncSource',
  peerDisk: 'Inconsistent',
  totalBytes: 400,
  outOfSyncBytes: 300,
  progress: 0.25,
  etaSeconds: 30,
}
const TARGET: Partial<DrbdPeer> = { ...SOURCE, replication: 'SyncTarget', peerDisk: 'UpToDate' }
const PAUSED_TARGET: Partial<DrbdPeer> = {
  ...TARGET,
  replication: 'PausedSyncT',
  resyncSuspended: ['dependency'],
  progress: 0.1,
  outOfSyncBytes: 360,
  etaSeconds: 9,
}
const VERIFY: Partial<DrbdPeer> = { replication: 'VerifyS', totalBytes: 1000, progress: 0.5, etaSeconds: 7 }

const FIGURES: readonly [title: string, peers: readonly Partial<DrbdPeer>[], Partial<Figures>][] = [
  [
    'one target',
    [SOURCE],
    {
      activity: 'resync',
      moving: true,
      progress: 0.25,
      doneBytes: 100,
      totalBytes: 400,
      etaSeconds: 30,
      outOfSyncBytes: 300,
    },
  ],
  [
    'a source has to send to each of its targets: the mean of the kernel’s shares, by what each has to get',
    [SOURCE, { ...SOURCE, peer: 'charlie', progress: 0.75, totalBytes: 1200, outOfSyncBytes: 500, etaSeconds: 45 }],
    { progress: 0.625, doneBytes: 800, totalBytes: 1600, etaSeconds: 45, outOfSyncBytes: 800 },
  ],
  [
    'of two targets one says no total: only the smaller share is known',
    [SOURCE, { ...SOURCE, peer: 'charlie', totalBytes: null, progress: 0.125 }],
    { progress: 0.125, doneBytes: null, totalBytes: null, outOfSyncBytes: 600 },
  ],
  [
    'a block that one source cleared is cleared for all: the largest figure counts',
    [TARGET, { ...PAUSED_TARGET, peer: 'charlie' }],
    { moving: true, progress: 0.1, doneBytes: 40, totalBytes: 400, etaSeconds: 30, outOfSyncBytes: 360 },
  ],
  ['a paused one has no estimate', [PAUSED_TARGET], { moving: false, etaSeconds: null, progress: 0.1 }],
  [
    'nothing is known of it (events2 of 8.4)',
    [{ ...SOURCE, totalBytes: null, progress: null, outOfSyncBytes: null }],
    { progress: null, doneBytes: null, totalBytes: null, outOfSyncBytes: null },
  ],
  [
    'of a target neither',
    [{ ...TARGET, totalBytes: null, progress: null, outOfSyncBytes: null, etaSeconds: null }],
    { progress: null, outOfSyncBytes: null, etaSeconds: null },
  ],
  ['only a percentage', [{ ...SOURCE, totalBytes: null }], { progress: 0.25, doneBytes: null, totalBytes: null }],
  ['only sizes', [{ ...SOURCE, progress: null }], { progress: 0.25, doneBytes: 100, totalBytes: 400 }],
  ['only sizes of a target', [{ ...TARGET, progress: null }], { progress: 0.25, doneBytes: 100, totalBytes: 400 }],
  [
    'a total and a percentage, and no out-of-sync',
    [{ ...TARGET, outOfSyncBytes: null }],
    { progress: 0.25, doneBytes: null, totalBytes: 400, outOfSyncBytes: null },
  ],
  [
    'nothing to copy',
    [{ ...SOURCE, totalBytes: 0, outOfSyncBytes: 0, progress: null }],
    { progress: null, doneBytes: null, totalBytes: null },
  ],
  [
    'it grew beyond its total',
    [{ ...SOURCE, progress: null, outOfSyncBytes: 500 }],
    { progress: 0, doneBytes: 0, outOfSyncBytes: 500 },
  ],
  [
    'all is copied and it is not over',
    [{ ...SOURCE, progress: 1, outOfSyncBytes: 0 }],
    { progress: 0.999, doneBytes: 400 },
  ],
  [
    'a verify',
    [VERIFY],
    {
      activity: 'verify',
      moving: false,
      progress: 0.5,
      doneBytes: 500,
      totalBytes: 1000,
      etaSeconds: 7,
      outOfSyncBytes: 0,
    },
  ],
  [
    'a verify of 8.4',
    [{ ...VERIFY, progress: null }],
    { activity: 'verify', progress: null, doneBytes: null, totalBytes: null },
  ],
  [
    'a resync while another peer is verified',
    [SOURCE, { ...VERIFY, peer: 'charlie' }],
    { activity: 'resync', progress: 0.25, totalBytes: 400 },
  ],
  [
    'a handshake has nothing to show',
    [{ replication: 'WFBitMapS', outOfSyncBytes: 4096 }],
    { activity: 'resync', moving: false, progress: null, outOfSyncBytes: 4096 },
  ],
  [
    'nothing runs: what is owed to each peer',
    [{ outOfSyncBytes: 10 }, { peer: 'charlie', outOfSyncBytes: 20 }],
    { activity: 'none', outOfSyncBytes: 30 },
  ],
  ['a client is owed nothing', [{ outOfSyncBytes: 10 }, { ...CLIENT, outOfSyncBytes: 20 }], { outOfSyncBytes: 10 }],
  ['nobody is owed anything', [], { outOfSyncBytes: null }],
]

t.test('figures', t => {
  for (const [title, peers, expected] of FIGURES) {
    const judged = judgeDrbdVolume({ ...WELL, peers: peers.map(each => ({ ...BRAVO, ...each })) })
    t.match(judged, expected, title)
  }
  t.end()
})

t.test('replicas: those that carry data, and those of them that are current as seen from here', t => {
  const count = (change: Partial<DrbdVolume>) => judgeDrbdVolume({ ...WELL, ...change }).replicas
  t.strictSame(count({ peers: [BRAVO, CHARLIE] }), { expected: 3, current: 3 }, 'all')
  t.strictSame(count({ peers: [BRAVO, CLIENT] }), { expected: 2, current: 2 }, 'a client carries none')
  t.strictSame(
    count({ disk: 'Diskless', intentionalClient: true }),
    { expected: 1, current: 1 },
    'this host carries none',
  )
  t.strictSame(count({ peers: [{ ...BRAVO, connection: 'Connecting' }] }), { expected: 2, current: 1 }, 'out of reach')
  t.strictSame(count(peer({ peerDisk: 'Inconsistent' })), { expected: 2, current: 1 }, 'not current')
  t.strictSame(count({ disk: 'Outdated' }), { expected: 2, current: 1 }, 'not current here')
  t.strictSame(count({ family: '8.4', peers: [] }), { expected: 2, current: 1 }, '8.4 does not show the peer it left')
  t.strictSame(count({ peers: [] }), { expected: 1, current: 1 }, 'a single copy')
  t.end()
})

t.test('placement: who has a replica or a vote, whether it is current, and whether this host can see it', t => {
  const votes = (change: Partial<DrbdVolume>) => {
    const { placement } = judgeDrbdVolume({ ...WELL, ...change })
    const replicas = placement?.replicas.map(
      ({ peer, current, connected, diskless }) =>
        `${peer}${diskless === true ? '?' : current ? '+' : '-'}${connected === true || peer === 'self' ? '' : '!'}`,
    )
    return [placement?.quorum === true ? 'majority' : 'any', ...(replicas ?? [])].join(' ')
  }
  t.equal(votes({ peers: [BRAVO, CHARLIE, CLIENT] }), 'majority self+ bravo+ charlie+ client?')
  t.equal(votes({ disk: 'Diskless', intentionalClient: true }), 'majority self? bravo+')
  t.equal(votes({ disk: 'Failed', intentionalClient: true }), 'majority self- bravo+')
  t.equal(votes({ disk: 'Outdated', peers: [AWAY] }), 'majority self- bravo-!')
  t.equal(votes({ peers: [{ ...BRAVO, connection: 'Connecting' }] }), 'majority self+ bravo-!')
  t.equal(votes({ peers: [{ ...BRAVO, peerDisk: 'Outdated' }] }), 'majority self+ bravo-')
  t.equal(votes({ peers: [{ ...CLIENT, connection: 'Connecting' }] }), 'majority self+ client?!')
  t.equal(votes({ peers: [] }), 'majority self+')
  t.equal(votes({ family: '8.4' }), 'any self+ bravo+', '8.4 knows no quorum')
  t.equal(votes({ family: '8.4', peers: [] }), 'any self+ peer-!', 'nor shows the peer that it left')
  t.equal(votes({ family: null, peers: [] }), 'majority self+ peer-!', 'in doubt a majority is needed')
  t.end()
})

const ANY_PEER: fc.Arbitrary<DrbdPeer> = fc.record({
  peer: fc.constantFrom('bravo', 'charlie'),
  connection: fc.constantFrom(null, 'Odd', ...Object.keys(CONNECTION_WORDS)),
  replication: fc.constantFrom(null, 'Odd', ...Object.keys(REPLICATION_WORDS)),
  peerDisk: fc.constantFrom(null, 'Odd', ...Object.keys(DISK_WORDS)),
  intentionalClient: fc.constantFrom(null, true, false),
  resyncSuspended: fc.constantFrom(null, [], ['user'], ['dependency']),
  outOfSyncBytes: fc.option(fc.nat()),
  movedBytes: fc.option(fc.nat()),
  progress: fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
  totalBytes: fc.option(fc.nat()),
  etaSeconds: fc.option(fc.nat()),
  passed: fc.constant(null),
})

t.test('property: synced only by the positive rule, figures within their bounds', t => {
  const volumes: fc.Arbitrary<DrbdVolume> = fc.record({
    mirror: fc.constant('r0/0'),
    family: fc.constantFrom(null, '8.4', '9'),
    disk: fc.constantFrom(null, 'Odd', ...Object.keys(DISK_WORDS)),
    intentionalClient: fc.constantFrom(null, true, false),
    quorum: fc.constantFrom(null, true, false),
    ioSuspended: fc.constantFrom(null, [], ['user'], ['quorum', 'odd']),
    forcesIoFailures: fc.constantFrom(null, true, false),
    sizeBytes: fc.option(fc.nat()),
    aloneOutOfSyncBytes: fc.option(fc.nat()),
    peers: fc.array(ANY_PEER, { maxLength: 3 }),
    doubts: fc.constantFrom([], [{ code: 'events-lost' as const }]),
    splitBrainPeers: fc.constantFrom([], ['bravo']),
    removedPeers: fc.constantFrom([], ['delta']),
    configured: fc.boolean(),
  })
  fc.assert(
    fc.property(volumes, volume => {
      const { state, progress, doneBytes, totalBytes } = judgeDrbdVolume(volume)
      const isWell =
        volume.configured &&
        volume.removedPeers.length === 0 &&
        volume.doubts.length === 0 &&
        (volume.disk === 'UpToDate' || (volume.disk === 'Diskless' && volume.intentionalClient === true)) &&
        (volume.peers.length > 0 || volume.family === '9') &&
        volume.peers.every(
          each =>
            each.connection === 'Connected' &&
            (each.intentionalClient === true && each.peerDisk === 'Diskless'
              ? /^(Off|Established|VerifyS|VerifyT)$/.test(each.replication ?? '')
              : each.peerDisk === 'UpToDate' && /^(Established|VerifyS|VerifyT)$/.test(each.replication ?? '')),
        )
      const isSomewhere = volume.disk === 'UpToDate' || volume.peers.some(each => each.intentionalClient !== true)
      return (
        (state === 'synced') === (isWell && isSomewhere) &&
        (progress === null || (progress >= 0 && progress <= 0.999)) &&
        (doneBytes === null || (totalBytes !== null && doneBytes <= totalBytes))
      )
    }),
    { numRuns: 3000 },
  )
  t.end()
})

t.test('a diskless peer without a vote is listed as one (`tiebreaker no`, DRBD 9.3.1)', async t => {
  const configured = {
    peers: [
      { nodeId: null, names: ['bravo'], diskless: false },
      { nodeId: null, names: ['client'], diskless: true, votes: false },
      { nodeId: null, names: ['away'], diskless: true, votes: false },
    ],
    doubt: null,
  } as const
  const votes = (judged: Judgement) => judged.placement?.replicas.map(({ peer, votes = true }) => [peer, votes])
  const judged = judgeDrbdVolume({ ...WELL, peers: [BRAVO, CLIENT] }, configured)
  t.strictSame(votes(judged), [
    ['self', true],
    ['bravo', true],
    ['client', false],
    ['away', false],
  ])
  const here = { ...WELL, disk: 'Diskless', intentionalClient: true, peers: [BRAVO] }
  t.match(votes(judgeDrbdVolume(here, { ...configured, ownVotes: false })), [['self', false]])
  t.match(votes(judgeDrbdVolume(here, configured)), [['self', true]])
})

t.test('configured peers that the kernel does not have', async t => {
  const named = (name: string, nodeId: string | null = null, diskless = false) => ({ nodeId, names: [name], diskless })
  const nameless = { nodeId: null, names: [], diskless: false }
  const rows: [
    title: string,
    peers: readonly DrbdPeer[],
    configured: readonly ConfiguredPeer[],
    state: string,
    reasons: readonly string[],
  ][] = [
    ['all are there', [BRAVO], [named('bravo')], 'synced', []],
    ['one more than configured', [BRAVO, CHARLIE], [named('bravo')], 'synced', []],
    ['one of two', [BRAVO], [named('bravo'), named('charlie')], 'degraded', ['peer-missing! peer=charlie']],
    ['the only one', [], [named('bravo')], 'degraded', ['peer-missing! peer=bravo']],
    ['a client', [BRAVO], [named('bravo'), named('c', '2', true)], 'degraded', ['peer-missing! peer=c']],
    ['the node id decides, not the name', [{ ...BRAVO, nodeId: '1' }], [named('b', '1')], 'synced', []],
    [
      'another node id under the same name',
      [{ ...BRAVO, nodeId: '2' }],
      [named('bravo', '1')],
      'degraded',
      ['peer-missing! peer=bravo'],
    ],
    [
      'one kernel peer is not two configured ones',
      [{ ...BRAVO, nodeId: '2' }],
      [named('bravo', '1'), named('charlie', '2')],
      'degraded',
      ['peer-missing! peer=bravo'],
    ],
    ['a source without node ids', [BRAVO], [named('bravo', '1')], 'synced', []],
    ['a peer without a name in the configuration is any other', [BRAVO], [nameless], 'synced', []],
    ['and is missing when no other is there', [BRAVO], [named('bravo'), nameless], 'degraded', ['peer-missing!']],
    ['only its node id is known', [], [{ ...nameless, nodeId: '7' }], 'degraded', ['peer-missing! peer=7']],
    ['none configured', [], [], 'synced', ['single-copy! field=configuration']],
    ['clients only', [CLIENT], [named('client', null, true)], 'synced', ['single-copy! field=configuration']],
    ['the kernel has less than is configured', [CLIENT], [named('client')], 'synced', ['single-copy!']],
  ]
  for (const [title, peers, configured, state, reasons] of rows) {
    const judged = judgeDrbdVolume({ ...WELL, peers }, { peers: configured, doubt: null })
    t.strictSame({ state: judged.state, reasons: judged.reasons.map(words) }, { state, reasons }, title)
  }
  const removed = judgeDrbdVolume(
    { ...WELL, peers: [], removedPeers: ['bravo'] },
    { peers: [named('bravo')], doubt: null },
  )
  t.strictSame(removed.reasons.map(words), ['peer-missing! peer=bravo'], 'its removal is not called one that passes')
  t.strictSame(removed.replicas, { expected: 2, current: 1 }, 'it counts as a replica that is not current')
  const accepted = judgeDrbdVolume({ ...WELL, peers: [], removedPeers: ['bravo'] }, { peers: [], doubt: null })
  t.strictSame(accepted.reasons.map(words), ['peer-removed peer=bravo'], 'until a look confirms it')
  const unclear = judgeDrbdVolume({ ...WELL, peers: [] }, { peers: [], doubt: 'resource r0: why' })
  t.equal(unclear.state, 'unknown')
  t.strictSame(unclear.reasons.map(words), ['single-copy!', 'peers-unclear! word=resource r0: why'])
  const old = judgeDrbdVolume({ ...WELL, family: '8.4', peers: [] }, { peers: [named('bravo')], doubt: null })
  t.match(old, { state: 'degraded', reasons: [{ code: 'stand-alone' }] }, 'DRBD 8.4 has its own reason')
  const oldPeer = judgeDrbdVolume(
    { ...WELL, family: '8.4', peers: [{ ...BRAVO, peer: 'peer' }] },
    { peers: [named('bravo')], doubt: null },
  )
  t.equal(oldPeer.state, 'synced', 'DRBD 8.4 calls each peer so')
})

table('no replica is current', [
  [
    'both are Outdated',
    { ...peer({ peerDisk: 'Outdated', outOfSyncBytes: 1024 }), disk: 'Outdated' },
    'degraded',
    ['no-current-replica! field=disk missing=2 candidates=self:Outdated:-,bravo:Outdated:1024'],
  ],
  [
    'seen by a client',
    { ...peer({ peerDisk: 'Outdated' }), disk: 'Diskless', intentionalClient: true },
    'degraded',
    ['no-current-replica! field=disk missing=1 candidates=bravo:Outdated:-', 'single-copy!'],
  ],
  [
    'one has failed, and the other is old',
    { ...peer({ peerDisk: 'Failed' }), disk: 'Inconsistent' },
    'degraded',
    ['no-current-replica! field=disk missing=2 candidates=self:Inconsistent:-,bravo:Failed:0'],
  ],
  [
    'a peer that is away may be current',
    { ...peer({ connection: 'Connecting', replication: 'Off', peerDisk: 'Outdated' }), disk: 'Outdated' },
    'degraded',
    ['disk-not-up-to-date field=disk word=Outdated', 'peer-not-connected peer=bravo field=connection word=Connecting'],
  ],
  [
    'a Consistent disk may be current',
    { ...peer({ peerDisk: 'Consistent' }), disk: 'Outdated' },
    'degraded',
    [
      'disk-not-up-to-date! field=disk word=Outdated',
      'peer-disk-not-up-to-date! peer=bravo field=peer-disk word=Consistent',
    ],
  ],
])
