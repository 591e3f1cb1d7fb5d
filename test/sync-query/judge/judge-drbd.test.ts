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

/** A reason as `code field=word …`; `!` marks a reason that an operator clears. */
function words({ code, clearedBy, mirror, ...details }: Reason): string {
  const parts = Object.entries(details).map(
    ([key, value]) => `${key}=${Array.isArray(value) ? value.map(choice) : value}`,
  )
  return [clearedBy === 'operator' ? `${code}!` : code, ...parts, ...(mirror === WELL.mirror ? [] : [mirror])].join(' ')
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

t.test('the amount out of sync of an 8.4 volume without a peer is what has changed since the disconnect', t => {
  const alone = { ...WELL, family: '8.4' as const, peers: [], aloneOutOfSyncBytes: 4096 }
  t.equal(judgeDrbdVolume(alone).outOfSyncBytes, 4096)
  t.end()
})

t.test('a volume without any reason is synced and has all figures', t => {
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

table('volumes that are synced', [
  ['three replicas', { peers: [BRAVO, CHARLIE] }, 'synced'],
  ['an intentional client among the peers', { peers: [BRAVO, CLIENT] }, 'synced'],
  ['a client with replication Off', { peers: [BRAVO, { ...CLIENT, replication: 'Off' }] }, 'synced'],
  ['this host is the client', { disk: 'Diskless', intentionalClient: true, peers: [BRAVO, CHARLIE] }, 'synced'],
  [
    'this host is the client of a single copy',
    { disk: 'Diskless', intentionalClient: true },
    'synced',
    ['single-copy!'],
  ],
  [
    'a pause that remains without a resync (9.2.18: resume-sync stops half-way)',
    peer({ resyncSuspended: ['user'] }),
    'synced',
    ['pause-left-set! peer=bravo'],
  ],
  ['out-of-sync and suspension are missing', peer({ outOfSyncBytes: null, resyncSuspended: null }), 'synced'],
  ['the source of a verify', peer({ replication: 'VerifyS' }), 'synced'],
  ['the target of a verify', peer({ replication: 'VerifyT' }), 'synced'],
  ['drift (LINBIT/drbd#30)', peer({ outOfSyncBytes: 12288 }), 'synced', ['drift! peer=bravo outOfSyncBytes=12288']],
  [
    'the findings of a running verify',
    peer({ replication: 'VerifyS', outOfSyncBytes: 4096 }),
    'synced',
    ['drift! peer=bravo outOfSyncBytes=4096'],
  ],
  ['a single copy on 9', { peers: [] }, 'synced', ['single-copy!']],
  ['a single copy with a client', { peers: [CLIENT] }, 'synced', ['single-copy!']],
  ['a single copy with two clients', { peers: [CLIENT, { ...CLIENT, peer: 'delta' }] }, 'synced', ['single-copy!']],
  [
    'the peer of two copies has lost its disk',
    peer({ peerDisk: 'Diskless' }),
    'degraded',
    ['peer-disk-not-up-to-date! peer=bravo field=peer-disk word=Diskless'],
  ],
  ['no quorum', { quorum: false }, 'synced', ['quorum-lost! field=quorum word=no']],
])

table('volumes with a missing or unknown state word are unknown', [
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
    'a doubt with details',
    { doubts: [{ code: 'unknown-word', field: 'k', word: 'SyncSource', peer: 'bravo' }] },
    'unknown',
    ['unknown-word! field=k word=SyncSource peer=bravo'],
  ],
  [
    'a doubt while a resync runs gives both reasons',
    { ...peer({ replication: 'SyncSource', outOfSyncBytes: null }), doubts: [{ code: 'events-lost' }] },
    'unknown',
    ['events-lost', 'resync-running peer=bravo side=source field=replication word=SyncSource'],
  ],
])

table('a connection that is down needs no other state words', [
  [
    'drbdsetup status omits them',
    peer({ connection: 'Connecting', replication: null, peerDisk: null }),
    'degraded',
    ['peer-not-connected peer=bravo field=connection word=Connecting'],
  ],
])

table('a resync', [
  [
    'this host is the source: the resync explains the disk of the peer',
    peer({ replication: 'SyncSource', peerDisk: 'Inconsistent', progress: 0.25, outOfSyncBytes: 96 }),
    'resyncing',
    ['resync-running peer=bravo side=source progress=0.25 outOfSyncBytes=96 field=replication word=SyncSource'],
  ],
  [
    'the kernel reports 100 % and the resync still runs',
    peer({ replication: 'SyncSource', peerDisk: 'Inconsistent', progress: 1 }),
    'resyncing',
    ['resync-running peer=bravo side=source progress=0.999 outOfSyncBytes=0 field=replication word=SyncSource'],
  ],
  [
    'this host is the target: the resync explains the local disk',
    { ...peer({ replication: 'SyncTarget' }), disk: 'Inconsistent' },
    'resyncing',
    ['resync-running peer=bravo side=target outOfSyncBytes=0 field=replication word=SyncTarget'],
  ],
  [
    'the resync does not explain a failed disk',
    { ...peer({ replication: 'SyncTarget' }), disk: 'Failed' },
    'resyncing',
    [
      'disk-not-up-to-date! field=disk word=Failed',
      'resync-running peer=bravo side=target outOfSyncBytes=0 field=replication word=SyncTarget',
    ],
  ],
  [
    'a target needs a source that is up to date',
    { ...peer({ replication: 'SyncTarget', peerDisk: 'Outdated' }), disk: 'Inconsistent' },
    'resyncing',
    [
      'no-current-replica! field=disk missing=2 candidates=self:Inconsistent:-,bravo:Outdated:0',
      'resync-running peer=bravo side=target outOfSyncBytes=0 field=replication word=SyncTarget',
    ],
  ],
  [
    'another peer is disconnected: both reasons are given',
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
    'paused, and the cause is missing',
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
      `${word} is about to copy`,
      peer({ replication: word, peerDisk: 'Consistent' }),
      'resyncing',
      [`resync-starting peer=bravo field=replication word=${word} side=source`],
    ],
  ),
  ...(['StartingSyncT', 'WFSyncUUID'] as const).map(
    (word): Row => [
      `${word} is about to copy`,
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
      `${word} reconnects by itself`,
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
    'the side of a split brain that shows only NetworkFailure',
    { peers: [{ ...AWAY, connection: 'NetworkFailure' }], splitBrainPeers: ['bravo'] },
    'degraded',
    ['split-brain! peer=bravo field=connection word=NetworkFailure'],
  ],
  ['a resolved split brain', { splitBrainPeers: ['bravo'] }, 'synced'],
])

table('peers that the kernel does not have', [
  [
    'on 8.4 a volume without a peer is StandAlone',
    { family: '8.4', peers: [] },
    'degraded',
    ['stand-alone! field=connection'],
  ],
  [
    'on 8.4 the reason has the amount that changed since',
    { family: '8.4', peers: [], aloneOutOfSyncBytes: 4096 },
    'degraded',
    ['stand-alone! field=connection outOfSyncBytes=4096'],
  ],
  [
    'on 8.4 a split brain has that amount as well',
    { family: '8.4', peers: [], splitBrainPeers: ['peer'], aloneOutOfSyncBytes: 4096 },
    'degraded',
    ['split-brain! peer=peer outOfSyncBytes=4096'],
  ],
  ['an unknown family is judged as 8.4', { family: null, peers: [] }, 'degraded', ['stand-alone! field=connection']],
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
    'a client without peers has no replica',
    { disk: 'Diskless', intentionalClient: true, peers: [] },
    'degraded',
    ['disk-not-up-to-date! field=disk word=Diskless missing=1'],
  ],
  [
    'a client with only clients as peers has no replica',
    { disk: 'Diskless', intentionalClient: true, peers: [CLIENT] },
    'degraded',
    ['disk-not-up-to-date! field=disk word=Diskless missing=1'],
  ],
])

table('disks that are not up to date', [
  ['Diskless', { disk: 'Diskless' }, 'degraded', ['disk-not-up-to-date! field=disk word=Diskless']],
  [
    'Diskless, and whether this is intentional is unknown',
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
    'Outdated while the peer is disconnected: its return repairs the disk',
    { disk: 'Outdated', peers: [AWAY] },
    'degraded',
    ['disk-not-up-to-date field=disk word=Outdated', 'peer-not-connected peer=bravo field=connection word=Connecting'],
  ],
  [
    'a peer that is Diskless without being a client',
    peer({ peerDisk: 'Diskless' }),
    'degraded',
    ['peer-disk-not-up-to-date! peer=bravo field=peer-disk word=Diskless'],
  ],
  [
    'a client with the disk state Failed',
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
    'a third host observes the resync of two others (9.2.18)',
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
    'connected, and the handshake has not reported the disk yet',
    peer({ replication: 'Off', peerDisk: 'DUnknown' }),
    'degraded',
    [
      'replication-off peer=bravo field=replication word=Off',
      'peer-disk-not-up-to-date peer=bravo field=peer-disk word=DUnknown',
    ],
  ],
  [
    'connected and up to date, and replication is Off',
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
    'a source sends to each of its targets: the progress is the mean of the kernel’s figures, weighted by total bytes',
    [SOURCE, { ...SOURCE, peer: 'charlie', progress: 0.75, totalBytes: 1200, outOfSyncBytes: 500, etaSeconds: 45 }],
    { progress: 0.625, doneBytes: 800, totalBytes: 1600, etaSeconds: 45, outOfSyncBytes: 800 },
  ],
  [
    'one of two targets has no total: the progress is the smaller one',
    [SOURCE, { ...SOURCE, peer: 'charlie', totalBytes: null, progress: 0.125 }],
    { progress: 0.125, doneBytes: null, totalBytes: null, outOfSyncBytes: 600 },
  ],
  [
    'a block that one source has sent is in sync with all: the largest amount counts',
    [TARGET, { ...PAUSED_TARGET, peer: 'charlie' }],
    { moving: true, progress: 0.1, doneBytes: 40, totalBytes: 400, etaSeconds: 30, outOfSyncBytes: 360 },
  ],
  ['a paused resync has no estimate', [PAUSED_TARGET], { moving: false, etaSeconds: null, progress: 0.1 }],
  [
    'a source without figures (events2 of 8.4)',
    [{ ...SOURCE, totalBytes: null, progress: null, outOfSyncBytes: null }],
    { progress: null, doneBytes: null, totalBytes: null, outOfSyncBytes: null },
  ],
  [
    'a target without figures',
    [{ ...TARGET, totalBytes: null, progress: null, outOfSyncBytes: null, etaSeconds: null }],
    { progress: null, outOfSyncBytes: null, etaSeconds: null },
  ],
  ['only a percentage', [{ ...SOURCE, totalBytes: null }], { progress: 0.25, doneBytes: null, totalBytes: null }],
  ['only sizes', [{ ...SOURCE, progress: null }], { progress: 0.25, doneBytes: 100, totalBytes: 400 }],
  ['only sizes of a target', [{ ...TARGET, progress: null }], { progress: 0.25, doneBytes: 100, totalBytes: 400 }],
  [
    'a total and a percentage, and no amount out of sync',
    [{ ...TARGET, outOfSyncBytes: null }],
    { progress: 0.25, doneBytes: null, totalBytes: 400, outOfSyncBytes: null },
  ],
  [
    'nothing to copy',
    [{ ...SOURCE, totalBytes: 0, outOfSyncBytes: 0, progress: null }],
    { progress: null, doneBytes: null, totalBytes: null },
  ],
  [
    'the amount grew beyond its total',
    [{ ...SOURCE, progress: null, outOfSyncBytes: 500 }],
    { progress: 0, doneBytes: 0, outOfSyncBytes: 500 },
  ],
  [
    'everything is copied and the resync still runs',
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
    'a verify on 8.4',
    [{ ...VERIFY, progress: null }],
    { activity: 'verify', progress: null, doneBytes: null, totalBytes: null },
  ],
  [
    'a resync while another peer is verified',
    [SOURCE, { ...VERIFY, peer: 'charlie' }],
    { activity: 'resync', progress: 0.25, totalBytes: 400 },
  ],
  [
    'a handshake has no progress',
    [{ replication: 'WFBitMapS', outOfSyncBytes: 4096 }],
    { activity: 'resync', moving: false, progress: null, outOfSyncBytes: 4096 },
  ],
  [
    'nothing runs: the sum of the amounts of all peers',
    [{ outOfSyncBytes: 10 }, { peer: 'charlie', outOfSyncBytes: 20 }],
    { activity: 'none', outOfSyncBytes: 30 },
  ],
  [
    'a client has no amount out of sync',
    [{ outOfSyncBytes: 10 }, { ...CLIENT, outOfSyncBytes: 20 }],
    { outOfSyncBytes: 10 },
  ],
  ['no peer has an amount out of sync', [], { outOfSyncBytes: null }],
]

t.test('figures', t => {
  for (const [title, peers, expected] of FIGURES) {
    const judged = judgeDrbdVolume({ ...WELL, peers: peers.map(each => ({ ...BRAVO, ...each })) })
    t.match(judged, expected, title)
  }
  t.end()
})

t.test('`replicas` counts the replicas with data and those of them that this host observes as current', t => {
  const count = (change: Partial<DrbdVolume>) => judgeDrbdVolume({ ...WELL, ...change }).replicas
  t.strictSame(count({ peers: [BRAVO, CHARLIE] }), { expected: 3, current: 3 }, 'all')
  t.strictSame(count({ peers: [BRAVO, CLIENT] }), { expected: 2, current: 2 }, 'a client has no replica')
  t.strictSame(
    count({ disk: 'Diskless', intentionalClient: true }),
    { expected: 1, current: 1 },
    'this host has no replica',
  )
  t.strictSame(
    count({ peers: [{ ...BRAVO, connection: 'Connecting' }] }),
    { expected: 2, current: 1 },
    'the peer is not connected',
  )
  t.strictSame(count(peer({ peerDisk: 'Inconsistent' })), { expected: 2, current: 1 }, 'the peer is not current')
  t.strictSame(count({ disk: 'Outdated' }), { expected: 2, current: 1 }, 'the local replica is not current')
  t.strictSame(
    count({ family: '8.4', peers: [] }),
    { expected: 2, current: 1 },
    '8.4 does not show a peer after its disconnect',
  )
  t.strictSame(count({ peers: [] }), { expected: 1, current: 1 }, 'a single copy')
  t.end()
})

t.test(
  '`placement` lists each replica and vote, whether it is current, and whether this host is connected to it',
  t => {
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
    t.equal(votes({ family: '8.4' }), 'any self+ bravo+', '8.4 has no quorum')
    t.equal(votes({ family: '8.4', peers: [] }), 'any self+ peer-!', '8.4 does not show a peer after its disconnect')
    t.equal(votes({ family: null, peers: [] }), 'majority self+ peer-!', 'an unknown family needs a majority')
    t.end()
  },
)

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

t.test('property: only a volume that meets every condition is synced, and its figures are within their bounds', t => {
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
      const hasReplica = volume.disk === 'UpToDate' || volume.peers.some(each => each.intentionalClient !== true)
      return (
        (state === 'synced') === (isWell && hasReplica) &&
        (progress === null || (progress >= 0 && progress <= 0.999)) &&
        (doneBytes === null || (totalBytes !== null && doneBytes <= totalBytes))
      )
    }),
    { numRuns: 3000 },
  )
  t.end()
})

t.test('a diskless peer without a vote is listed without a vote (`tiebreaker no`, DRBD 9.3.1)', async t => {
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

t.test('configured peers that the kernel lacks are missing', async t => {
  const named = (name: string, nodeId: string | null = null, diskless = false) => ({ nodeId, names: [name], diskless })
  const nameless = { nodeId: null, names: [], diskless: false }
  const rows: [
    title: string,
    peers: readonly DrbdPeer[],
    configured: readonly ConfiguredPeer[],
    state: string,
    reasons: readonly string[],
  ][] = [
    ['the kernel has all peers', [BRAVO], [named('bravo')], 'synced', []],
    ['the kernel has one more peer than configured', [BRAVO, CHARLIE], [named('bravo')], 'synced', []],
    ['one of two is missing', [BRAVO], [named('bravo'), named('charlie')], 'degraded', ['peer-missing! peer=charlie']],
    ['the only peer is missing', [], [named('bravo')], 'degraded', ['peer-missing! peer=bravo']],
    ['a client is missing', [BRAVO], [named('bravo'), named('c', '2', true)], 'degraded', ['peer-missing! peer=c']],
    ['the node id decides, not the name', [{ ...BRAVO, nodeId: '1' }], [named('b', '1')], 'synced', []],
    [
      'another node id under the same name',
      [{ ...BRAVO, nodeId: '2' }],
      [named('bravo', '1')],
      'degraded',
      ['peer-missing! peer=bravo'],
    ],
    [
      'one kernel peer matches only one configured peer',
      [{ ...BRAVO, nodeId: '2' }],
      [named('bravo', '1'), named('charlie', '2')],
      'degraded',
      ['peer-missing! peer=bravo'],
    ],
    ['a source without node ids', [BRAVO], [named('bravo', '1')], 'synced', []],
    ['a configured peer without a name matches any other peer', [BRAVO], [nameless], 'synced', []],
    [
      'a configured peer without a name is missing when no other peer exists',
      [BRAVO],
      [named('bravo'), nameless],
      'degraded',
      ['peer-missing!'],
    ],
    ['only its node id is known', [], [{ ...nameless, nodeId: '7' }], 'degraded', ['peer-missing! peer=7']],
    ['no configured peer', [], [], 'synced', ['single-copy! field=configuration']],
    [
      'only clients are configured',
      [CLIENT],
      [named('client', null, true)],
      'synced',
      ['single-copy! field=configuration'],
    ],
    ['a configured replica is a client in the kernel', [CLIENT], [named('client')], 'synced', ['single-copy!']],
  ]
  for (const [title, peers, configured, state, reasons] of rows) {
    const judged = judgeDrbdVolume({ ...WELL, peers }, { peers: configured, doubt: null })
    t.strictSame({ state: judged.state, reasons: judged.reasons.map(words) }, { state, reasons }, title)
  }
  const removed = judgeDrbdVolume(
    { ...WELL, peers: [], removedPeers: ['bravo'] },
    { peers: [named('bravo')], doubt: null },
  )
  t.strictSame(
    removed.reasons.map(words),
    ['peer-missing! peer=bravo'],
    'a configured peer that was removed is missing, not removed',
  )
  t.strictSame(
    removed.replicas,
    { expected: 2, current: 1 },
    'the missing peer counts as a replica that is not current',
  )
  const accepted = judgeDrbdVolume({ ...WELL, peers: [], removedPeers: ['bravo'] }, { peers: [], doubt: null })
  t.strictSame(
    accepted.reasons.map(words),
    ['peer-removed peer=bravo'],
    'the removal is a reason until a reading confirms it',
  )
  const unclear = judgeDrbdVolume({ ...WELL, peers: [] }, { peers: [], doubt: 'resource r0: why' })
  t.equal(unclear.state, 'unknown')
  t.strictSame(unclear.reasons.map(words), ['single-copy!', 'peers-unclear! word=resource r0: why'])
  const drbd84 = judgeDrbdVolume({ ...WELL, family: '8.4', peers: [] }, { peers: [named('bravo')], doubt: null })
  t.match(drbd84, { state: 'degraded', reasons: [{ code: 'stand-alone' }] }, 'DRBD 8.4 has its own reason')
  const drbd84Peer = judgeDrbdVolume(
    { ...WELL, family: '8.4', peers: [{ ...BRAVO, peer: 'peer' }] },
    { peers: [named('bravo')], doubt: null },
  )
  t.equal(drbd84Peer.state, 'synced', 'on DRBD 8.4 every peer is named `peer`')
})

table('no replica is current', [
  [
    'both are Outdated',
    { ...peer({ peerDisk: 'Outdated', outOfSyncBytes: 1024 }), disk: 'Outdated' },
    'degraded',
    ['no-current-replica! field=disk missing=2 candidates=self:Outdated:-,bravo:Outdated:1024'],
  ],
  [
    'as observed by a client',
    { ...peer({ peerDisk: 'Outdated' }), disk: 'Diskless', intentionalClient: true },
    'degraded',
    ['no-current-replica! field=disk missing=1 candidates=bravo:Outdated:-', 'single-copy!'],
  ],
  [
    'one has failed, and the other is Inconsistent',
    { ...peer({ peerDisk: 'Failed' }), disk: 'Inconsistent' },
    'degraded',
    ['no-current-replica! field=disk missing=2 candidates=self:Inconsistent:-,bravo:Failed:0'],
  ],
  [
    'a disconnected peer may be current',
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
