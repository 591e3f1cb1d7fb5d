import t from 'tap'
import { AbandonedProcesses } from '../../../src/drbd-adapter/follow/abandoned-processes.ts'

t.test('at most two processes hang; the next one waits until one of them ends or the signal aborts', async t => {
  const abandoned = new AbandonedProcesses()
  const { signal } = new AbortController()
  const first = Promise.withResolvers<void>()
  abandoned.add(first.promise)
  await abandoned.waitForSlot(signal)
  abandoned.add(new Promise(() => undefined))
  t.ok(abandoned.isFull)
  const slot = abandoned.waitForSlot(signal).then(() => 'slot')
  const stop = new AbortController()
  const stopped = abandoned.waitForSlot(stop.signal)
  stop.abort()
  await stopped
  await abandoned.waitForSlot(AbortSignal.abort())
  const waiting = new Promise(resolve => setImmediate(resolve, 'waiting'))
  t.equal(await Promise.race([slot, waiting]), 'waiting')
  first.resolve()
  t.equal(await slot, 'slot')
  t.notOk(abandoned.isFull)
})
