import t from 'tap'
import { Roster } from '../../src/host-state/roster.ts'

t.test('a roster returns each missing mirror once, and once that it is no longer missing', async t => {
  const roster = new Roster()
  const expected = (mirror: string, ...shownAs: readonly string[]) => ({ mirror, shownAs, names: [mirror] })
  const missed = (whole = true) => {
    const change = roster.settle(whole, 0)
    return { missed: change.missed.map(({ mirror }) => mirror), notMissed: change.notMissed }
  }
  roster.expect([expected('a', 'a'), expected('home', 'uuid', 'other')], 0, false)
  t.strictSame(missed(false), { missed: [], notMissed: [] }, 'not before the source has reported everything')
  t.strictSame(missed(), { missed: ['a', 'home'], notMissed: [] })
  t.strictSame(missed(), { missed: [], notMissed: [] })
  roster.add('a', ['a'])
  roster.add('md0', ['md0', 'uuid'])
  roster.add('md0', ['md0', 'uuid'])
  t.strictSame(
    missed(),
    { missed: [], notMissed: ['home'] },
    'a mirror that comes up under its own name is not reported',
  )
  roster.add('md1', ['md1', 'uuid'])
  roster.remove('md0')
  t.strictSame(missed(), { missed: [], notMissed: [] }, 'another mirror has the same name')
  roster.remove('md1')
  roster.remove('never-observed')
  t.strictSame(missed(), { missed: ['home'], notMissed: [] })
  t.strictSame([...roster.shown()], ['a'])
  roster.expect([expected('home', 'uuid', 'other'), expected('b', 'a')], 0, false)
  t.strictSame(missed(), { missed: [], notMissed: [] }, 'still missing, and not returned again')
  roster.expect([{ ...expected('home', 'uuid', 'other'), names: ['home', 'h:home'] }], 0, false)
  t.strictSame(
    missed(),
    { missed: ['home'], notMissed: ['home'] },
    'with other names the mirror is reported as missing again',
  )
  roster.expect([], 0, false)
  t.strictSame(missed(), { missed: [], notMissed: ['home'] })
})
