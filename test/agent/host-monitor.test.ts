import t from 'tap'
import { drbdSr, hostOf, SR, volume } from '../host-state/host-under-test.ts'

t.test('the first report of an SR is pushed at once, at the start and after a new selection', async t => {
  const pushPace = { progressEveryMs: 3_600_000, firstRetryMs: 3_600_000, lastRetryMs: 3_600_000 }
  const { host, pushed } = hostOf({ pushPace })
  t.match(pushed, [{ sr: SR, state: 'unknown' }])
  const other = '5c5c5c5c-0000-4000-8000-000000000002'
  host.select([drbdSr(['mesh*']), drbdSr(['other*'], [], other)])
  t.match(pushed, [{ sr: SR }, { sr: other, state: 'unknown' }])
  await host.close()
})

t.test('a report can be pushed again', async t => {
  const { host, pushed, observe } = hostOf()
  observe(1, [volume('mesh0/0')])
  const deadline = Date.now() + 5000
  const settled = async (condition: () => boolean) => {
    while (!condition() && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 1))
  }
  await settled(() => pushed.at(-1)?.state === 'synced')
  const before = pushed.length
  host.monitor.pushAgain([SR, 'no-such-sr'])
  await settled(() => pushed.length > before)
  t.equal(pushed.at(-1)?.state, 'synced')
  await host.close()
})
