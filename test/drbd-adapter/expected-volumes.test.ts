import t from 'tap'
import { expectedVolumes } from '../../src/drbd-adapter/expected-volumes.ts'
import { configured } from '../host-state/host-under-test.ts'

t.test('a resource that an SR names must exist, with any of its volumes', async t => {
  const mirrors = (...drbd: readonly string[]) =>
    expectedVolumes(configured(['r0/0', 'r0/1']), drbd).map(({ mirror }) => mirror)
  t.strictSame(mirrors('r*', 'r0', 'r0/1'), ['r0/0', 'r0/1'], 'what the configuration names is expected once')
  t.strictSame(mirrors('db', 'db', 'r0/2'), ['r0/0', 'r0/1', 'db/*', 'r0/2'])
  t.match(expectedVolumes([], ['db']), [{ shownAs: ['db'], names: ['db'] }])
  t.match(expectedVolumes([], ['db/3']), [{ shownAs: ['db/3'], names: ['db', 'db/3'] }])
})
