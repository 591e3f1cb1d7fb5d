import t from 'tap'
import { type HostSighting, type HostTrack, trackHost } from '../../../src/stock-pool/follow/host-track.ts'

const UP: HostSighting = { live: true, bootTimeMs: 1_000, enabled: false, isGoingDown: false }
const GOING: HostSighting = { ...UP, isGoingDown: true }
const DOWN: HostSighting = { ...UP, live: false }

/** The track after sightings, each at its own moment in milliseconds. */
function trackOf(...sightings: readonly (readonly [atMs: number, seen: HostSighting])[]): HostTrack {
  let track: HostTrack | undefined
  for (const [atMs, seen] of sightings) track = trackHost(track, seen, atMs)
  if (track === undefined) throw new Error('no sighting')
  return track
}

t.test('a host that was live at the first reading has no known moment', async t => {
  t.match(trackOf([0, UP]), { liveSinceMs: null, isLeaving: false })
})

t.test('a host is live since the edge of `live`, or since another boot time', async t => {
  t.equal(trackOf([0, UP], [10, DOWN], [20, UP], [30, UP]).liveSinceMs, 20)
  t.equal(trackOf([0, UP], [10, { ...UP, live: null }], [20, UP]).liveSinceMs, 20)
  t.equal(trackOf([0, UP], [10, { ...UP, bootTimeMs: 2_000 }]).liveSinceMs, 10, 'both edges came between two readings')
})

t.test('a host that was told to go leaves until it is back', async t => {
  t.equal(trackOf([0, UP], [10, GOING]).isLeaving, true)
  t.equal(trackOf([0, GOING]).isLeaving, true, 'the order is older than the first reading')
  t.equal(trackOf([0, UP], [10, GOING], [20, UP]).isLeaving, true, 'the entry is gone, and the host is still live')
  t.equal(trackOf([0, UP], [10, GOING], [20, DOWN]).isLeaving, true)
  t.equal(trackOf([0, UP], [10, GOING], [20, DOWN], [30, UP]).isLeaving, false)
  t.equal(trackOf([0, UP], [10, GOING], [20, { ...UP, bootTimeMs: 2_000 }]).isLeaving, false)
})

t.test('the order of a host that is enabled again, or that stays live for two minutes, has failed', async t => {
  t.equal(trackOf([0, GOING], [10, { ...UP, enabled: true }]).isLeaving, false)
  t.equal(trackOf([0, GOING], [10, { ...GOING, enabled: true }]).isLeaving, true, 'the call is still under way')
  t.equal(trackOf([0, GOING], [10, UP], [120_009, UP]).isLeaving, true)
  t.equal(trackOf([0, GOING], [10, UP], [120_010, UP]).isLeaving, false)
  t.equal(trackOf([0, GOING], [10, DOWN], [500_000, DOWN]).isLeaving, true, 'a host that is down is not back')
})
