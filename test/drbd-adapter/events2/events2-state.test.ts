import t from 'tap'
import type { Events2Line } from '../../../src/drbd-adapter/events2/events2-line.ts'
import { Events2Reader } from '../../../src/drbd-adapter/events2/events2-reader.ts'
import { Events2State } from '../../../src/drbd-adapter/events2/events2-state.ts'
import { readStream, verdicts } from '../captures.ts'

const R0 = `exists resource name:r0 role:Primary suspended:no may_promote:no promotion_score:10101
exists connection name:r0 peer-node-id:1 conn-name:bravo connection:Connected role:Secondary congested:no ap-in-flight:18446744073709551608
exists device name:r0 volume:0 minor:0 backing_dev:/dev/vda disk:UpToDate client:no quorum:yes size:98264 blocked:no
exists peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no out-of-sync:0
`
const R1 = R0.replaceAll('name:r0', 'name:r1').replace('minor:0', 'minor:1')
const DUMP = `${R0}${R1}exists -\n`

const R0_OF_8 = `exists resource name:r0 role:Primary suspended:no write-ordering:flush
exists connection name:r0 peer-node-id:0 conn-name:peer connection:Connected role:Secondary congested:no
exists device name:r0 volume:0 minor:0 disk:UpToDate size:98264
exists peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Established peer-disk:UpToDate resync-suspended:no
exists -
`

function after(...streams: string[]): Events2State {
  const state = new Events2State()
  for (const stream of streams) readStream([stream], line => state.apply(line))
  return state
}

function verdictsAfter(...streams: string[]): Record<string, string> {
  return verdicts({ volumes: after(...streams).volumes() })
}

type Row = readonly [title: string, streams: readonly string[], expected: Record<string, string>]

const ROWS: readonly Row[] = [
  ['a complete dump', [DUMP], { 'r0/0': 'synced', 'r1/0': 'synced' }],
  ['a dump without its end', [R0, R1], { 'r0/0': 'unknown dump-incomplete', 'r1/0': 'unknown dump-incomplete' }],
  ['a dump whose last line has no newline', [R0, R1, 'exists -'], { 'r0/0': 'synced', 'r1/0': 'synced' }],
  [
    'a new dump doubts the known mirrors until it ends',
    [DUMP, R0],
    { 'r0/0': 'unknown dump-incomplete', 'r1/0': 'unknown dump-incomplete' },
  ],
  ['a new dump removes what it omits', [DUMP, R0, 'exists -\n'], { 'r0/0': 'synced' }],
  ['an empty dump: the module was loaded again', [DUMP, 'exists -\n'], {}],
  [
    'a change has only what changed',
    [DUMP, 'change resource name:r0 role:Secondary\nchange connection name:r0 peer-node-id:1 conn-name:bravo\n'],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
  [
    'a resync',
    [
      DUMP,
      'change peer-device name:r0 peer-node-id:1 volume:0 replication:SyncSource peer-disk:Inconsistent done:0.00 out-of-sync:4 eta:nan\n',
    ],
    { 'r0/0': 'resyncing resync-running@bravo=SyncSource', 'r1/0': 'synced' },
  ],
  [
    'a lost connection degrades every volume of its resource',
    [DUMP, 'change connection name:r0 peer-node-id:1 conn-name:bravo connection:NetworkFailure\n'],
    { 'r0/0': 'degraded peer-not-connected@bravo=NetworkFailure', 'r1/0': 'synced' },
  ],
  [
    'a peer removed on 9, with its peer-devices',
    [DUMP, 'destroy connection name:r0 peer-node-id:1 conn-name:bravo\n'],
    { 'r0/0': 'degraded peer-removed@bravo', 'r1/0': 'synced' },
  ],
  [
    'a removed diskless client is not missing, with or without a line for its peer-device; a removed peer with a disk is',
    [
      DUMP,
      ...[true, false].flatMap(hasLine => [
        'create connection name:r0 peer-node-id:2 conn-name:charlie connection:Connected\n',
        'create peer-device name:r0 peer-node-id:2 volume:0 replication:Established peer-disk:Diskless peer-client:yes\n',
        hasLine ? 'destroy peer-device name:r0 peer-node-id:2 volume:0\n' : '',
        'destroy connection name:r0 peer-node-id:2 conn-name:charlie\n',
      ]),
      'create connection name:r1 peer-node-id:2 conn-name:charlie connection:Connected\n',
      'create peer-device name:r1 peer-node-id:2 volume:0 replication:Established peer-disk:UpToDate peer-client:no\n',
      'destroy peer-device name:r1 peer-node-id:2 volume:0\ndestroy connection name:r1 peer-node-id:2\n',
    ],
    { 'r0/0': 'synced', 'r1/0': 'degraded peer-removed@charlie' },
  ],
  [
    'the next dump omits it too: a single copy by configuration',
    [
      DUMP,
      'destroy connection name:r0 peer-node-id:1 conn-name:bravo\n',
      R0.split('\n')
        .filter(line => !line.includes('bravo'))
        .join('\n'),
      'exists -\n',
    ],
    { 'r0/0': 'synced single-copy' },
  ],
  [
    'a peer that was removed and came back',
    [
      DUMP,
      'destroy connection name:r0 peer-node-id:1 conn-name:bravo\n',
      R0.replaceAll('exists', 'create').split('\n').slice(1).join('\n'),
    ],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
  [
    'StandAlone on 8.4',
    [
      R0_OF_8,
      'destroy peer-device name:r0 peer-node-id:0 conn-name:peer volume:0\ndestroy connection name:r0 peer-node-id:0 conn-name:peer\n',
    ],
    { 'r0/0': 'degraded stand-alone' },
  ],
  [
    'a split brain on 8.4 outlives the connection',
    [
      R0_OF_8,
      'call helper name:r0 peer-node-id:0 conn-name:peer volume:0 minor:0 helper:split-brain\n',
      'destroy connection name:r0 peer-node-id:0 conn-name:peer\n',
    ],
    { 'r0/0': 'degraded split-brain@peer' },
  ],
  [
    'a split brain ends with a successful handshake',
    [
      R0_OF_8,
      'call helper name:r0 peer-node-id:0 conn-name:peer volume:0 minor:0 helper:initial-split-brain\n',
      'change peer-device name:r0 peer-node-id:0 conn-name:peer volume:0 replication:Established\n',
      'change connection name:r0 peer-node-id:0 conn-name:peer connection:NetworkFailure\n',
    ],
    { 'r0/0': 'degraded peer-not-connected@peer=NetworkFailure' },
  ],
  [
    'a split brain ends when the connection is up again',
    [
      R0_OF_8,
      'call helper name:r0 peer-node-id:0 conn-name:peer helper:split-brain\n',
      'change connection name:r0 peer-node-id:0 conn-name:peer connection:Connected\n',
      'change connection name:r0 peer-node-id:0 conn-name:peer connection:StandAlone\n',
    ],
    { 'r0/0': 'degraded stand-alone@peer=StandAlone' },
  ],
  [
    'newer drbdsetup prints the split brain',
    [DUMP, 'change connection name:r0 peer-node-id:1 conn-name:bravo connection:StandAlone sync-state:SplitBrain\n'],
    { 'r0/0': 'degraded split-brain@bravo=StandAlone', 'r1/0': 'synced' },
  ],
  [
    'other helpers, responses, helpers of unknown resources and without a peer',
    [
      DUMP,
      'call helper name:r0 peer-node-id:1 conn-name:bravo volume:0 minor:0 helper:before-resync-source\n',
      'response helper name:r0 peer-node-id:1 conn-name:bravo volume:0 minor:0 helper:split-brain status:0\n',
      'call helper name:r9 peer-node-id:1 helper:split-brain\ncall helper name:r0 minor:0 helper:split-brain\n',
      'change connection name:r0 peer-node-id:1 conn-name:bravo connection:StandAlone\n',
    ],
    { 'r0/0': 'degraded stand-alone@bravo=StandAlone', 'r1/0': 'synced' },
  ],
  ['a volume removed', [DUMP, 'destroy device name:r0 volume:0\n'], { 'r1/0': 'synced' }],
  ['a resource removed', [DUMP, 'destroy resource name:r0\n'], { 'r1/0': 'synced' }],
  [
    'a resource renamed',
    [DUMP, 'rename resource name:r0 new_name:r9\nchange device name:r9 volume:0 minor:0 disk:Failed\n'],
    { 'r1/0': 'synced', 'r9/0': 'degraded disk-not-up-to-date=Failed' },
  ],
  [
    'an added volume of which only the first line has come',
    [DUMP, 'create device name:r0 volume:1 minor:9 disk:UpToDate client:no quorum:yes\n'],
    { 'r0/0': 'synced', 'r0/1': 'unknown word-missing@bravo word-missing@bravo', 'r1/0': 'synced' },
  ],
  [
    'a resource without its device',
    [R0.replace(/exists device.*\n/, ''), 'exists -\n'],
    { 'r0/0': 'unknown word-missing' },
  ],
  [
    'a device without its peer-device',
    [R0.replace(/exists peer-device.*\n/, ''), 'exists -\n'],
    { 'r0/0': 'unknown word-missing@bravo word-missing@bravo' },
  ],
  [
    'a peer-device without its connection',
    [R0.replace(/exists connection.*\n/, ''), 'exists -\n'],
    { 'r0/0': 'unknown word-missing@bravo' },
  ],
  [
    'a path to a peer without its connection',
    [
      R0,
      'exists path name:r0 peer-node-id:2 conn-name:charlie local:ipv4:1 peer:ipv4:2 established:no\n',
      'exists -\n',
    ],
    { 'r0/0': 'unknown word-missing@charlie' },
  ],
  [
    'paths of known peers are created and destroyed',
    [
      DUMP,
      'create path name:r0 peer-node-id:1 conn-name:bravo local:ipv4:1 peer:ipv4:2 established:no\n',
      'change path name:r0 peer-node-id:1 conn-name:bravo local:ipv4:1 peer:ipv4:2 established:yes\n',
      'destroy path name:r0 peer-node-id:1 conn-name:bravo local:ipv4:1 peer:ipv4:2\n',
    ],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
  [
    'the last line has no newline and names a resource',
    [DUMP, 'change peer-device name:r0 peer-node-id:1 conn-n'],
    { 'r0/0': 'unknown events-lost', 'r1/0': 'synced' },
  ],
  [
    'the last line has no newline and may name any resource',
    [DUMP, 'change peer-device name:r'],
    { 'r0/0': 'unknown events-lost', 'r1/0': 'unknown events-lost' },
  ],
  ['a new dump ends the doubt', [DUMP, 'change peer-device name:r', DUMP], { 'r0/0': 'synced', 'r1/0': 'synced' }],
  [
    'the doubt about a damaged line in a dump outlives the dump',
    [R0, 'exists devi\n', R1, 'exists -\n'],
    { 'r0/0': 'unknown events-lost', 'r1/0': 'unknown events-lost' },
  ],
  [
    'a change that overtakes its dump and agrees with it',
    ['change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:Established\n', DUMP],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
  [
    'a change that its dump contradicts is doubted: the resync may have begun before or after the dump',
    ['change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:SyncSource\n', DUMP],
    { 'r0/0': 'unknown contradiction@bravo=SyncSource', 'r1/0': 'synced' },
  ],
  [
    'until a later line has that word again',
    [
      'change device name:r0 volume:0 minor:0 disk:Inconsistent\nchange connection name:r1 peer-node-id:1 connection:Connecting\n',
      DUMP,
      'change device name:r0 volume:0 minor:0 disk:UpToDate\nchange connection name:r1 peer-node-id:1 role:Primary\n',
    ],
    { 'r0/0': 'synced', 'r1/0': 'unknown contradiction@bravo=Connecting' },
  ],
  [
    'a change of an object that the dump does not announce doubts its resource',
    ['change device name:r0 volume:7 minor:7 disk:UpToDate\n', DUMP],
    { 'r0/0': 'unknown events-lost', 'r1/0': 'synced' },
  ],
  ...(
    [
      ['a connection', 'destroy connection name:r0 peer-node-id:1 conn-name:bravo'],
      ['a peer-device', 'destroy peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0'],
      ['a device', 'destroy device name:r0 volume:0'],
      ['a resource', 'destroy resource name:r0'],
      ['a resource that is renamed', 'rename resource name:r0 new_name:r9'],
    ] as const
  ).map(
    ([what, line]): Row => [
      `the destroy of ${what} overtakes a dump that still announces it`,
      [`${line}\n`, DUMP],
      { 'r0/0': 'unknown events-lost', 'r1/0': 'synced' },
    ],
  ),
  [
    'destroyed objects that the dump omits, and a rename that it includes',
    [
      'destroy resource name:r9\ndestroy device name:r0 volume:9\ndestroy connection name:r0 peer-node-id:9\n',
      'destroy path name:r0 peer-node-id:1 conn-name:bravo\nrename resource name:r8 new_name:r0\n',
      DUMP,
    ],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
  [
    'a rename of which the dump has neither name',
    ['rename resource name:r8 new_name:r9\n', DUMP],
    { 'r0/0': 'unknown events-lost', 'r1/0': 'unknown events-lost' },
  ],
  [
    'objects that were created and changed before a dump with their first state',
    [
      'create resource name:r0\ncreate connection name:r0 peer-node-id:1 conn-name:bravo connection:Connected\n',
      'create device name:r0 volume:0 minor:0 disk:Diskless\nchange device name:r0 volume:0 minor:0 disk:Failed\n',
      DUMP,
    ],
    { 'r0/0': 'unknown contradiction=Failed', 'r1/0': 'synced' },
  ],
  [
    'a change within a dump of an object that it never announces doubts all',
    [R0, 'change device name:r9 volume:0 disk:UpToDate\n', 'exists -\n'],
    { 'r0/0': 'unknown events-lost' },
  ],
  [
    'a resource that lost a line stays doubted under another name',
    [
      R0.replace('exists device', 'change device name:r0 volume:7 disk:UpToDate\nexists device'),
      R1,
      'exists -\nrename resource name:r0 new_name:r9\n',
    ],
    { 'r1/0': 'synced', 'r9/0': 'unknown events-lost' },
  ],
  [
    'done without a resync: the line that began it was lost',
    [DUMP, 'change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 done:12.50 out-of-sync:4\n'],
    { 'r0/0': 'unknown contradiction@bravo drift@bravo', 'r1/0': 'synced' },
  ],
  [
    'until the next replication word',
    [
      DUMP,
      'change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 done:12.50\n',
      'change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:VerifyS done:0.00\n',
    ],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
  [
    'an unknown word',
    [DUMP, 'change device name:r0 volume:0 minor:0 disk:Encrypted\n'],
    { 'r0/0': 'unknown unknown-word=Encrypted', 'r1/0': 'synced' },
  ],
  [
    'an unknown key',
    [DUMP, 'change device name:r0 volume:0 minor:0 encrypted:yes\n'],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
  [
    'an unknown key with a state word: of a device',
    [DUMP, 'change device name:r0 volume:0 minor:0 disk2:Outdated\n'],
    { 'r0/0': 'unknown unknown-word=Outdated', 'r1/0': 'synced' },
  ],
  [
    'of a connection',
    [DUMP, 'change connection name:r0 peer-node-id:1 conn-name:bravo rdma:NetworkFailure\n'],
    { 'r0/0': 'unknown unknown-word@bravo=NetworkFailure', 'r1/0': 'synced' },
  ],
  [
    'of a peer-device',
    [DUMP, 'change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replay:SyncSource\n'],
    { 'r0/0': 'unknown unknown-word@bravo=SyncSource', 'r1/0': 'synced' },
  ],
  [
    'until the object is announced again',
    [DUMP, 'change device name:r0 volume:0 minor:0 disk2:Outdated\n', DUMP],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
  ['an unknown object', [DUMP, 'change cache name:r0 size2:12\n'], { 'r0/0': 'synced', 'r1/0': 'synced' }],
  [
    'an unknown object with a deciding key',
    [DUMP, 'change cache name:r0 replication:SyncSource\n'],
    { 'r0/0': 'unknown events-lost', 'r1/0': 'synced' },
  ],
  [
    'an unknown object with a state word',
    [DUMP, 'change cache name:r0 dirty:Inconsistent\n'],
    { 'r0/0': 'unknown events-lost', 'r1/0': 'synced' },
  ],
  [
    'destroyed objects that were never known',
    [
      DUMP,
      'destroy resource name:r9\ndestroy device name:r9 volume:0\ndestroy device name:r0 volume:9\n',
      'destroy connection name:r0 peer-node-id:9\ndestroy peer-device name:r0 peer-node-id:9 volume:0\n',
    ],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
  [
    'a path is destroyed after its connection',
    [DUMP, 'destroy path name:r0 peer-node-id:9 conn-name:zulu\n'],
    { 'r0/0': 'synced', 'r1/0': 'synced' },
  ],
]

t.test('the state after a stream', t => {
  for (const [title, streams, expected] of ROWS) t.strictSame(verdictsAfter(...streams), expected, title)
  t.end()
})

t.test('a line that cannot be applied doubts only the resource that it names', t => {
  const lines = [
    'change device name:r0 disk:UpToDate',
    'change device name:r0 volume: disk:UpToDate',
    'change device name:r0 volume:zero disk:UpToDate',
    'change device name:r0 volume:0 disk',
    'change device name:r0 volume:0 :UpToDate',
    'change device name:r0 volume:9 disk:UpToDate',
    'change device name:r0 volume:0 minor:7 disk:UpToDate',
    'chXnge device name:r0 volume:0 disk:UpToDate',
    'update device name:r0 volume:0 disk:UpToDate',
    'change connection name:r0 conn-name:bravo connection:Connected',
    'change connection name:r0 peer-node-id:7 connection:Connected',
    'change connection name:r0 peer-node-id:1 conn-name:charlie connection:Connected',
    'change peer-device name:r0 peer-node-id:1 volume:7 replication:Established',
    'change peer-device name:r0 peer-node-id:7 volume:0 replication:Established',
    'create peer-device name:r0 peer-node-id:1 conn-name:charlie volume:0 replication:Established',
    'create path name:r0 peer-node-id:1 conn-name:charlie',
    'rename device name:r0 volume:0 new_name:r2',
    'call device name:r0 volume:0',
    'change helper name:r0 helper:split-brain',
    '2026-11-22T16:08:35.840293 change device name:r0 volume:0',
    '2026-11-22T16:08:35.840293+0x:00 change device name:r0 volume:0',
  ]
  for (const line of lines) {
    for (const isReread of [false, true]) {
      const state = new Events2State({ isReread })
      readStream([`${DUMP}${line}\n`], each => state.apply(each))
      t.strictSame(
        verdicts({ volumes: state.volumes() }),
        { 'r0/0': 'unknown events-lost', 'r1/0': 'synced' },
        line.slice(0, 80),
      )
      t.strictSame([state.complete, state.hasLost, state.problems.kept.length], [true, true, 1])
      t.strictSame(
        [state.losses.takeRereadRequest(), state.losses.takeRereadRequest()],
        [true, false],
        'one reread is requested',
      )
    }
  }
  t.end()
})

t.test('a line without a certain resource doubts all mirrors, unless everything is reread', t => {
  const lines = [
    'nonsense',
    '- skipped',
    '- skipped x',
    '- skipped 99999999999',
    'exists',
    'exists resource',
    'change device',
    'change device r0 volume:0',
    'change device name: volume:0',
    'change device name:r',
    'change device name:r0',
    `change device name:${'r'.repeat(300)} volume:0`,
    'change device name:r9 volume:0 disk:UpToDate',
    'change device name:r9 volume:zero disk:UpToDate',
    'change device name:r0 volume:0 disk:UpToDatechange peer-device name:r1 peer-node-id:1 volume:0',
    'exichange device name:r0 volume:0 disk:UpToDate',
    'change resource name:r9 role:Primary',
    'rename resource name:r9 new_name:r8',
    'rename resource name:r0',
    'call helper name:r0',
    '2026-11-22T16:08:35.840293 00:00 change device name:r0 volume:0',
    `change device name:r0 volume:0 x:${'y'.repeat(70_000)}`,
  ]
  for (const line of lines) {
    const state = after(`${DUMP}${line}\n`)
    t.strictSame(
      verdicts({ volumes: state.volumes() }),
      { 'r0/0': 'unknown events-lost', 'r1/0': 'unknown events-lost' },
      line.slice(0, 80),
    )
    t.strictSame([state.complete, state.hasLost, state.problems.kept.length], [false, true, 1])

    const live = new Events2State({ isReread: true })
    readStream([`${DUMP}${line}\n`], each => live.apply(each))
    t.strictSame(verdicts({ volumes: live.volumes() }), { 'r0/0': 'synced', 'r1/0': 'synced' })
    t.strictSame([live.complete, live.losses.takeRereadRequest()], [true, true])
  }
  t.strictSame(
    verdictsAfter(DUMP, 'rename resource name:r0 new_name:r1\n'),
    { 'r0/0': 'unknown events-lost', 'r1/0': 'unknown events-lost' },
    'a line that names two resources',
  )
  t.end()
})

t.test('within a dump a line without a certain resource doubts all, because a reread may lack it too', t => {
  const table: [string, boolean][] = [
    ['WARNING: something', false],
    ['exists device name:r0 volume:zero disk:UpToDate', true],
    ['exists resource name:r0 role', true],
  ]
  for (const [line, complete] of table) {
    const state = new Events2State({ isReread: true })
    readStream([line.includes('resource') ? `${line}\n${DUMP}` : DUMP.replace('exists -', `${line}\nexists -`)], each =>
      state.apply(each),
    )
    t.equal(state.complete, complete, line)
    const { 'r0/0': r0, 'r1/0': r1 } = verdicts({ volumes: state.volumes() })
    t.strictSame([r0, r1], ['unknown events-lost', complete ? 'synced' : 'unknown events-lost'])
  }
  const hidden = new Events2State({ isReread: true })
  const withoutVolume = R0.replace(/exists (?:peer-)?device.*\n/g, '')
  readStream([`${withoutVolume}exists device name:r0 volume:zero\n${R1}exists -\n`], each => hidden.apply(each))
  t.equal(hidden.complete, false, 'a resource whose volumes are all lost')
  t.end()
})

t.test(
  'skipped notifications that all arrive later lose nothing; others doubt all mirrors, unless everything is reread',
  t => {
    const late = 'change device name:r0 volume:0 minor:0 size:4'
    const table: [what: string, lines: string[], expected: Record<string, string>][] = [
      ['late', ['- skipped 1', late, '- skipped -2', 'call helper name:r1 helper:x', '- skipped 1'], {}],
      ['cut where the sum is 0', ['- skipped 1', late, '- skipped -1'], {}],
      ['lost', ['- skipped 5', late], { 'r0/0': 'events-lost', 'r1/0': 'events-lost' }],
      ['in the wrong order', ['- skipped 1', late, '- skipped -2', late, '- skipped 1'], { 'r0/0': 'events-lost' }],
      ['read anew', ['- skipped 5', DUMP.trimEnd()], {}],
    ]
    for (const [what, lines, expected] of table) {
      const state = after(DUMP, `${lines.join('\n')}\n`)
      t.strictSame(verdicts({ volumes: state.volumes() }), { 'r0/0': 'synced', 'r1/0': 'synced' }, `${what}: so far`)
      state.endRecording()
      const found = verdicts({ volumes: state.volumes() })
      for (const mirror of ['r0/0', 'r1/0']) {
        t.equal(found[mirror], expected[mirror] === undefined ? 'synced' : `unknown ${expected[mirror]}`, what)
      }
      t.equal(state.problems.counts.get('events-skipped'), lines.filter(line => line.startsWith('- ')).length)
    }
    t.end()
  },
)

t.test('the state lists the mirrors that a line changed or removed', t => {
  const state = after(DUMP)
  const changedBy = (line: string) => {
    state.takeChanged()
    readStream([`${line}\n`], each => state.apply(each))
    return [...state.takeChanged()].sort()
  }
  state.takeChanged()
  t.strictSame([...state.takeChanged()], [], 'nothing since then')
  t.strictSame(changedBy('change device name:r0 volume:0 minor:0 disk:Failed'), ['r0/0'])
  t.strictSame(changedBy('change connection name:r1 peer-node-id:1 connection:Connecting'), ['r1/0'])
  t.strictSame(changedBy('create device name:r1 volume:1 minor:5'), ['r1/1'])
  t.strictSame(changedBy('create peer-device name:r1 peer-node-id:2 conn-name:charlie volume:1'), ['r1/0', 'r1/1'])
  t.strictSame(changedBy('call helper name:r1 peer-node-id:2 helper:split-brain'), ['r1/0', 'r1/1'])
  t.strictSame(changedBy('change peer-device name:r1 peer-node-id:1 volume:0 replication:Established'), ['r1/0'])
  t.strictSame(
    changedBy('change peer-device name:r1 peer-node-id:2 volume:1 replication:Established'),
    ['r1/0', 'r1/1'],
    'a resolved split brain',
  )
  t.strictSame(changedBy('rename resource name:r1 new_name:r2'), ['r1/0', 'r1/1', 'r2/0', 'r2/1'])
  t.equal(state.volume('r1/0'), null)
  t.strictSame(changedBy('destroy resource name:r2'), ['r2/0', 'r2/1'])
  t.strictSame(changedBy('nonsense'), ['r0/0'])
  t.strictSame(changedBy('more nonsense'), [], 'an existing doubt is reported once: a storm of bad lines costs nothing')
  t.strictSame(changedBy('exists resource name:r0'), ['r0/0'])
  t.strictSame(verdicts({ volumes: state.volumes() }), {
    'r0/0': 'unknown dump-incomplete disk-not-up-to-date=Failed',
  })
  t.strictSame(changedBy('exists -'), ['r0/0'])
  t.equal(state.volume('r0/0'), null)
  t.end()
})

t.test('all problems are counted, a hundred are kept, and an unknown key counts once', t => {
  const state = after(DUMP, 'change device name:r0 volume:0 encrypted:yes\n'.repeat(3), 'nonsense\n'.repeat(500))
  t.strictSame(Object.fromEntries(state.problems.counts), { 'unknown-key': 1, 'bad-line': 500 })
  t.equal(state.problems.kept.length, 100)
  t.strictSame(state.problems.kept.slice(0, 2), [
    { device: 'r0', code: 'unknown-key', text: 'Unknown key: device encrypted:yes' },
    { device: null, code: 'bad-line', text: 'Cannot be applied: nonsense' },
  ])
  t.end()
})

t.test('a broken stream uses bounded memory', t => {
  const peers = Array.from(
    { length: 70 },
    (_, nodeId) => `create connection name:r0 peer-node-id:${nodeId + 100} connection:Connecting\n`,
  )
  const crowded = after(DUMP, ...peers)
  t.equal(crowded.volume('r0/0')?.peers.length, 64)
  t.strictSame(Object.fromEntries(crowded.problems.counts), { 'too-many': 7 })
  t.equal(crowded.complete, false)

  const volumes = Array.from(
    { length: 66_000 },
    (_, volume) => `create device name:r0 volume:${volume} disk:UpToDate\n`,
  )
  const large = after(DUMP, ...volumes)
  t.equal(large.volumes().length, 65_536)
  t.equal(large.complete, false)

  const many = after(DUMP, ...Array.from({ length: 66_000 }, (_, nth) => `create resource name:x${nth}\n`))
  t.equal(many.complete, false)
  t.end()
})

t.test('a line that exceeds the limit is one damaged line, however it is divided into chunks', t => {
  const long = `change device name:r0 volume:0 x:${'y'.repeat(200_000)}`
  for (const size of [1000, 64 * 1024, 1_000_000]) {
    const lines: string[] = []
    const reader = new Events2Reader(line => lines.push(line.kind === 'garbled' ? line.why : line.kind))
    const text = `exists -\n${long}\nexists -\n${long}`
    for (let start = 0; start < text.length; start += size) reader.push(text.slice(start, start + size))
    reader.end()
    t.strictSame(lines, ['dump-end', 'line-too-long', 'dump-end', 'line-too-long'], `${size} at once`)
  }
  t.end()
})

t.test('timestamps are parsed to the microsecond; names can have any script', t => {
  const lines: Events2Line[] = []
  const text = Buffer.from(
    '2026-11-22T16:08:35.840293+02:30 destroy resource name:größe\n\n2024-02-29T23:59:59.999999-01:00 exists -\n',
  )
  readStream(
    [...text].map(byte => Uint8Array.of(byte)),
    line => lines.push(line),
  )
  t.strictSame(
    lines.map(line => [line.kind, line.atMicros, line.kind === 'change' ? line.resource : null]),
    [
      ['change', Date.parse('2026-11-22T13:38:35.840Z') * 1000 + 293, 'größe'],
      ['dump-end', Date.parse('2024-03-01T00:59:59.999Z') * 1000 + 999, null],
    ],
  )
  t.end()
})

t.test('statistics that are no numbers are null', t => {
  const statistics = (keys: string) => {
    const state = after(
      DUMP,
      `change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:SyncSource ${keys}\n`,
    )
    const [peer] = state.volume('r0/0')?.peers ?? []
    return [peer?.outOfSyncBytes, peer?.progress, peer?.totalBytes, peer?.etaSeconds]
  }
  t.strictSame(statistics('done:25.00 out-of-sync:300 eta:12'), [307_200, 0.25, 409_600, 12])
  t.strictSame(statistics('done:0.00 out-of-sync:18446744073709551608 eta:nan'), [null, 0, null, null])
  t.strictSame(statistics('done:nan out-of-sync:4'), [4096, null, null, null])
  t.strictSame(statistics('done:100.00 out-of-sync:0 eta:987654321'), [0, 1, null, null])
  t.strictSame(statistics('done:50.00 out-of-sync:4 rs-total:24'), [4096, 0.5, 12_288, null])
  t.strictSame(statistics('done:250.00 out-of-sync:-4'), [null, null, null, null])
  t.end()
})
