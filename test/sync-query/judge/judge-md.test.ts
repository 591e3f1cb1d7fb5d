import fc from 'fast-check'
import t from 'tap'
import { judgeMdArray } from '../../../src/sync-query/judge/judge-md.ts'
import type { Judgement } from '../../../src/sync-query/judge/judgement.ts'
import type { MdArray, MdMember, MdOperation } from '../../../src/sync-query/judge/md.ts'
import type { Reason } from '../../../src/sync-query/reason/reason.ts'

const SDA: MdMember = { name: 'sda', slot: 0, flags: ['in-sync'] }
const SDB: MdMember = { name: 'sdb', slot: 1, flags: ['in-sync'] }
const SPARE: MdMember = { name: 'sdc', slot: null, flags: ['spare'] }
const REBUILDING: MdMember = { name: 'sdc', slot: 1, flags: [] }
const FAILED: MdMember = { name: 'sdb', slot: null, flags: ['failed'] }

/** A mirror of two members that is in sync and has a value in every field. */
const WELL: MdArray = {
  name: 'md0',
  uuid: null,
  level: 'raid1',
  arrayState: 'clean',
  readOnly: 'no',
  slots: { expected: 2, current: 2 },
  members: [SDA, SDB],
  syncAction: 'idle',
  operation: 'none',
  resyncStartBytes: 'none',
  mismatchBytes: 0,
  doubts: [],
}
/** The same array as parsed from mdstat alone. */
const WELL_IN_MDSTAT: MdArray = {
  ...WELL,
  arrayState: 'active',
  members: [
    { name: 'sda', slot: null, flags: [] },
    { name: 'sdb', slot: null, flags: [] },
  ],
  syncAction: null,
  resyncStartBytes: null,
  mismatchBytes: null,
}
const ONE_OF_TWO = { expected: 2, current: 1 }

function running(kind: MdOperation['kind']): MdOperation {
  return { kind, status: 'running', progress: 0.25, doneBytes: 100, totalBytes: 400, etaSeconds: 12 }
}

function without(kind: MdOperation['kind'], status: MdOperation['status']): MdOperation {
  return { kind, status, progress: null, doneBytes: null, totalBytes: null, etaSeconds: null }
}

/** A reason as `code field=word …`; `!` marks a reason that an operator clears. */
function words({ code, clearedBy, mirror, ...details }: Reason): string {
  const parts = Object.entries(details).map(([key, value]) => `${key}=${value}`)
  return [clearedBy === 'operator' ? `${code}!` : code, ...parts, ...(mirror === 'md0' ? [] : [mirror])].join(' ')
}

type Row = readonly [title: string, change: Partial<MdArray>, state: Judgement['state'], reasons?: readonly string[]]

function table(name: string, rows: readonly Row[], base = WELL) {
  t.test(name, t => {
    for (const [title, change, state, reasons = []] of rows) {
      const judgement = judgeMdArray({ ...base, ...change })
      t.same({ state: judgement.state, reasons: judgement.reasons.map(words) }, { state, reasons }, title)
    }
    t.end()
  })
}

table('synced: every required value is present, and all are good', [
  ['raid1', {}, 'synced'],
  ['raid4', { level: 'raid4' }, 'synced'],
  ['raid5', { level: 'raid5' }, 'synced'],
  ['raid6', { level: 'raid6' }, 'synced'],
  ['raid10', { level: 'raid10' }, 'synced'],
  ...['active', 'active-idle', 'write-pending'].map((arrayState): Row => [arrayState, { arrayState }, 'synced']),
  ['read-only on request, no resync pending', { arrayState: 'readonly', readOnly: 'read-only' }, 'synced'],
  [
    'read-only until the first write, no resync pending',
    { arrayState: 'read-auto', readOnly: 'auto-read-only' },
    'synced',
  ],
  ['frozen with nothing to do', { syncAction: 'frozen' }, 'synced'],
  ['a scrub is no resync', { syncAction: 'check', operation: running('check') }, 'synced'],
  ['a waiting scrub is no resync', { syncAction: 'check', operation: without('check', 'delayed') }, 'synced'],
  ['mdstat alone', WELL_IN_MDSTAT, 'synced'],
  ['mdstat alone, scrub', { ...WELL_IN_MDSTAT, operation: running('check') }, 'synced'],
  ['an active replacement counts in addition to its original: [2/3]', { slots: { expected: 2, current: 3 } }, 'synced'],
  ['a complete array with a spare', { members: [SDA, SDB, SPARE] }, 'synced'],
  [
    'a failed member was replaced and only waits to be removed',
    { members: [SDA, { ...REBUILDING, flags: ['in-sync'] }, FAILED] },
    'synced',
  ],
  [
    'a check found differences: a warning that does not block',
    { mismatchBytes: 65_536 },
    'synced',
    ['mismatches-found! outOfSyncBytes=65536'],
  ],
])

table('resyncing: data is being copied, or a resync is starting or pending', [
  [
    'resync',
    { syncAction: 'resync', operation: running('resync') },
    'resyncing',
    ['resync-running word=resync progress=0.25'],
  ],
  [
    'repair',
    { syncAction: 'repair', operation: running('repair') },
    'resyncing',
    ['resync-running word=repair progress=0.25'],
  ],
  [
    'reshape',
    { syncAction: 'reshape', operation: running('reshape') },
    'resyncing',
    ['resync-running word=reshape progress=0.25'],
  ],
  [
    'a reshape: the kernel counts the added members as missing',
    { operation: running('reshape'), slots: { expected: 4, current: 3 } },
    'resyncing',
    ['resync-running word=reshape progress=0.25'],
  ],
  [
    'recovery onto a spare',
    { syncAction: 'recover', operation: running('recovery'), slots: ONE_OF_TWO, members: [SDA, REBUILDING, FAILED] },
    'resyncing',
    ['resync-running word=recovery progress=0.25'],
  ],
  [
    'recovery with an unknown list of members',
    { operation: running('recovery'), slots: ONE_OF_TWO, members: [] },
    'resyncing',
    ['resync-running word=recovery progress=0.25'],
  ],
  [
    'a recovery that leaves a slot empty has a second reason',
    { operation: running('recovery'), slots: { expected: 3, current: 1 }, members: [SDA, REBUILDING] },
    'resyncing',
    ['resync-running word=recovery progress=0.25', 'array-degraded! missing=1'],
  ],
  [
    'journals, replacements and failed members do not fill the slots of a recovery',
    {
      operation: running('recovery'),
      slots: ONE_OF_TWO,
      members: [
        SDA,
        FAILED,
        { name: 'sdd', slot: null, flags: ['journal'] },
        { name: 'sde', slot: 0, flags: ['replacement'] },
      ],
    },
    'resyncing',
    ['resync-running word=recovery progress=0.25', 'array-degraded! missing=1'],
  ],
  [
    'a resync of the remaining members does not restore the missing one',
    { operation: running('resync'), slots: { expected: 3, current: 2 } },
    'resyncing',
    ['resync-running word=resync progress=0.25', 'array-degraded! missing=1'],
  ],
  [
    '100 % is not the end',
    { operation: { ...running('resync'), progress: 1 } },
    'resyncing',
    ['resync-running word=resync progress=0.999'],
  ],
  ['no figures', { operation: without('resync', 'running') }, 'resyncing', ['resync-running word=resync']],
  [
    'another node of the cluster copies',
    { operation: without('resync', 'remote') },
    'resyncing',
    ['resync-running word=resync'],
  ],
  [
    'named and not started',
    { syncAction: 'recover', operation: without('recovery', 'starting') },
    'resyncing',
    ['resync-starting word=recovery'],
  ],
  [
    'sync_action alone names it',
    { syncAction: 'recover', operation: null },
    'resyncing',
    ['resync-starting word=recovery'],
  ],
  [
    'sync_action names it where mdstat shows none',
    { syncAction: 'repair' },
    'resyncing',
    ['resync-starting word=repair'],
  ],
  ['waits for another array', { operation: without('resync', 'delayed') }, 'resyncing', ['resync-waiting word=resync']],
  [
    'pending until the first write',
    { arrayState: 'read-auto', readOnly: 'auto-read-only', operation: without('resync', 'pending') },
    'resyncing',
    ['resync-pending-write! field=array_state word=auto-read-only'],
  ],
  [
    'pending on a read-only array that shows idle',
    { arrayState: 'readonly', readOnly: 'read-only', resyncStartBytes: 4096 },
    'resyncing',
    ['resync-pending-write! field=array_state word=read-only'],
  ],
  [
    'pending on a writable array: about to start',
    { resyncStartBytes: 0 },
    'resyncing',
    ['resync-starting word=resync'],
  ],
  [
    'pending on an array that may be writable',
    { resyncStartBytes: 0, readOnly: null },
    'resyncing',
    ['resync-starting word=resync'],
  ],
  [
    'pending while a check runs',
    { resyncStartBytes: 512, operation: running('check') },
    'resyncing',
    ['resync-starting word=resync'],
  ],
  [
    'pending and frozen',
    { syncAction: 'frozen', resyncStartBytes: 0 },
    'resyncing',
    ['resync-paused! field=sync_action word=frozen'],
  ],
  [
    'a reshape that is interrupted',
    { syncAction: 'frozen', operation: without('reshape', 'pending') },
    'resyncing',
    ['resync-paused! field=sync_action word=frozen'],
  ],
])

table('degraded: known, not in sync, and no resync repairs it', [
  ['a slot is empty', { slots: ONE_OF_TWO, members: [SDA] }, 'degraded', ['array-degraded! missing=1']],
  ['two of six', { level: 'raid6', slots: { expected: 6, current: 4 } }, 'degraded', ['array-degraded! missing=2']],
  [
    'more members are missing than the level tolerates',
    { level: 'raid5', arrayState: 'write-pending', slots: { expected: 3, current: 1 } },
    'degraded',
    ['array-degraded! missing=2'],
  ],
  [
    'the failed member is named',
    { slots: ONE_OF_TWO, members: [SDA, FAILED] },
    'degraded',
    ['array-degraded! missing=1', 'member-failed! peer=sdb'],
  ],
  [
    'a check of the remaining members',
    { slots: ONE_OF_TWO, operation: running('check') },
    'degraded',
    ['array-degraded! missing=1'],
  ],
  [
    'a frozen recovery, which mdstat does not show',
    { slots: ONE_OF_TWO, syncAction: 'frozen', members: [SDA, REBUILDING] },
    'degraded',
    ['recovery-frozen! field=sync_action word=frozen missing=1'],
  ],
  [
    'failed and still in its slot',
    { members: [SDA, { ...SDB, flags: ['failed', 'in-sync'] }] },
    'degraded',
    ['member-failed! peer=sdb'],
  ],
  [
    'the journal failed',
    { level: 'raid5', members: [SDA, SDB, { ...FAILED, name: 'sdj', flags: ['journal', 'failed'] }] },
    'degraded',
    ['member-failed! peer=sdj'],
  ],
  ['broken', { arrayState: 'broken' }, 'degraded', ['array-degraded! field=array_state word=broken']],
  ['inactive', { arrayState: 'inactive' }, 'degraded', ['array-inactive! field=array_state word=inactive']],
  [
    'not started since the boot: the level is still empty',
    { arrayState: 'inactive', level: '', slots: { expected: null, current: null } },
    'degraded',
    ['array-inactive! field=array_state word=inactive'],
  ],
  ['suspended', { arrayState: 'suspended' }, 'degraded', ['array-inactive! field=array_state word=suspended']],
  [
    'stopped, and its sysfs directory still exists',
    { arrayState: 'clear', level: '' },
    'degraded',
    ['array-inactive! field=array_state word=clear'],
  ],
  [
    'an inactive stripe has both reasons',
    { arrayState: 'inactive', level: 'raid0' },
    'degraded',
    ['array-inactive! field=array_state word=inactive', 'not-redundant! field=level word=raid0'],
  ],
  [
    'a container is always inactive',
    { arrayState: 'inactive', level: 'container' },
    'degraded',
    ['not-redundant! field=level word=container'],
  ],
  ...['raid0', 'linear', 'multipath', 'faulty', 'container'].map(
    (level): Row => [
      level,
      { level, slots: { expected: null, current: null } },
      'degraded',
      [`not-redundant! field=level word=${level}`],
    ],
  ),
  ['a mirror of one', { slots: { expected: 1, current: 1 } }, 'degraded', ['not-redundant! field=slots word=1']],
])

table('a member with bad blocks degrades its array; a member that the kernel only marks gives a warning', [
  [
    'bad blocks',
    { members: [SDA, { ...SDB, flags: ['in-sync', 'write-error'], badBytes: 520 * 512 }] },
    'degraded',
    ['member-bad-blocks! peer=sdb word=520 sectors'],
  ],
  [
    'bad blocks while the member is copied to a spare',
    {
      members: [SDA, { ...SDB, badBytes: 512 }],
      syncAction: 'recover',
      operation: { ...running('recovery'), progress: null },
    },
    'resyncing',
    ['resync-running word=recovery', 'member-bad-blocks! peer=sdb word=1 sector'],
  ],
  [
    'the failure of a member is not recorded yet',
    { members: [SDA, { ...SDB, flags: ['in-sync', 'blocked'] }] },
    'degraded',
    ['member-blocked! peer=sdb word=blocked'],
  ],
  [
    'a write to a member has failed',
    { members: [SDA, { ...SDB, flags: ['in-sync', 'write-error', 'want-replacement'] }] },
    'synced',
    ['member-suspect! peer=sdb word=write-error, want-replacement'],
  ],
])

table('unknown: a value is missing, unknown or doubtful', [
  ['no level', { level: null }, 'unknown', ['word-missing field=level']],
  ['an empty level', { level: '' }, 'unknown', ['word-missing field=level']],
  ['a level of a later kernel', { level: 'raid7' }, 'unknown', ['unknown-word! field=level word=raid7']],
  [
    'inactive, with a level of a later kernel',
    { arrayState: 'inactive', level: 'raid7' },
    'unknown',
    ['unknown-word! field=level word=raid7'],
  ],
  ['no state', { arrayState: null }, 'unknown', ['word-missing field=array_state']],
  ['a state of a later kernel', { arrayState: 'melting' }, 'unknown', ['unknown-word! field=array_state word=melting']],
  [
    'the expected number of members is missing',
    { slots: { expected: null, current: 2 } },
    'unknown',
    ['word-missing field=slots'],
  ],
  [
    'the present number of members is missing',
    { slots: { expected: 2, current: null } },
    'unknown',
    ['word-missing field=slots'],
  ],
  ['an action of a later kernel', { syncAction: 'scrub' }, 'unknown', ['unknown-word! field=sync_action word=scrub']],
  ['the action is missing', { syncAction: null, operation: null }, 'unknown', ['word-missing field=sync_action']],
  [
    'idle, and the pending resync is unknown',
    { operation: null, resyncStartBytes: null },
    'unknown',
    ['word-missing field=resync_start'],
  ],
  [
    'frozen, and the pending resync is unknown',
    { syncAction: 'frozen', operation: null, resyncStartBytes: null },
    'unknown',
    ['word-missing field=resync_start'],
  ],
  [
    'frozen with a missing member: the pending resync does not matter',
    { syncAction: 'frozen', operation: null, resyncStartBytes: null, slots: ONE_OF_TWO },
    'degraded',
    ['recovery-frozen! field=sync_action word=frozen missing=1'],
  ],
  [
    'a doubt of the parser while all values are good',
    {
      doubts: [
        { code: 'contradiction', field: 'slots', word: '[2/2] [U_]' },
        { code: 'dump-incomplete', field: 'mdstat' },
      ],
    },
    'unknown',
    ['contradiction field=slots word=[2/2] [U_]', 'dump-incomplete field=mdstat'],
  ],
  [
    'a doubt decides the state and hides no other reason',
    { doubts: [{ code: 'unknown-word', field: 'member' }], slots: ONE_OF_TWO },
    'unknown',
    ['unknown-word! field=member', 'array-degraded! missing=1'],
  ],
])

t.test('the figures of an array', t => {
  const figuresOf = (change: Partial<MdArray>) => {
    const { reasons, mirror, backend, state, ...figures } = judgeMdArray({ ...WELL, ...change })
    return figures
  }
  const idle = {
    activity: 'none',
    moving: false,
    progress: null,
    doneBytes: null,
    totalBytes: null,
    outOfSyncBytes: 0,
    etaSeconds: null,
    replicas: { expected: 2, current: 2 },
  }
  t.same(figuresOf({}), idle, 'synced: nothing is out of sync')
  t.same(
    figuresOf({ operation: running('recovery'), slots: ONE_OF_TWO }),
    {
      activity: 'recovery',
      moving: true,
      progress: 0.25,
      doneBytes: 100,
      totalBytes: 400,
      outOfSyncBytes: 300,
      etaSeconds: 12,
      replicas: { expected: 2, current: 1 },
    },
    'the rest of a recovery is out of sync',
  )
  t.same(
    figuresOf({ operation: running('check') }),
    { ...idle, activity: 'check', progress: 0.25, doneBytes: 100, totalBytes: 400, etaSeconds: 12 },
    'a check moves no data',
  )
  t.same(
    figuresOf({ operation: { ...running('resync'), doneBytes: 500 } }).outOfSyncBytes,
    0,
    'the amount is never negative',
  )
  t.same(
    figuresOf({ operation: { ...running('resync'), totalBytes: null } }).outOfSyncBytes,
    null,
    'an unknown amount is not 0',
  )
  t.same(
    figuresOf({ operation: without('resync', 'delayed') }),
    { ...idle, activity: 'resync', outOfSyncBytes: null },
    'a waiting resync has no progress, not progress 0',
  )
  t.same(
    figuresOf({ operation: without('resync', 'remote') }).moving,
    true,
    'data that another node of the cluster copies is moving',
  )
  t.same(figuresOf({ slots: ONE_OF_TWO }).outOfSyncBytes, null, 'the missing amount of a degraded array is unknown')
  t.same(
    figuresOf({ slots: { expected: 2, current: 3 } }).replicas,
    { expected: 2, current: 2 },
    'a replacement is no third replica',
  )
  t.same(figuresOf({ slots: { expected: 2, current: -1 } }).replicas, { expected: 2, current: 0 })
  t.same(figuresOf({ slots: { expected: null, current: 2 } }).replicas, { expected: 0, current: 0 })
  t.same(figuresOf({ slots: { expected: 2, current: null } }).replicas, { expected: 2, current: 0 })
  t.same(
    figuresOf({ arrayState: 'inactive' }).replicas,
    { expected: 2, current: 0 },
    'a stopped array has no current replica',
  )
  t.same(figuresOf({ arrayState: 'clear' }).replicas, { expected: 2, current: 0 })
  t.same(
    figuresOf({ arrayState: 'inactive', operation: running('resync') }).activity,
    'none',
    'a stopped array does nothing',
  )
  t.end()
})

t.test('property: an array that lacks any value is not synced; only a complete array without a resync is', t => {
  const word = (...choices: string[]) => fc.constantFrom(null, '', 'nonsense', ...choices)
  const operation = fc.record({
    kind: fc.constantFrom<MdOperation['kind']>('resync', 'recovery', 'reshape', 'check', 'repair'),
    status: fc.constantFrom<MdOperation['status']>('running', 'starting', 'delayed', 'pending', 'remote'),
    progress: fc.option(fc.double()),
    doneBytes: fc.option(fc.nat()),
    totalBytes: fc.option(fc.nat()),
    etaSeconds: fc.option(fc.nat()),
  })
  const count = fc.option(fc.integer({ min: -1, max: 4 }))
  const array: fc.Arbitrary<MdArray> = fc.record({
    name: fc.constant('md0'),
    uuid: fc.constant(null),
    level: word('raid0', 'raid1', 'raid5', 'container'),
    arrayState: word('clean', 'active', 'readonly', 'read-auto', 'inactive', 'clear', 'broken'),
    readOnly: fc.constantFrom(null, 'no', 'read-only', 'auto-read-only'),
    slots: fc.record({ expected: count, current: count }),
    members: fc.subarray([SDA, SDB, SPARE, FAILED]),
    syncAction: word('idle', 'frozen', 'resync', 'recover', 'check', 'repair', 'reshape'),
    operation: fc.oneof(fc.constantFrom(null, 'none' as const), operation),
    resyncStartBytes: fc.constantFrom(null, 'none' as const, 0, 4096),
    mismatchBytes: fc.option(fc.nat()),
    doubts: fc.constant([]),
  })
  const isSynced = (each: MdArray) => judgeMdArray(each).state === 'synced'
  fc.assert(
    fc.property(array, each => {
      const incomplete: readonly Partial<MdArray>[] = [
        { level: null },
        { arrayState: null },
        { slots: { ...each.slots, current: null } },
        { slots: { ...each.slots, expected: null } },
        { syncAction: null, operation: null },
        { resyncStartBytes: null, operation: null },
      ]
      return incomplete.every(missing => !isSynced({ ...each, ...missing }))
    }),
    { numRuns: 500 },
  )
  fc.assert(
    fc.property(array, each => {
      const { progress } = judgeMdArray(each)
      if (progress !== null && !(progress >= 0 && progress < 1)) return false
      if (!isSynced(each)) return true
      const { slots, operation, resyncStartBytes } = each
      return (
        (each.level === 'raid1' || each.level === 'raid5') &&
        slots.expected !== null &&
        slots.current !== null &&
        slots.current >= slots.expected &&
        typeof resyncStartBytes !== 'number' &&
        (operation === null || operation === 'none' || operation.kind === 'check') &&
        [null, 'idle', 'frozen', 'check'].includes(each.syncAction)
      )
    }),
    { numRuns: 2000 },
  )
  t.end()
})
