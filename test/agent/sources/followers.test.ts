import { once } from 'node:events'
import t from 'tap'
import { Followers } from '../../../src/agent/sources/followers.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'

t.test('one stream of each name runs at a time, however often it is replaced', async t => {
  const followers = new Followers(machineClock)
  const running = new Set<string>()
  const taken: string[] = []
  let most = 0
  const source = (name: string) =>
    async function* (signal: AbortSignal) {
      running.add(name)
      most = Math.max(most, running.size)
      yield name
      if (!signal.aborted) await once(signal, 'abort')
      // It ends slowly, and yields once more.
      await new Promise(resolve => setTimeout(resolve, 5))
      running.delete(name)
      yield `${name}, too late`
    }
  const follow = (name: string) =>
    followers.follow({
      name: 'drbd',
      source: source(name),
      take: update => taken.push(update),
      failed: why => t.fail(why),
    })
  follow('a')
  const deadline = Date.now() + 5000
  while (!taken.includes('a') && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 1))
  follow('b')
  follow('c')
  while (!taken.includes('c') && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 1))
  await followers.close()
  t.equal(most, 1)
  t.strictSame(taken, ['a', 'c'])
  t.equal(running.size, 0)
})
