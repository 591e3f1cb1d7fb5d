import t from 'tap'
import { sleep } from '../../../src/platform/time/clock.ts'
import { settle, VirtualClock } from './virtual-clock.ts'

t.test('sleep resolves after the given time', async t => {
  const clock = new VirtualClock()
  let done = false
  const sleeping = sleep(clock, 1_000).then(() => {
    done = true
  })
  clock.advance(999)
  await settle()
  t.equal(done, false)
  clock.advance(1)
  await sleeping
})

t.test('sleep resolves at once when its signal aborts, and leaves no timer', async t => {
  const clock = new VirtualClock()
  const stop = new AbortController()
  const sleeping = sleep(clock, 1_000, stop.signal)
  t.equal(clock.pending, 1)
  stop.abort()
  await sleeping
  t.equal(clock.pending, 0)
  await sleep(clock, 1_000, stop.signal)
  t.equal(clock.pending, 0, 'an aborted signal starts no timer')
})

t.test('the virtual clock calls what falls due in order, each at its own moment', async t => {
  const clock = new VirtualClock(0)
  const calls: string[] = []
  const note = (name: string) => () => calls.push(`${name} at ${clock.now()}`)
  clock.after(20, note('second'))
  clock.after(10, () => {
    note('first')()
    clock.after(15, note('third'))
  })
  const cancel = clock.after(12, note('cancelled'))
  cancel()
  clock.advance(30)
  t.strictSame(calls, ['first at 10', 'second at 20', 'third at 25'])
  t.equal(clock.now(), 30)
})

t.test('setting the time of day of the virtual clock fires no timer', async t => {
  const clock = new VirtualClock(0)
  let fired = false
  clock.after(1_000, () => {
    fired = true
  })
  clock.nowMs = 86_400_000
  clock.advance(999)
  t.equal(fired, false)
  t.equal(clock.steadyNow(), 999)
  await clock.advanceAsync(1)
  t.equal(fired, true)
  t.equal(clock.now(), 86_401_000)
})
