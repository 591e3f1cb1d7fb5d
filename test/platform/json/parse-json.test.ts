import fc from 'fast-check'
import t from 'tap'
import { parseJson } from '../../../src/platform/json/parse-json.ts'

const nested = (depth: number, open = '[', close = ']') => open.repeat(depth) + close.repeat(depth)

t.test('JSON is parsed up to a maximum length and nesting', async t => {
  t.strictSame(parseJson('{"a":[1,null]}', 14), { value: { a: [1, null] } })
  t.strictSame(parseJson('{"a":[1,null]}', 13), { problem: 'too-large' })
  t.strictSame(parseJson('{"a":', 100), { problem: 'not-json' })
  t.ok('value' in parseJson(nested(64), 1e6))
  t.strictSame(parseJson(nested(65), 1e6), { problem: 'too-deep' })
  t.strictSame(parseJson(nested(100_000), 1e6), { problem: 'too-deep' })
  t.strictSame(parseJson('{"a":'.repeat(100_000), 1e6), { problem: 'too-deep' })
  t.ok('value' in parseJson(`[${'[],'.repeat(1000)}[]]`, 1e6), 'many brackets side by side are not nested')
})

t.test('brackets in strings do not count as nesting', async t => {
  const text = `${'['.repeat(100)}"\\${'{'.repeat(100)}\\\\`
  t.strictSame(parseJson(JSON.stringify([text, text]), 1e6), { value: [text, text] })
  t.strictSame(parseJson(`["\\"${'['.repeat(100)}"]`, 1e6), { value: [`"${'['.repeat(100)}`] })
  t.strictSame(parseJson(`["\\\\",${nested(100)}]`, 1e6), { problem: 'too-deep' })
})

t.test('property: every accepted text has the value of JSON.parse', async t => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), text => {
      t.strictSame(parseJson(text, 1e6), { value: JSON.parse(text) })
    }),
  )
  fc.assert(fc.property(fc.string(), text => void parseJson(text, 1e6)))
})
