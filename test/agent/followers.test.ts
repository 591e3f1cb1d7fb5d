import { once } from 'node:events'
import t from 'tap'
import { Followers } from '../../src/agent/followers.ts'

t.test('of one name one source lives at a time, however often another is asked for', async t => {
  const followers = new Followers()
  const living = new Set<string>()
  const told: string[] = []
  let most = 0
  const source = (name: string) =>
    async function* (signal: AbortSignal) {
      living.add(name)
      most = Math.max(most, living.size)
      yield name
      if (!signal.aborted) await once(signal, 'abort')
      // Ends slowly, and would still have something to tell.
      await new Promise(resolve => setTimeout(resolve, 5))
      living.delete(name)
      yield `${name}, too late`
    }
  const follow = (name: string) =>
    followers.follow(
      'drbd',
      source(name),
      update => told.push(update),
      why => t.fail(why),
    )
  follow('a')
  const deadline = Date.now() + 5000
  while (!told.includes('a') && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 1))
  follow('b')
  follow('c')
  while (!told.includes('c') && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 1))
  await followers.close()
  t.equal(most, 1)
  t.strictSame(told, ['a', 'c'])
  t.equal(living.size, 0)
})
