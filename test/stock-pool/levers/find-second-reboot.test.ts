import t from 'tap'
import type { HostSnapshot } from '../../../src/allowed-operations/pool/pool-snapshot.ts'
import type { SrMember } from '../../../src/allowed-operations/rules/sr-members.ts'
import { findSecondReboot } from '../../../src/stock-pool/levers/undo-reboot.ts'

const NOW = Date.UTC(2026, 11, 1)

function memberOf(ref: string, isLive = true): SrMember {
  const host: HostSnapshot = {
    ref,
    enabled: false,
    live: isLive,
    liveSinceMs: null,
    bootTimeMs: null,
    powerOnMode: '',
    currentOperations: [],
    allowedOperations: [],
    leaving: true,
  }
  return {
    pbd: `pbd-${ref}`,
    host,
    absence: null,
    distrust: null,
    report: null,
    confirmedAtMs: null,
    knownPeers: null,
    storedPeers: null,
    countsUntilMs: 0,
  }
}

/** @param ages how long each host has had its order, in milliseconds */
function found(ages: Readonly<Record<string, number>>, members = [memberOf('a'), memberOf('b'), memberOf('c')]) {
  const goingSinceMs = new Map(Object.entries(ages).map(([host, age]) => [host, NOW - age]))
  return findSecondReboot({ srs: [{ members }], goingSinceMs, coordinator: 'a', now: NOW })
}

t.test('the later of two accepted reboots of one SR is the one to undo', async t => {
  t.equal(found({}), null)
  t.equal(found({ b: 0 }), null)
  t.same(found({ b: 500, c: 0 }), { host: 'c', first: 'b' })
  t.same(found({ b: 0, c: 500 }), { host: 'b', first: 'c' })
})

t.test('the coordinator is never undone: a member is', async t => {
  t.same(found({ a: 0, b: 500 }), { host: 'b', first: 'a' })
})

t.test('an order that is too old cannot be undone, and a host that is down is no second one', async t => {
  t.equal(found({ b: 9_500, c: 9_000 }), null)
  t.same(found({ b: 9_500, c: 100 }), { host: 'c', first: 'b' })
  t.equal(found({ b: 500, c: 0 }, [memberOf('b', false), memberOf('c')]), null)
})

t.test('hosts of different SRs do not count together', async t => {
  const goingSinceMs = new Map([
    ['b', NOW],
    ['c', NOW],
  ])
  const srs = [{ members: [memberOf('b')] }, { members: [memberOf('c')] }]
  t.equal(findSecondReboot({ srs, goingSinceMs, coordinator: 'a', now: NOW }), null)
})
