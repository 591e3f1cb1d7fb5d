import t from 'tap'
import { SrSelector } from '../../src/host-state/sr-selection.ts'
import { drbdSr } from './host-under-test.ts'

t.test('a selector finds the SRs of a mirror: wildcards, several SRs, and no other special characters', async t => {
  const selector = new SrSelector([
    drbdSr(['xcp-volume-*', 'xcp-persistent-database'], [], 'a'),
    drbdSr(['xcp-*', 'xcp-volume-*'], [], 'sentinel'),
    drbdSr(['r.0', 'a(b*'], [], 'odd'),
    drbdSr(['q*b*c'], [], 'many'),
    drbdSr(['xy*yx', 'xyx'], [], 'twice'),
    { uuid: 'md', drbd: [], md: ['*'], ignorePeers: [] },
  ])
  const table: [string, string[]][] = [
    ['xcp-volume-1', ['a', 'sentinel']],
    ['xcp-persistent-database', ['a', 'sentinel']],
    ['xcp-persistent-database-2', ['sentinel']],
    ['rx0', []],
    ['r.0', ['odd']],
    ['a(bc', ['odd']],
    ['qXbYc', ['many']],
    ['qXbbc', ['many']],
    ['qbc', ['many']],
    ['qc', []],
    ['qbcd', []],
    ['xx', []],
    ['xyx', ['twice']],
    ['xyyx', ['twice']],
    ['xyyyyx', ['twice']],
    ['', []],
  ]
  for (const [name, srs] of table) {
    t.strictSame(selector.srsOf('drbd', [name]), srs, `${name}: ${srs.join(', ') || 'none'}`)
  }
  t.strictSame(selector.srsOf('md', ['md0', 'uuid']), ['md'])
  const startedAt = performance.now()
  t.strictSame(new SrSelector([drbdSr([`${'*a'.repeat(100)}*b`])]).srsOf('drbd', ['a'.repeat(250)]), [])
  t.ok(performance.now() - startedAt < 5_000, 'a pattern with many * is matched in bounded time')
})
