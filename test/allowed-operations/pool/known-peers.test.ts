import t from 'tap'
import { decodeKnownPeers, encodeKnownPeers } from '../../../src/allowed-operations/pool/known-peers.ts'
import {
  codes,
  host,
  mayReboot,
  PLACEMENT,
  pool,
  reasonsOf,
  received,
  withHost,
  withReports,
} from '../pool-of-three.ts'

const names = (count: number, length = 0) =>
  Array.from({ length: count }, (_, index) => `host-${index}`.padEnd(length, 'x'))

t.test('the names in a list are stored unchanged', t => {
  for (const peers of [[], ['host-d'], ['host-d', 'Ünnamed "e"'], names(256)]) {
    t.strictSame(decodeKnownPeers(encodeKnownPeers(peers)), peers)
  }
  t.end()
})

t.test('a text that is not a list of names gives null, so any host may hold the other replica', t => {
  const texts = ['', '["host-d"', 'null', '{"0":"host-d"}', '"host-d"', '["host-d",7]', '["host-d",""]']
  for (const text of [undefined, ...texts, JSON.stringify(names(257)), JSON.stringify(names(200, 100))]) {
    t.equal(decodeKnownPeers(text), null, text?.slice(0, 40) ?? 'no text')
  }
  t.end()
})

t.test('names that do not fit are stored as one that stands for any host', t => {
  const list = { mirrorList: [], mirrors: { synced: 0, resyncing: 0, degraded: 0, unknown: 0 } }
  const others = withReports(pool({ reports: [] }), received('b', list), received('c', list))
  const aIsDown = withHost({ ...others, hosts: [...others.hosts, host('e')] }, 'a', { live: false })
  const kept = (peers: readonly string[]) => {
    const knownPeers = decodeKnownPeers(encodeKnownPeers(peers))
    if (knownPeers === null) throw new Error('what was kept cannot be read again')
    return { ...aIsDown, pbds: aIsDown.pbds.map(pbd => (pbd.host === 'a' ? { ...pbd, knownPeers } : pbd)) }
  }
  t.equal(mayReboot(kept(['host-d']), PLACEMENT), 'a b c e')
  for (const peers of [
    ['host-d', ...names(256)],
    ['host-d', ...names(200, 100)],
  ]) {
    t.equal(mayReboot(kept(peers), PLACEMENT), 'a b c', `${peers.length} names`)
    t.equal(codes(reasonsOf(kept(peers), 'e', PLACEMENT)), 'replicas-unknown@a')
  }
  t.end()
})
