import t from 'tap'
import { copying, givenUp, ScriptedAgent, SR } from './scripted-agent.ts'

t.test('wait: ends as the state says', async t => {
  const agent = await new ScriptedAgent(t).listen()
  t.match(await agent.run('wait'), { exitCode: 0, stdout: 'in sync', stderr: '' })
  t.match(await agent.run('wait', '--host', 'hostB'), { exitCode: 0, stdout: 'hostB may reboot' })
  // in milliseconds it is no whole number
  t.match(await agent.run('wait', '--timeout', '16.1s'), { exitCode: 0, stdout: 'in sync', stderr: '' })
  agent.say(SR, [copying('vol-7/0', 0.421)])
  t.match(await agent.run('wait', '--sr', '5c5c', '--timeout', '1s'), {
    exitCode: 1,
    stdout: '',
    stderr: /^\[=+> +\] 42\.1 %.*waiting: vol-7\/0 is copying.*\nresync-monitor: the time is over: vol-7\/0 is copying/,
  })
  agent.say(SR, [givenUp('vol-8/0')])
  t.match(await agent.run('wait', '--operator-after', '1s'), { exitCode: 3, stderr: /it needs an operator/ })
  await agent.goAway()
  t.match(await agent.run('wait', '--unknown-after', '1s'), { exitCode: 2, stderr: /it stays unknown: .* not running/ })
})

t.test('wait: goes on over an agent that is away, and ends when all is in sync', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.say(SR, [copying('vol-7/0', 0.1)])
  const waiting = agent.start('wait', '--json')
  const lines: { event: string; state: string; progress: number | null }[] = []
  for await (const line of waiting) {
    lines.push(JSON.parse(line))
    const last = lines.at(-1)
    if (last?.progress === 0.1) await agent.goAway()
    if (last?.state === 'unknown') {
      agent.say(SR, [copying('vol-7/0', 0.6)])
      await agent.listen()
    }
    if (last?.progress === 0.6) agent.say(SR, [])
  }
  t.match(lines, [
    { event: 'change', state: 'waiting', progress: 0.1 },
    { event: 'change', state: 'unknown', reasons: [{ code: 'agent-away' }] },
    { event: 'change', state: 'waiting', progress: 0.6 },
    { event: 'end', state: 'reached', exitCode: 0 },
  ])
  t.equal((await waiting).exitCode, 0)
})

t.test('wait: Ctrl-C ends it, with the code that shells use for that', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.say(SR, [copying('vol-7/0', 0.1)])
  const waiting = agent.start('wait', '--json')
  for await (const line of waiting) if (JSON.parse(line).event === 'change') waiting.kill('SIGINT')
  t.equal((await waiting).exitCode, 130)
})
