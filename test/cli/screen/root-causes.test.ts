import t from 'tap'
import type { Cause } from '../../../src/cli/screen/cause.ts'
import { rootCauses } from '../../../src/cli/screen/root-causes.ts'

const SR = { uuid: '5c5c5c5c-0000-4000-8000-000000000001', name: 'mirrored' }
const A = { uuid: 'uuid-a', name: 'hostA' }
const B = { uuid: 'uuid-b', name: 'hostB' }

function cause(code: string, given: Partial<Cause>): Cause {
  const about = { host: A, sr: SR, mirror: null, peer: null, since: null, remedy: null }
  return { code, scope: 'gate', blocking: true, clearedBy: 'time', text: `the text of ${code}`, ...about, ...given }
}

const LOST = cause('peer-not-connected', { scope: 'mirror', mirror: 'r0/0', peer: 'hostB' })
const titlesOf = (...causes: readonly Cause[]) => rootCauses(causes).map(({ title }) => title)

t.test('a host that is down is the root cause of the lost connections to it', async t => {
  t.match(titlesOf(LOST, cause('host-not-live', { host: B })), [/^hostB is down.*: 1 mirror has no copy there$/])
})

t.test('a host that is up and that a peer contradicts explains no lost connection, and keeps its own text', async t => {
  for (const code of ['contradicted-by-peer', 'last-replica', 'quorum-loss']) {
    const titles = titlesOf(LOST, cause(code, { host: B }))
    t.strictSame(titles.toSorted(), [`the text of ${code}`, 'the text of peer-not-connected'].toSorted(), code)
  }
})
