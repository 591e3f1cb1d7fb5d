import t from 'tap'
import { findByName, firstName, hostNotFound } from '../../../src/allowed-operations/pool/find-by-name.ts'

const HOSTS = [
  { uuid: '5c5c5c5c-0000-4000-8000-000000000001', names: ['Web', 'web.example.org'] },
  { uuid: '5c5c0000-0000-4000-8000-000000000002', names: ['', ''] },
  { uuid: 'beef0000-0000-4000-8000-000000000003', names: ['face', ''] },
  { uuid: 'FACE0000-0000-4000-8000-000000000004', names: ['twin', 'a'] },
  { uuid: 'cafe0000-0000-4000-8000-000000000005', names: ['twin', 'B'] },
  { uuid: 'dada0000-0000-4000-8000-000000000006', names: ['b', 'web2'] },
]

const find = (operand: string) => {
  const found = findByName(operand, HOSTS, host => host)
  return found.ok ? HOSTS.indexOf(found.value) : found.candidates
}

t.test('an object is found by its UUID, by each of its names, in any case, and by a beginning of its UUID', t => {
  const table: [string, number][] = [
    ['5c5c5c5c-0000-4000-8000-000000000001', 0],
    ['5C5C5C5C-0000-4000-8000-000000000001', 0],
    ['Web', 0],
    ['wEB', 0],
    ['WEB.EXAMPLE.ORG', 0],
    ['5c5c0', 1],
    ['face', 2],
    ['face0', 3],
    ['b', 5],
    ['B', 4],
  ]
  for (const [operand, index] of table) t.equal(find(operand), index, operand)
  t.end()
})

t.test('an operand that matches none or several objects finds none, with the candidates by name and UUID', t => {
  t.strictSame(find('5c5c'), [`Web (${HOSTS[0]?.uuid})`, HOSTS[1]?.uuid])
  t.strictSame(find('TWIN'), [`twin (${HOSTS[3]?.uuid})`, `twin (${HOSTS[4]?.uuid})`])
  for (const operand of ['', ' ', 'we', 'bee', '%', 'dada0000-0000-4000-8000-0000000000067'])
    t.strictSame(find(operand), [])
  const unnamed = ['aaaa1', 'aaaa2'].map(uuid => ({ uuid, names: [uuid] }))
  t.match(
    findByName('aaaa', unnamed, each => each),
    { candidates: ['aaaa1', 'aaaa2'] },
    'a UUID in place of a name',
  )
  const many = Array.from({ length: 20 }, (_, nth) => ({ uuid: `aaaa${nth}`, names: [] }))
  const found = findByName('aaaa', many, each => each)
  t.match(found, { ok: false, candidates: { length: 9, 8: '12 more' } })
  t.match(hostNotFound('twin', ['twin (1)', 'twin (2)']), 'several hosts are called twin: twin (1) or twin (2)')
  t.match(hostNotFound('x', []), 'no host of the pool is called x')
  t.match(hostNotFound('', []), 'name a host')
  t.end()
})

t.test('an empty or blank name is skipped', t => {
  t.equal(firstName('', undefined, ' ', 'host-a', 'uuid'), 'host-a')
  t.equal(firstName(), '')
  t.end()
})
