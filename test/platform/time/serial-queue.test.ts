import t from 'tap'
import { KeyedSerialQueue, SerialQueue } from '../../../src/platform/time/serial-queue.ts'

function gate() {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { opened: promise, open: resolve }
}

t.test('a serial queue runs one task at a time, in order, also after one that failed', async t => {
  const queue = new SerialQueue()
  const { opened, open } = gate()
  const calls: string[] = []
  const first = queue.run(async () => {
    calls.push('first begins')
    await opened
    calls.push('first ends')
    throw new Error('no')
  })
  const second = queue.run(() => {
    calls.push('second')
    return 2
  })
  await Promise.resolve()
  t.strictSame(calls, ['first begins'])
  open()
  await t.rejects(first, { message: 'no' })
  t.equal(await second, 2)
  t.strictSame(calls, ['first begins', 'first ends', 'second'])
  await queue.ended()
})

t.test('a keyed serial queue orders the tasks of one key only', async t => {
  const queue = new KeyedSerialQueue()
  const { opened, open } = gate()
  const calls: string[] = []
  const note = (name: string) => async () => {
    calls.push(name)
  }
  const held = queue.run('a', async () => {
    await opened
    calls.push('a1')
    throw new Error('no')
  })
  const behind = queue.run('a', note('a2'))
  await queue.run('b', note('b1'))
  t.strictSame(calls, ['b1'])
  open()
  await t.rejects(held)
  await behind
  t.strictSame(calls, ['b1', 'a1', 'a2'])
})
