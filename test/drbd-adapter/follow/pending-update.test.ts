import t from 'tap'
import type { Events2State } from '../../../src/drbd-adapter/events2/events2-state.ts'
import { IncompleteEvents } from '../../../src/drbd-adapter/follow/incomplete-events.ts'
import { PendingUpdate } from '../../../src/drbd-adapter/follow/pending-update.ts'
import { VirtualClock } from '../../platform/time/virtual-clock.ts'
import { fold, readStream } from '../captures.ts'

/** Resources of one volume each, in sync with one peer. */
function dumpOf(...names: string[]): string {
  return [...names.map(name => announce(name)), 'exists -\n'].join('')
}

function announce(name: string, verb = 'exists'): string {
  return [
    `resource name:${name} role:Primary suspended:no`,
    `connection name:${name} peer-node-id:1 conn-name:bravo connection:Connected role:Secondary`,
    `device name:${name} volume:0 minor:0 disk:UpToDate client:no quorum:yes`,
    `peer-device name:${name} peer-node-id:1 conn-name:bravo volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no`,
  ]
    .map(object => `${verb} ${object}\n`)
    .join('')
}

function apply(state: Events2State, lines: string): ReadonlySet<string> {
  state.takeChanged()
  readStream([lines], line => state.apply(line))
  return state.takeChanged()
}

const names = (volumes: readonly { mirror: string }[] | undefined) => volumes?.map(({ mirror }) => mirror)

t.test('changes that are not taken merge into one update of bounded size', async t => {
  const state = fold(dumpOf('r0', 'r1'))
  const pending = new PendingUpdate(new VirtualClock(7))
  pending.readComplete(state)
  t.match(names((await pending.next())?.changed), ['r0/0', 'r1/0'])

  pending.addChanges(apply(state, `change device name:r0 volume:0 disk:Failed\n`), 5)
  pending.addChanges(apply(state, `change device name:r0 volume:0 disk:Diskless\ndestroy resource name:r1\n`), 6)
  for (let index = 0; index < 100; index += 1) {
    pending.addChanges(apply(state, announce(`gone${index}`, 'create')), 4)
    pending.addChanges(apply(state, `destroy resource name:gone${index}\n`), 4)
  }
  const update = await pending.next()
  t.match(update, { at: 7, doubt: null, dumps: 1, wholeAt: 7, changed: [{ mirror: 'r0/0', disk: 'Diskless' }] })
  t.strictSame(update?.removed, ['r1/0'], 'a volume that appeared and disappeared in between is not reported')
})

t.test('during a doubt no volume is reported; after it all are, and missing ones as removed', async t => {
  const first = fold(dumpOf('r0', 'r1'))
  const pending = new PendingUpdate(new VirtualClock(7))
  pending.readComplete(first)
  await pending.next()
  pending.addChanges(apply(first, 'change device name:r0 volume:0 disk:Failed\n'), 5)
  pending.doubt('events2 exited 20')
  pending.startReading()
  t.match(await pending.next(), { changed: [], removed: [], doubt: 'events2 exited 20' }, 'the cause stays')
  pending.readComplete(fold(dumpOf('r1', 'r2')))
  const lifted = await pending.next()
  t.match(lifted, { removed: ['r0/0'], doubt: null, dumps: 2 })
  t.strictSame(names(lifted?.changed)?.toSorted(), ['r1/0', 'r2/0'])
  pending.readComplete(null)
  t.strictSame((await pending.next())?.removed.toSorted(), ['r1/0', 'r2/0'], 'the module was unloaded')
  pending.end()
  t.equal(await pending.next(), null)
})

t.test('an update lists the first hundred problems', async t => {
  const pending = new PendingUpdate(new VirtualClock(7))
  const problem = { device: null, code: 'bad-line', text: 'x' }
  const addProblems = (count: number) =>
    pending.addProblems({ problems: Array(count).fill(problem), counts: new Map([['bad-line', count * 10]]) })
  for (let index = 0; index < 30; index += 1) addProblems(7)
  const update = await pending.next()
  t.strictSame([update?.problems.length, update?.problemCounts.get('bad-line')], [100, 2100], 'and counts all')
  addProblems(1)
  const next = await pending.next()
  t.strictSame([next?.problems.length, next?.problemCounts.get('bad-line')], [1, 10])
})

t.test('an update has the time of its oldest line', async t => {
  const state = fold(dumpOf('r0', 'r1'))
  const pending = new PendingUpdate(new VirtualClock(100))
  const eventAt = async () => (await pending.next())?.eventAt
  const failed = (name: string) => apply(state, `change device name:${name} volume:0 disk:Failed\n`)
  pending.readComplete(state)
  t.equal(await eventAt(), null, 'a dump has no event time')
  pending.addChanges(failed('r0'), 20)
  pending.addChanges(failed('r1'), 10)
  pending.addChanges(failed('r0'), null)
  t.equal(await eventAt(), 10)
  pending.addChanges(failed('r0'), null)
  t.equal(await eventAt(), null, 'no line of this update has a time')
  pending.addChanges(apply(state, 'change resource name:r0 may_promote:yes promotion_score:10101\n'), 30)
  pending.addChanges(apply(state, announce('gone', 'create')), 31)
  pending.addChanges(apply(state, 'destroy resource name:gone\n'), 32)
  pending.addChanges(failed('r0'), 40)
  t.equal(await eventAt(), 40, 'lines that changed no mirror do not count')
  pending.addChanges(failed('r0'), 50)
  pending.doubt('events2 exited 20')
  t.equal(await eventAt(), null)
  pending.readComplete(state)
  t.equal(await eventAt(), null)
})

t.test('mirrors of the resource of the last line wait for more lines, for a limited time', async t => {
  const incomplete = new IncompleteEvents()
  const steps: readonly (readonly [
    changed: readonly string[],
    resource: string | null,
    nowMs: number,
    released: readonly string[],
    eventAt: number | null,
    title: string,
  ])[] = [
    [['r0/0', 'r1/0', 'r1/1', 'r10/0'], 'r1', 0, ['r0/0', 'r10/0'], 0, 'other resources do not wait'],
    [['r0/0'], 'r0', 10, ['r1/0', 'r1/1'], 0, 'the next line is about another resource'],
    [[], null, 20, ['r0/0'], 10, 'no line is under way'],
    [['r0/0'], 'r0', 30, [], 30, ''],
    [['r0/0', 'r1/0'], 'r0', 60, ['r1/0'], 60, 'the time of a waiting mirror does not apply to others'],
    [['r0/0'], 'r0', 129, [], 129, ''],
    [['r0/0'], 'r0', 130, ['r0/0'], 30, 'with the time of its first line'],
    [['r1/0'], null, 140, ['r1/0'], 140, 'and nothing is held back'],
  ]
  for (const [changed, resource, nowMs, expected, eventAt, title] of steps) {
    const settled = incomplete.release(
      { mirrors: new Set(changed), eventAt: changed.length > 0 ? nowMs : null },
      resource,
      nowMs,
    )
    t.strictSame([...settled.mirrors], expected, title)
    if (expected.length > 0) t.equal(settled.eventAt, eventAt, title)
  }
  t.ok(incomplete.isEmpty)
})
