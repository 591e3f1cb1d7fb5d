import t from 'tap'
import { AbandonedProcesses } from '../../../src/drbd-adapter/follow/abandoned-processes.ts'

t.test('two may hang; there is room again when one of them ends after all, or when nobody wants any', async t => {
  const abandoned = new AbandonedProcesses()
  const { signal } = new AbortController()
  const first = Promise.withResolvers<void>()
  abandoned.add(first.promise)
  await abandoned.waitForSlot(signal)
  abandoned.add(new Promise(() => undefined))
  t.ok(abandoned.isFull)
  const room = abandoned.waitForSlot(signal).then(() => 'room')
  const stop = new AbortController()
  const stopped = abandoned.waitForSlot(stop.signal)
  stop.abort()
  await stopped
  await abandoned.waitForSlot(AbortSignal.abort())
  const waiting = new Promise(resolve => setImmediate(resolve, 'waiting'))
  t.equal(await Promise.race([room, waiting]), 'waiting')
  first.resolve()
  t.equal(await room, 'room')
  t.notOk(abandoned.isFull)
})
