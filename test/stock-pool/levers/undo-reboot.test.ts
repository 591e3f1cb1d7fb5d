import t from 'tap'
import { guardedPool, until } from '../guarded-pool.ts'

for (const undoSecondReboot of [false, true]) {
  t.test(`two reboots in the same moment, ${undoSecondReboot ? 'with' : 'without'} undo`, async t => {
    const gone: string[] = []
    const { b, c, call, events, isBlocked } = await guardedPool(t, {
      undoSecondReboot,
      machines: { goDown: host => gone.push(host) },
      times: { goDownCallMs: 0, shutdownAfterMs: 3_000, agentEndsAfterMs: 200, agentStartsAfterMs: 200 },
    })
    // Both calls are in flight before the guard can know of one.
    await Promise.all([call('host.disable', b), call('host.disable', c)])
    const answers = await Promise.all([call('host.reboot', b), call('host.reboot', c)])
    t.comment(answers)
    await until(t, 'the guard blocks', isBlocked)
    if (answers.some(answer => answer !== '')) {
      t.comment('the guard was faster: one call was refused')
      return
    }
    if (undoSecondReboot) await until(t, 'one is undone', () => events.some(({ code }) => code === 'reboot-undone'))
    await until(t, 'the time of the shutdown has come', () => gone.length > 0)
    // The other one had its order within milliseconds.
    await new Promise(resolve => setTimeout(resolve, 1_000))
    t.equal(gone.length, undoSecondReboot ? 1 : 2)
  })
}
