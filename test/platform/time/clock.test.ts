import t from 'tap'
import { deadline, machineTimers, sleep } from '../../../src/platform/time/clock.ts'
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

t.test('a negative or too long delay causes no warning of Node', async t => {
  const warnings: string[] = []
  const note = ({ name }: Error) => warnings.push(name)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  // The timers do not keep the process alive.
  const alive = setInterval(() => {}, 1_000)
  await new Promise<void>(resolve => machineTimers.after(-1_200, resolve))
  // A warning comes in a later tick.
  await new Promise(setImmediate)
  clearInterval(alive)
  t.same(warnings, [])
})

t.test('a cancelled timer does not fire', async t => {
  let calls = 0
  const cancel = machineTimers.after(1, () => {
    calls += 1
  })
  cancel()
  const alive = setInterval(() => {}, 1_000)
  await new Promise<void>(resolve => machineTimers.after(5, resolve))
  clearInterval(alive)
  t.equal(calls, 0)
})

t.test('any number of milliseconds makes a deadline without a warning of Node', async t => {
  const warnings: string[] = []
  const note = ({ name }: Error) => warnings.push(name)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  // Deadlines do not keep the process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => clearInterval(alive))
  const far = [16_100.000000000002, 2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY].map(deadline)
  for (const ms of [0.4, 0, -1]) {
    const signal = deadline(ms)
    await new Promise(resolve => signal.addEventListener('abort', resolve))
    t.match(signal.reason, { name: 'TimeoutError' })
  }
  t.notOk(far.some(({ aborted }) => aborted))
  t.same(warnings, [])
})
