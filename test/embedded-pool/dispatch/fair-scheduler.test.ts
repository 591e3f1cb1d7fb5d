import t from 'tap'
import { FairScheduler, type Lane } from '../../../src/embedded-pool/dispatch/fair-scheduler.ts'

const lane = (key: string, isFirst = false): Lane => ({ key, isFirst })

/** A FairScheduler whose clock advances by the cost of each piece of work. */
function turnsUnderTest(maxWaitingOfALane = 1_000) {
  let nowMs = 0
  const turns = new FairScheduler({ clock: { steadyNow: () => nowMs }, maxWaitingOfALane })
  const done: string[] = []
  const work = async (of: Lane, costMs: number) => {
    await turns.take(of)
    nowMs += costMs
    done.push(of.key)
  }
  const many = (times: number, of: Lane, costMs: number) => Array.from({ length: times }, () => work(of, costMs))
  return { turns, done, work, many }
}

t.test('a busy lane delays others by at most one piece of work', async t => {
  const { done, work, many } = turnsUnderTest()
  const flood = many(200, lane('flood'), 5)
  await work(lane('flood'), 5).then(() => undefined)
  await Promise.all(flood)
  const more = many(200, lane('flood'), 5)
  done.length = 0
  await work(lane('other'), 1)
  t.ok(done.length <= 2, `${done.length}`)
  await Promise.all(more)
})

t.test('lanes share the time, not the number of calls', async t => {
  const { done, many } = turnsUnderTest()
  await Promise.all([...many(10, lane('dear'), 100), ...many(100, lane('cheap'), 10)])
  const half = done.slice(0, done.length / 2)
  t.ok(half.filter(key => key === 'dear').length >= 4)
  t.ok(half.filter(key => key === 'dear').length <= 6)
})

t.test('work without a measurable cost is shared too', async t => {
  const { done, many } = turnsUnderTest()
  await Promise.all([...many(50, lane('a'), 0), ...many(50, lane('b'), 0)])
  t.equal(done.length, 100)
})

t.test('first lanes precede all others and share among themselves', async t => {
  const { done, many } = turnsUnderTest()
  await Promise.all([
    ...many(20, lane('user'), 1),
    ...many(20, lane('host 1', true), 1),
    ...many(20, lane('host 2', true), 1),
  ])
  t.ok(
    done.slice(0, 40).filter(key => key === 'user').length <= 40 / 9 + 1,
    'others get every ninth turn, so that no lane starves',
  )
  t.ok(Math.abs(done.slice(0, 20).filter(key => key === 'host 1').length - 10) <= 1)
})

t.test('the waiting work of a lane is limited; accepted work may continue', async t => {
  const { turns, many, work } = turnsUnderTest(3)
  // the first one is running
  const waiting = many(4, lane('a'), 1)
  t.match(await work(lane('a'), 1).catch(failure => failure), { description: ['TOO_BUSY'] })
  await t.resolves(Promise.all([turns.takeAgain(lane('a')), work(lane('b'), 1), ...waiting]))
  await t.resolves(work(lane('a'), 1), 'the lane accepts work again')
})

t.test('a piece of work ends where it waits, and its wait delays no other lane', async t => {
  const { turns, work } = turnsUnderTest()
  const never = Promise.withResolvers<void>()
  const waits = turns.take(lane('a')).then(() => never.promise)
  await t.resolves(work(lane('a'), 1))
  await t.resolves(work(lane('b'), 1))
  never.resolve()
  await waits
})
