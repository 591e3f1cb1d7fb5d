import t from 'tap'
import { machineTimers } from '../../../src/platform/time/timers.ts'

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
