import t from 'tap'
import { Events2Reader } from '../../../src/drbd-adapter/events2/events2-reader.ts'
import { Events2State } from '../../../src/drbd-adapter/events2/events2-state.ts'

const KIB = 1024

const DUMP = `exists resource name:pair role:Primary
exists connection name:pair peer-node-id:1 conn-name:bravo connection:Connected role:Secondary
exists device name:pair volume:0 minor:20 disk:UpToDate client:no quorum:yes
exists peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no out-of-sync:0
exists -
`
const change = (words: string) => `change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 ${words}\n`
const IN_SYNC = change('replication:Established peer-disk:UpToDate out-of-sync:0')
const AWAY = change('replication:Off peer-disk:DUnknown out-of-sync:64')
const REPAIR = change('replication:SyncSource peer-disk:Inconsistent out-of-sync:12')

/** What `takeVolume` returns for the peer after each of the pieces. */
function passedIn(...pieces: readonly string[]) {
  const state = new Events2State()
  const reader = new Events2Reader(line => state.apply(line))
  reader.push(DUMP)
  state.takeVolume('pair/0')
  return pieces.map(piece => {
    reader.push(piece)
    return state.takeVolume('pair/0')?.peers[0]?.passed ?? null
  })
}

t.test('a resync between two reads is returned, once', async t => {
  const [passed, again] = passedIn(change('replication:WFBitMapS') + REPAIR + IN_SYNC, '')
  t.match(passed, { resync: true, repair: 'none', repairedBytes: 12 * KIB, outOfSyncBytes: 0 })
  t.equal(again, null)
})

t.test('a repair that began before one read and ended before the next', async t => {
  const [begun, ended] = passedIn(REPAIR, IN_SYNC + AWAY + IN_SYNC)
  t.match(begun, { resync: true, repair: 'there', repairedBytes: null })
  t.match(ended, { resync: false, repair: 'none', repairedBytes: 12 * KIB, outOfSyncBytes: 64 * KIB })
})

t.test('out-of-sync marks that appeared and disappeared', async t => {
  t.match(passedIn(AWAY + IN_SYNC), [{ resync: false, repair: 'none', repairedBytes: null, outOfSyncBytes: 64 * KIB }])
  t.match(passedIn(AWAY + REPAIR + IN_SYNC), [{ repairedBytes: 64 * KIB, outOfSyncBytes: 0 }], 'and were repaired')
})

t.test('disks that were Inconsistent', async t => {
  const there = change('peer-disk:Inconsistent') + IN_SYNC
  t.match(passedIn(there), [{ resync: false, repairedBytes: 0 }], 'the peer disk: another peer repaired it')
  const device = (disk: string) => `change device name:pair volume:0 disk:${disk}\n`
  t.match(passedIn(device('Inconsistent') + device('UpToDate')), [{ repairedBytes: 0 }], 'the disk of this host')
  t.match(
    passedIn(device('Inconsistent'), AWAY + device('UpToDate') + IN_SYNC),
    [{ repair: 'here' }, { repair: 'none', repairedBytes: null, outOfSyncBytes: 64 * KIB }],
    'the disk of this host, while the peer was not connected: the remaining marks are data that the peer lacks',
  )
})

t.test('a verify that ended', async t => {
  const verify = change('replication:VerifyS out-of-sync:0')
  t.match(passedIn(verify + change('replication:Established out-of-sync:12')), [{ verifiedBytes: 12 * KIB }])
  t.match(passedIn(verify, IN_SYNC), [null, { verifiedBytes: 0 }])
  t.match(passedIn(verify + AWAY + IN_SYNC), [{ verifiedBytes: null }], 'an interrupted verify has no result')
})

t.test('a peer at rest and the progress of a resync return nothing', async t => {
  t.strictSame(passedIn(IN_SYNC, change('out-of-sync:0'), change('sent:5')), [null, null, null])
  const [, ...progress] = passedIn(REPAIR, change('done:10.00 out-of-sync:10'), change('done:80.00 out-of-sync:2'))
  t.strictSame(progress, [null, null])
})
