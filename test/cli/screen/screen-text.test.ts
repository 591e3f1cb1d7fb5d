import fc from 'fast-check'
import t from 'tap'
import { columnsOf, cutEnd, cutMiddle, escaped, folded, padded } from '../../../src/cli/screen/screen-text.ts'

t.test('control characters and direction marks of foreign text are escaped', async t => {
  t.equal(escaped('host\u001b[31mA\u009b2J\r\nB\u202e'), 'host\\x1b[31mA\\x9b2J\\x0d\\x0aB\\u{202e}')
  t.equal(escaped('Zürich 東京'), 'Zürich 東京')
  fc.assert(fc.property(fc.string({ unit: 'binary' }), text => !/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(escaped(text))))
})

t.test('a name that is too long is cut in its middle, and fits the columns', async t => {
  t.equal(cutMiddle('xcp-volume-0d2f6d3a-1111/0', 15), 'xcp-vol…-1111/0')
  t.equal(cutMiddle('short', 15), 'short')
  t.equal(cutMiddle('東京東京東京', 7), '東…京')
  t.equal(columnsOf('東京a'), 5)
  t.equal(columnsOf('e\u0301'), 1)
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 1, max: 30 }), (text, columns) => {
      const clean = escaped(text)
      return columnsOf(cutMiddle(clean, columns)) <= columns && columnsOf(cutEnd(clean, columns)) <= columns
    }),
  )
  t.equal(padded('東', 4), '東  ')
})

t.test('a sentence is folded between words, and a word is never broken', async t => {
  t.strictSame(folded('one two three four', 2, 12), ['  one two', '    three', '    four'])
  t.strictSame(folded('/a/path/that/is/longer/than/a/line x', 0, 12), ['/a/path/that/is/longer/than/a/line', '  x'])
})
