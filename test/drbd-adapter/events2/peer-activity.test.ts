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
const WELL = change('replication:Established peer-disk:UpToDate out-of-sync:0')
const AWAY = change('replication:Off peer-disk:DUnknown out-of-sync:64')
const REPAIR = change('replication:SyncSource peer-disk:Inconsistent out-of-sync:12')

/** What each reading hands over, when the volume is read after each of the pieces. */
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

t.test('a resync that began and ended between two readings is handed over, once', async t => {
  const [passed, again] = passedIn(change('replication:WFBitMapS') + REPAIR + WELL, '')
  t.match(passed, { resync: true, repair: 'none', repairedBytes: 12 * KIB, outOfSyncBytes: 0 })
  t.equal(again, null)
})

t.test('a repair that one reading saw begin and the next one does not see', async t => {
  const [begun, ended] = passedIn(REPAIR, WELL + AWAY + WELL)
  t.match(begun, { resync: true, repair: 'there', repairedBytes: null })
  t.match(ended, { resync: false, repair: 'none', repairedBytes: 12 * KIB, outOfSyncBytes: 64 * KIB })
})

t.test('marks that came and vanished', async t => {
  t.match(passedIn(AWAY + WELL), [{ resync: false, repair: 'none', repairedBytes: null, outOfSyncBytes: 64 * KIB }])
  t.match(passedIn(AWAY + REPAIR + WELL), [{ repairedBytes: 64 * KIB, outOfSyncBytes: 0 }], 'and were repaired')
})

t.test('disks that were Inconsistent', async t => {
  const there = change('peer-disk:Inconsistent') + WELL
  t.match(passedIn(there), [{ resync: false, repairedBytes: 0 }], 'that of the peer: somebody else repaired it')
  const device = (disk: string) => `change device name:pair volume:0 disk:${disk}\n`
  t.match(passedIn(device('Inconsistent') + device('UpToDate')), [{ repairedBytes: 0 }], 'that of this host')
  t.match(
    passedIn(device('Inconsistent'), AWAY + device('UpToDate') + WELL),
    [{ repair: 'here' }, { repair: 'none', repairedBytes: null, outOfSyncBytes: 64 * KIB }],
    'that of this host, while the peer was away: what is still marked is owed',
  )
})

t.test('a verify that ended', async t => {
  const verify = change('replication:VerifyS out-of-sync:0')
  t.match(passedIn(verify + change('replication:Established out-of-sync:12')), [{ verifiedBytes: 12 * KIB }])
  t.match(passedIn(verify, WELL), [null, { verifiedBytes: 0 }])
  t.match(passedIn(verify + AWAY + WELL), [{ verifiedBytes: null }], 'none that was cut off')
})

t.test('nothing is made for a pair at rest, nor for the progress of a resync', async t => {
  t.strictSame(passedIn(WELL, change('out-of-sync:0'), change('sent:5')), [null, null, null])
  const [, ...progress] = passedIn(REPAIR, change('done:10.00 out-of-sync:10'), change('done:80.00 out-of-sync:2'))
  t.strictSame(progress, [null, null])
})
