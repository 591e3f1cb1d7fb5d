import t from 'tap'
import { deadline } from '../../../src/platform/time/deadline.ts'

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
