import t from 'tap'
import type { HostSnapshot } from '../../../src/allowed-operations/pool/pool-snapshot.ts'
import { gateReason } from '../../../src/allowed-operations/reason/gate-reason.ts'
import { decodeHold, encodeHold } from '../../../src/stock-pool/hold/hold-marker.ts'
import { type HoldQuestion, planHold } from '../../../src/stock-pool/hold/plan-hold.ts'

const NOW = Date.UTC(2026, 11, 1)
const MINUTE_MS = 60_000
const HOST: HostSnapshot = {
  ref: 'a',
  enabled: false,
  live: true,
  liveSinceMs: null,
  bootTimeMs: 1_000,
  powerOnMode: '',
  currentOperations: [],
  allowedOperations: [],
  leaving: false,
}
const GOING: Partial<HostSnapshot> = { currentOperations: [{ task: 'task', operation: 'shutdown' }], leaving: true }

function kinds(host: Partial<HostSnapshot>, question: Partial<HoldQuestion> = {}): string[] {
  const steps = planHold({
    hosts: [{ ...HOST, ...host }],
    members: new Set(['a']),
    marked: new Map(),
    goingSinceMs: new Map([['a', NOW - 2_000]]),
    tasks: new Set(),
    cause: null,
    now: NOW,
    ...question,
  })
  return steps.map(({ kind }) => kind)
}

const blocked = (host: string): HoldQuestion['cause'] => ({
  kind: 'storage',
  reasons: [gateReason('not-synced', host, 'sr', { state: 'resyncing', mirrorReasons: [] })],
})

t.test('a hold is placed between the end of the call and the shutdown', async t => {
  t.same(kinds(GOING), ['place'])
  t.same(kinds({}), [], 'it does not go down')
  t.same(kinds(GOING, { tasks: new Set(['task']) }), [], 'the call has not returned, and would fail')
  t.same(kinds(GOING, { goingSinceMs: new Map([['a', NOW - 500]]) }), [], 'too early')
  t.same(kinds(GOING, { goingSinceMs: new Map([['a', NOW - 9_000]]) }), [], 'too late')
  t.same(kinds(GOING, { members: new Set() }), [], 'it has no mirrors')
  t.same(kinds({ ...GOING, live: false }), [])
})

t.test('a hold ends when the host is back and all is in sync', async t => {
  const marked = new Map([['a', { bootTimeMs: 500 }]])
  t.same(kinds({}, { marked }), ['release'])
  t.same(kinds({}, { marked, cause: { kind: 'claims', sr: 'sr', hosts: ['a', 'b'] } }), ['release'])
  t.same(kinds({}, { marked, cause: blocked('a') }), [])
  t.same(kinds({ live: false }, { marked }), [])
  t.same(kinds({ liveSinceMs: NOW - MINUTE_MS }, { marked, cause: blocked('b') }), [], 'another host is out of sync')
  t.same(kinds({ liveSinceMs: NOW - 20 * MINUTE_MS }, { marked, cause: blocked('b') }), ['release'])
  t.same(kinds({ liveSinceMs: NOW - 60 * MINUTE_MS }, { marked, cause: blocked('a') }), [], 'it is itself out of sync')
})

t.test('a hold is forgotten when a client has enabled the host, or it did not go down', async t => {
  const marked = new Map([['a', { bootTimeMs: 1_000 }]])
  t.same(kinds({ enabled: true }, { marked: new Map([['a', { bootTimeMs: 500 }]]) }), ['forget'])
  t.same(kinds({ leaving: true }, { marked }), [], 'the order may still be carried out')
  t.same(kinds({}, { marked }), ['forget'], 'the order has failed')
  t.same(kinds(GOING, { marked }), [])
})

t.test('a mark that is cut at any byte is no hold', async t => {
  const text = encodeHold({ bootTimeMs: 1_795_363_200_000 })
  t.same(decodeHold(text), { bootTimeMs: 1_795_363_200_000 })
  for (let end = 0; end < text.length; end += 1) t.equal(decodeHold(text.slice(0, end)), null)
  t.equal(decodeHold(undefined), null)
})
