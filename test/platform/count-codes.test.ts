import t from 'tap'
import { countCodes } from '../../src/platform/count-codes.ts'

t.test('items are counted by their code; a code without an item has no entry', async t => {
  t.strictSame(
    [...countCodes([{ code: 'a' }, { code: 'b' }, { code: 'a' }])],
    [
      ['a', 2],
      ['b', 1],
    ],
  )
  t.equal(countCodes([]).size, 0)
})
