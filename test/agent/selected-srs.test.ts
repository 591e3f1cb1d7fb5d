import t from 'tap'
import { ignoredPeers } from '../../src/agent/selected-srs.ts'
import type { SrSelection } from '../../src/host-state/sr-selection.ts'

const sr = (uuid: string, drbd: readonly string[], ignorePeers: readonly string[] = []) => ({
  uuid,
  drbd,
  md: [],
  ignorePeers,
})

const ignoring = (srs: readonly SrSelection[]) => ignoredPeers(srs, 'drbd')

t.test('the identity of ignored peers changes when an ignored peer may count, for whichever SR', async t => {
  const before = ignoring([sr('a', ['r*'], ['dr']), sr('b', ['x*'])])
  const table: [what: string, after: string, isSame: boolean][] = [
    ['nothing', ignoring([sr('a', ['r*'], ['dr']), sr('b', ['x*'])]), true],
    [
      'an SR that ignores no peer selects volumes of one that does',
      ignoring([sr('a', ['r*'], ['dr']), sr('b', ['*'])]),
      false,
    ],
    ['another SR', ignoring([sr('a', ['r*'], ['dr']), sr('b', ['x*']), sr('c', ['r0'])]), false],
    ['other peers', ignoring([sr('a', ['r*']), sr('b', ['x*'])]), false],
  ]
  for (const [what, after, isSame] of table) t.equal(after === before, isSame, what)
  t.equal(ignoring([sr('a', ['r*'])]), ignoring([sr('b', ['x*'])]), 'no SR ignores a peer')
})
