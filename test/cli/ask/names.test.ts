import t from 'tap'
import { findNamed } from '../../../src/cli/ask/names.ts'

const ALL = [
  { uuid: '5c5c5c5c-0000-4000-8000-000000000001', name: 'mirrored' },
  { uuid: '5c5c0000-0000-4000-8000-000000000002', name: '' },
  { uuid: 'beef0000-0000-4000-8000-000000000003', name: 'face' },
  { uuid: 'face0000-0000-4000-8000-000000000004', name: 'twin' },
  { uuid: 'cafe0000-0000-4000-8000-000000000005', name: 'twin' },
]

t.test('an operand is a UUID, an unambiguous prefix of a UUID, or a name', async t => {
  for (const [operand, index] of [
    ['5c5c5c5c-0000-4000-8000-000000000001', 0],
    ['5C5C5C5C-0000-4000-8000-000000000001', 0],
    ['5c5c0', 1],
    ['mirrored', 0],
    ['face', 2],
  ] as const) {
    t.match(findNamed(operand, ALL, 'SR'), { ok: true, value: ALL[index] }, operand)
  }
})

t.test('an operand that matches nothing lists the valid names; one that matches several lists them', async t => {
  for (const [operand, why] of [
    ['5c5c', /matches mirrored \(5c5c5c5c-.*\) and 5c5c0000-/],
    ['twin', /matches twin \(face.*\) and twin \(cafe/],
    ['bee', /there is no SR 'bee' here; valid: .*mirrored/],
    ['', /there is no SR '' here/],
    ['none', /there is no SR 'none' here/],
  ] as const) {
    t.match(findNamed(operand, ALL, 'SR'), { ok: false, why }, operand)
  }
})
