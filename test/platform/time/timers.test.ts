import t from 'tap'
import { machineTimers } from '../../../src/platform/time/timers.ts'

t.test('what was due in the past comes soon, and Node has nothing to complain of', async t => {
  const warnings: string[] = []
  const note = ({ name }: Error) => warnings.push(name)
  process.on('warning', note)
  t.teardown(() => process.off('warning', note))
  // The timers themselves keep no process alive.
  const alive = setInterval(() => {}, 1_000)
  await new Promise<void>(resolve => machineTimers.after(-1_200, resolve))
  // A warning is told in a tick of its own.
  await new Promise(setImmediate)
  clearInterval(alive)
  t.same(warnings, [])
})

t.test('what is taken back does not come', async t => {
  let calls = 0
  const takeBack = machineTimers.after(1, () => {
    calls += 1
  })
  takeBack()
  const alive = setInterval(() => {}, 1_000)
  await new Promise<void>(resolve => machineTimers.after(5, resolve))
  clearInterval(alive)
  t.equal(calls, 0)
})
