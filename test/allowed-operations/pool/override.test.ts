import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import {
  decodeOverride,
  encodeOverride,
  MAX_OVERRIDE_MS,
  OVERRIDE_KEY,
} from '../../../src/allowed-operations/pool/override.ts'
import { iso, NOW } from '../pool-of-three.ts'

const REQUEST = { reason: 'burnt disk', by: 'root', createdMs: NOW, expiresMs: NOW + 3_600_000 }
const STORED = { schema: 1, reason: 'burnt disk', by: 'root', createdAt: iso(NOW), expiresAt: iso(NOW + 3_600_000) }

t.test('a stored override is read back', async t => {
  t.equal(OVERRIDE_KEY, 'resync-monitor:override')
  t.strictSame(encodeOverride(REQUEST), { text: JSON.stringify(STORED) })
  t.strictSame(decodeOverride('a', JSON.stringify(STORED)), { host: 'a', ...REQUEST })
  t.strictSame(decodeOverride('a', JSON.stringify({ ...STORED, addedLater: 1 })), { host: 'a', ...REQUEST })
  const moments = fc.integer({ min: 0, max: 4e12 })
  const texts = fc.string({ minLength: 1 })
  fc.assert(
    fc.property(texts, texts, moments, fc.integer({ min: 1, max: MAX_OVERRIDE_MS }), (reason, by, createdMs, lasts) => {
      const request = { reason, by, createdMs, expiresMs: createdMs + lasts }
      const encoded = encodeOverride(request)
      return 'text' in encoded && isDeepStrictEqual(decodeOverride('b', encoded.text), { host: 'b', ...request })
    }),
  )
})

t.test('an incomplete override is not in force, and is refused when it is written', async t => {
  const day = 86_400_000
  const table: readonly [title: string, change: object, problem: string][] = [
    ['another schema', { schema: 2 }, ''],
    ['no schema', { schema: undefined }, ''],
    ['no reason', { reason: '' }, 'reason: expected a string that is not empty'],
    ['a reason that is a book', { reason: 'x'.repeat(4097) }, 'reason: expected a string of at most 4096 characters'],
    ['no author', { by: undefined }, ''],
    ['an empty author', { by: '' }, 'by: expected a string that is not empty'],
    ['no end', { expiresAt: undefined }, ''],
    ['an end that is no time', { expiresAt: 'never' }, ''],
    ['an end without a zone', { expiresAt: '2026-11-22T17:00:00' }, ''],
    ['no beginning', { createdAt: undefined }, ''],
    ['too long', { expiresAt: iso(NOW + day + 1) }, 'expiresAt: expected a time after createdAt, by 24 hours at most'],
    [
      'over before it begins',
      { expiresAt: iso(NOW) },
      'expiresAt: expected a time after createdAt, by 24 hours at most',
    ],
  ]
  for (const [title, change, problem] of table) {
    const stored = { ...STORED, ...change }
    t.equal(decodeOverride('a', JSON.stringify(stored)), null, title)
    if (problem === '') continue
    const { reason, by } = stored
    const moments = { createdMs: Date.parse(stored.createdAt), expiresMs: Date.parse(stored.expiresAt) }
    t.strictSame(encodeOverride({ reason, by, ...moments }), { problem }, title)
  }
  t.ok(decodeOverride('a', JSON.stringify({ ...STORED, expiresAt: iso(NOW + day) })), 'a whole day is the most')
  t.match(encodeOverride({ ...REQUEST, expiresMs: Number.NaN }), { problem: /^expiresAt: expected an ISO 8601 time/ })
  for (const text of ['', '{', 'null', '[]', '"x"', `{"pad":"${'x'.repeat(16_384)}"}`]) {
    t.equal(decodeOverride('a', text), null, text.slice(0, 20))
  }
  fc.assert(fc.property(fc.json(), text => decodeOverride('a', text) === null))
})
