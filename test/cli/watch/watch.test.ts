import t from 'tap'
import { PoolRefusal } from '../../../src/agent-api/pool-methods.ts'
import { UNPAINTED } from '../../../src/cli/screen/paint.ts'
import { columnsOf } from '../../../src/cli/screen/screen-text.ts'
import { SteadyProgress } from '../../../src/cli/screen/steady-progress.ts'
import { watchFrame } from '../../../src/cli/watch/watch-frame.ts'
import { until } from '../daemon/daemon-process.ts'
import {
  copying,
  gateOf,
  HAS_TERMINALS,
  HOST_B,
  HOST_C,
  leaseExpired,
  resyncingOn,
  ScriptedAgent,
  SR,
  standAlone,
} from '../scripted-agent.ts'

const NOW = Date.now()

/** A frame for what the agent answers. */
async function frame(agent: ScriptedAgent, columns: number, rows: number, steady = new SteadyProgress()) {
  const srs = agent.srs().flatMap(sr => {
    const [report, mirrors] = [agent.report(sr), agent.mirrors(sr)]
    return report === null || mirrors === null ? [] : [{ report, mirrors }]
  })
  const gate = { ok: true, value: await agent.gate() } as const
  return watchFrame({ ok: true, value: { at: NOW, srs, gate } }, steady, { columns, paint: UNPAINTED, now: NOW }, rows)
}

t.test('a frame fits every terminal, and shows how many mirrors are left out', async t => {
  const agent = new ScriptedAgent(t)
  const many = Array.from({ length: 200 }, (_, index) => copying(`xcp-volume-0d2f6d3a-1111-2222-3333-${index}/0`, 0.5))
  for (let sr = 1; sr <= 5; sr += 1) agent.setReport(`5c5c5c5c-0000-4000-8000-00000000000${sr}`, many)
  agent.pool = gateOf([leaseExpired(HOST_C), resyncingOn(HOST_B)])
  for (const [columns, rows] of [
    [80, 24],
    [40, 10],
    [200, 60],
    [20, 3],
    [80, 1],
  ] as const) {
    const lines = await frame(agent, columns, rows)
    t.ok(lines.length <= rows, `${rows} rows`)
    t.ok(
      lines.every(line => columnsOf(line) < columns),
      `${columns} columns`,
    )
    if (rows >= 10) t.match(lines.join('\n'), /and \d+ more/)
  }
  const large = await frame(agent, 100, 60)
  t.match(large.join('\n'), 'because SR mirrored: hostC has not confirmed')
})

t.test('the worst mirror comes first; a mirror that is not copying shows its reason', async t => {
  const agent = new ScriptedAgent(t)
  agent.setReport(SR, [copying('vol-7/0', 0.421), standAlone('vol-8/0')])
  const lines = await frame(agent, 100, 24)
  t.match(lines[3], /^ {2}vol-8\/0 +degraded {2}has given up its connection to hostC/)
  t.match(lines[4], /^ {2}vol-7\/0 +\[=+> +\] 42\.1 % {2}about 2 min left$/)
})

t.test('a bar never moves back within one resync; another resync starts from its own progress', async t => {
  const steady = new SteadyProgress()
  const barOf = (since: string, progress: number | null) => {
    const shown = steady.of('vol-7/0', since, progress)
    steady.endFrame()
    return shown
  }
  t.strictSame(
    [0.4, 0.3, null, 0.5].map(progress => barOf('16:00', progress)),
    [0.4, 0.4, 0.4, 0.5],
  )
  t.equal(barOf('17:00', 0.1), 0.1)
  steady.endFrame()
  t.equal(barOf('17:00', 0.05), 0.05, 'a mirror that was missing in a frame starts from its own progress')
})

t.test('on a terminal it redraws in place, and restores the screen at the end', { skip: !HAS_TERMINALS }, async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(SR, [copying('vol-7/0', 0.421)])
  const watching = agent.startOnTerminal(['watch'], { TERM: 'xterm-256color' }, 12)
  let output = ''
  watching.stdout?.on('data', chunk => {
    output += chunk
  })
  await until('the bar is printed', () => output.includes('42.1 %'))
  agent.setReport(SR, [copying('vol-7/0', 0.3)])
  await until('the screen is redrawn', () => output.split('\u001b[H').length > 3)
  t.notMatch(output, '30.0 %')
  agent.setReport(SR, [])
  await until('it is in sync', () => output.includes('12 mirrors: 12 synced'))
  watching.stdin?.write('\u0003')
  t.equal((await watching).exitCode, 0)
  t.ok(output.startsWith('\u001b[?1049h\u001b[?25l'))
  const [, after = ''] = output.split('\u001b[?25h\u001b[?1049l')
  t.match(after, /12 mirrors: 12 synced/, 'the last frame stays')
})

t.test('without a terminal it prints each change once', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(SR, [copying('vol-7/0', 0.421)])
  const watching = agent.start('watch', '5c5c')
  const lines: string[] = []
  for await (const line of watching) {
    lines.push(line)
    if (line.includes('42.1 %')) await agent.close()
    if (line.includes('does not answer')) {
      agent.setReport(SR, [copying('vol-7/0', 0.5)])
      agent.pool = gateOf([leaseExpired(HOST_C)])
      await agent.listen()
    }
    if (line.includes('hostC: blocked')) {
      agent.pool = new PoolRefusal('noGate', 'there is no gate')
      agent.setReport(SR, [])
    }
    if (line.includes('there is no gate')) watching.kill('SIGINT')
  }
  t.equal((await watching).exitCode, 0)
  for (const line of lines) t.match(line, /^\d\d:\d\d:\d\d {2}\S/)
  const events = lines.map(line => line.slice(10).replace(/[;:,].*| at \/.*/, ''))
  t.strictSame(events, [
    `SR ${SR} resyncing`,
    'hostA',
    'hostB',
    'hostC',
    'the agent',
    'the agent answers again',
    'SR mirrored (5c5c5c5c…) resyncing',
    'hostA',
    'hostB',
    'hostC',
    'SR mirrored (5c5c5c5c…) synced',
    'the gate cannot be reached',
  ])
})

t.test('an SR that this host does not watch is an error at once', async t => {
  const agent = await new ScriptedAgent(t).listen()
  t.match(await agent.run('watch', 'zzzz'), { exitCode: 64, stderr: /there is no SR 'zzzz' here/ })
})
