import t from 'tap'
import { Strays } from '../../../src/drbd-adapter/events2/strays.ts'

t.test('two may hang; there is room again when one of them ends after all, or when nobody wants any', async t => {
  const strays = new Strays()
  const { signal } = new AbortController()
  const first = Promise.withResolvers<void>()
  strays.add(first.promise)
  await strays.room(signal)
  strays.add(new Promise(() => undefined))
  t.ok(strays.isFull)
  const room = strays.room(signal).then(() => 'room')
  const stop = new AbortController()
  const stopped = strays.room(stop.signal)
  stop.abort()
  await stopped
  await strays.room(AbortSignal.abort())
  const waiting = new Promise(resolve => setImmediate(resolve, 'waiting'))
  t.equal(await Promise.race([room, waiting]), 'waiting')
  first.resolve()
  t.equal(await room, 'room')
  t.notOk(strays.isFull)
})
