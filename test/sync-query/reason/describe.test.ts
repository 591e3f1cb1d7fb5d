import t from 'tap'
import { describe, REASONS, type Reason, type ReasonCode, reason } from '../../../src/sync-query/reason/reason.ts'

const CODES = Object.keys(REASONS) as ReasonCode[]

t.test('every reason has a sentence that names its mirror and what clears it, with and without parameters', async t => {
  const full: Partial<Reason> = {
    peer: 'hostB',
    word: 'Word',
    field: 'disk',
    side: 'source',
    outOfSyncBytes: 12_288,
    missing: 1,
    waitsFor: 'mesh0/0 peer charlie',
  }
  for (const code of CODES) {
    for (const details of [{}, full, { ...full, progress: 0.4216 }]) {
      const sentence = describe(reason(code, 'vol-7/0', details))
      t.match(sentence, /vol-7\/0/, `${code}: names the mirror`)
      t.match(sentence, REASONS[code].clearedBy === 'time' ? /clears by itself/ : /needs an operator/)
      t.notMatch(sentence, /undefined|NaN|null/)
    }
  }
})

t.test('sentences of typical reasons', async t => {
  t.equal(
    describe(reason('resync-running', 'vol-7/0', { peer: 'hostB', side: 'target', progress: 0.4216 })),
    'vol-7/0 is copying data from hostB, 42.1 % done (clears by itself)',
  )
  t.match(
    describe(reason('resync-running', 'vol-7/0', { progress: 0.9999 })),
    ', 99.9 % done ',
    'progress never shows 100 % before the end',
  )
  t.match(describe(reason('resync-running', 'vol-7/0', { progress: 0.7 / 100 })), ', 0.7 % done ')
  t.equal(
    describe(reason('drift', 'vol-7/0', { outOfSyncBytes: 500 })),
    'vol-7/0 has blocks marked out of sync, 500 B out of sync although both sides are up to date (needs an operator)',
  )
  t.equal(
    describe(
      reason('resync-waiting', 'pair/0', {
        word: 'dependency',
        clearedBy: 'operator',
        waitsFor: 'mesh0/0 peer charlie',
      }),
    ),
    'pair/0 waits for another resync (dependency), but none is running here; a pause is set on mesh0/0 peer charlie (needs an operator)',
  )
  t.equal(
    describe(reason('resync-waiting', 'pair/0', { clearedBy: 'operator' })),
    'pair/0 waits for another resync, but none is running here (needs an operator)',
  )
  t.equal(
    describe(reason('resync-waiting', 'r0/0', { word: 'peer', peer: 'hostB', clearedBy: 'operator' })),
    'the resync of r0/0 is held back on hostB, and none runs here (needs an operator)',
  )
  t.equal(
    describe(reason('source-silent', '*', { word: 'drbdsetup hung' })),
    'the storage cannot be read (drbdsetup hung) (clears by itself)',
  )
  t.equal(
    describe(reason('memory-unreadable', '*', { word: 'EIO' })),
    'the storage: the file with the data that peers missed cannot be read (EIO), so a peer that lacks data may look in sync (needs an operator)',
  )
  t.equal(
    describe(reason('array-degraded', 'md0', { word: 'broken', missing: 2 })),
    'md0 is broken: too many of its members have failed, and it refuses writes (needs an operator)',
  )
  t.equal(
    describe(reason('single-copy', 'r0/0', { field: 'configuration' })),
    'r0/0 has a single copy: its configuration names no other replica with data (needs an operator)',
  )
  t.equal(
    describe(reason('resync-waiting', 'r0/0', { field: 'replication', word: 'PausedSyncT', peer: 'hostB' })),
    'the resync of r0/0 with hostB is paused (PausedSyncT), and the kernel gives no cause (clears by itself)',
  )
})

t.test('sentences of a resync that needs an operator', async t => {
  t.equal(
    describe(reason('resync-outrun', 'r0/0', { peer: 'hostB', progress: 0.4216, clearedBy: 'operator' })),
    'the resync of r0/0 with hostB moves data but has gained nothing for an hour, 42.1 % done (needs an operator)',
  )
  t.equal(
    describe(reason('peer-behind', 'r0/0', { peer: 'hostB', word: 'Ahead', clearedBy: 'operator' })),
    'the link of r0/0 to hostB cannot keep up with the writes for half an hour (Ahead) (needs an operator)',
  )
})

t.test('on other hosts the sentence names the host that gives the reason', async t => {
  const candidates = [
    { peer: 'self', word: 'Outdated' },
    { peer: 'hostC', word: 'Outdated', outOfSyncBytes: 500 },
  ]
  for (const code of CODES) t.notMatch(describe(reason(code, 'vol-7/0', { candidates }), 'hostB'), 'this host', code)
  t.equal(
    describe(reason('disk-stuck', 'vol-7/0', { word: 'Detaching' }), 'hostB'),
    'the local disk of vol-7/0 is stuck in Detaching; only a reboot of hostB clears it (needs an operator)',
  )
  t.match(
    describe(reason('no-current-replica', 'vol-7/0', { candidates }), 'hostB'),
    ': hostB Outdated; hostC Outdated, 500 B out of sync with hostB (',
  )
})
