import t from 'tap'
import { MarksMemory } from '../../../../src/sync-query/history/marks/marks-memory.ts'
import type { DrbdPeer } from '../../../../src/sync-query/judge/drbd.ts'
import { peer, volume } from '../../drbd-volume.ts'

const KIB = 1024
const MOST_MIRRORS = 65_536
const MOST_PEERS = 64

/** The memory of one mirror; each reading is half a minute after the previous one. */
function memoryOfOne() {
  const memory = new MarksMemory()
  const marks = memory.begin('r0/0')
  let at = 0
  const observe = (peers: readonly DrbdPeer[]) => {
    at += 30_000
    const change = marks.see(volume('r0/0', peers), { at, isWatched: true, isSameAppearance: true })
    memory.settle('r0/0', marks, change)
    return change
  }
  const remembered = () => [...memory.all()].flatMap(({ pairs }) => pairs.map(({ peer: name }) => name))
  return { observe, remembered, memory }
}

const away = (name: string, kib: number) =>
  peer(name, { connection: 'Connecting', replication: 'Off', peerDisk: 'Outdated', outOfSyncBytes: kib * KIB })

t.test('a reading counts once, by its most important change', async t => {
  const { observe, memory } = memoryOfOne()
  t.equal(observe([away('hostB', 4), away('hostC', 4)]), 'facts')
  t.equal(observe([away('hostB', 8), away('hostC', 8)]), 'amounts')
  t.equal(observe([away('hostB', 12), away('hostC', 8)]), 'amounts')
  t.equal(observe([away('hostB', 12), away('hostC', 12)]), 'amounts')
  t.equal(observe([away('hostB', 16), away('hostC', 12), away('hostD', 4)]), 'facts')
  t.equal(observe([away('hostB', 16), away('hostC', 12), away('hostD', 4)]), 'nothing')
  t.strictSame(memory.version, { facts: 2, amounts: 3 })
})

t.test('a peer whose marks are not shown is not remembered', async t => {
  const { observe, remembered } = memoryOfOne()
  observe([away('hostB', 4), peer('hostC', { outOfSyncBytes: null })])
  t.strictSame(remembered(), ['hostB'])
})

t.test('the number of remembered peers is limited', async t => {
  const { observe, remembered } = memoryOfOne()
  for (let index = 0; index <= MOST_PEERS; index += 1) observe([away(`host${index}`, 4)])
  t.equal(remembered().length, MOST_PEERS)
  t.equal(remembered()[0], 'host0', 'the oldest peers are kept')
})

t.test('the number of remembered mirrors is limited: the oldest is removed', async t => {
  const memory = new MarksMemory()
  for (let index = 0; index < MOST_MIRRORS; index += 1) memory.begin(`r${index}/0`)
  t.not(memory.of('r0/0'), null)
  memory.begin('new/0')
  t.equal(memory.of('r0/0'), null)
  for (const kept of ['r1/0', 'new/0']) t.not(memory.of(kept), null, kept)
  t.equal([...memory.all()].length, MOST_MIRRORS)
})
