import t from 'tap'
import type { Reason } from '../../../src/sync-query/reason/reason.ts'
import {
  copying,
  gateOf,
  HAS_TERMINALS,
  HOST_A,
  HOST_C,
  leaseExpired,
  mirrorOf,
  resyncingOn,
  ScriptedAgent,
  SR,
  standAlone,
} from '../scripted-agent.ts'

t.test('wait: the exit code shows the state', async t => {
  const agent = await new ScriptedAgent(t).listen()
  t.match(await agent.run('wait'), { exitCode: 0, stdout: 'in sync', stderr: '' })
  t.match(await agent.run('wait', '--host', 'hostB'), { exitCode: 0, stdout: 'hostB may reboot' })
  // This is no whole number of milliseconds.
  t.match(await agent.run('wait', '--timeout', '16.1s'), { exitCode: 0, stdout: 'in sync', stderr: '' })
  agent.setReport(SR, [copying('vol-7/0', 0.421)])
  t.match(await agent.run('wait', '--sr', '5c5c', '--timeout', '1s'), {
    exitCode: 1,
    stdout: '',
    stderr: /^\[=+> +\] 42\.1 %.*waiting: vol-7\/0 is copying.*\nresync-monitor: timed out: vol-7\/0 is copying/,
  })
  agent.setReport(SR, [standAlone('vol-8/0')])
  t.match(await agent.run('wait', '--operator-after', '1s'), { exitCode: 3, stderr: /an operator has to act/ })
  await agent.close()
  t.match(await agent.run('wait', '--unknown-after', '1s'), {
    exitCode: 2,
    stderr: /the state is unknown: .* not running/,
  })
})

t.test('wait: continues while the agent does not run, and ends when everything is in sync', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(SR, [copying('vol-7/0', 0.1)])
  const waiting = agent.start('wait', '--json')
  const lines: { event: string; state: string; progress: number | null }[] = []
  for await (const line of waiting) {
    lines.push(JSON.parse(line))
    const last = lines.at(-1)
    if (last?.progress === 0.1) await agent.close()
    if (last?.state === 'unknown') {
      agent.setReport(SR, [copying('vol-7/0', 0.6)])
      await agent.listen()
    }
    if (last?.progress === 0.6) agent.setReport(SR, [])
  }
  t.match(lines, [
    { event: 'change', state: 'waiting', progress: 0.1 },
    { event: 'change', state: 'unknown', reasons: [{ code: 'agent-away' }] },
    { event: 'change', state: 'waiting', progress: 0.6 },
    { event: 'end', state: 'reached', exitCode: 0 },
  ])
  t.equal((await waiting).exitCode, 0)
})

t.test('wait: Ctrl-C ends it with exit code 130', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(SR, [copying('vol-7/0', 0.1)])
  const waiting = agent.start('wait', '--json')
  for await (const line of waiting) if (JSON.parse(line).event === 'change') waiting.kill('SIGINT')
  const { exitCode, stdout } = await waiting
  t.equal(exitCode, 130)
  t.match(JSON.parse(stdout.split('\n').at(-1) ?? ''), {
    event: 'end',
    sr: null,
    state: 'waiting',
    progress: 0.1,
    reasons: [{ code: 'resync-running' }],
    exitCode: 130,
  })
})

t.test('wait: the gate reports that the peer of a host that is Connecting needs an operator', async t => {
  const agent = await new ScriptedAgent(t).listen()
  const notConnected: Reason = { code: 'peer-not-connected', mirror: 'vol-1/0', clearedBy: 'time', peer: 'hostB' }
  agent.setReport(SR, [mirrorOf('vol-1/0', 'degraded', [notConnected])])
  const needsOperator = { ...notConnected, clearedBy: 'operator', waitsFor: 'hostB' } as const
  agent.pool = gateOf([{ ...resyncingOn(HOST_A), clearedBy: 'operator', mirrorReasons: [needsOperator] }])
  t.match(await agent.run('wait', '--operator-after', '1s', '--timeout', '20s'), {
    exitCode: 3,
    stderr: /vol-1\/0 is not connected to hostB \(needs an operator\)$/,
  })
  t.match((await agent.run('explain')).stdout, /on hostB:\n {4}drbdadm status vol-1\n {4}drbdadm connect vol-1/)
})

t.test('wait --host: a host without a report ends it with 2, and a host that needs an operator with 3', async t => {
  const agent = await new ScriptedAgent(t).listen()
  const refused = { canReboot: false, hosts: [], error: ['CLUSTERED_SR_DEGRADED', SR] }
  agent.reboot = { ...refused, reasons: [{ ...leaseExpired(HOST_C), code: 'no-report', clearedBy: 'time' }] }
  t.match(await agent.run('wait', '--host', 'hostB', '--unknown-after', '1s'), {
    exitCode: 2,
    stderr: /the state is unknown/,
  })
  agent.reboot = { ...refused, reasons: [resyncingOn(HOST_C), leaseExpired(HOST_C)] }
  t.match(await agent.run('wait', '--host', 'hostB', '--operator-after', '1s'), {
    exitCode: 3,
    stderr: /an operator has to act; .*: SR mirrored: hostC has not confirmed/,
  })
})

t.test('wait --host: shows an override that allows the reboot, and the reasons that it overrides', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.reboot = { canReboot: true, hosts: [], error: null, reasons: [leaseExpired(HOST_C)] }
  t.match(await agent.run('wait', '--host', 'hostB'), {
    exitCode: 0,
    stdout: /^hostB may reboot, by override, although storage blocks:\n {2}SR mirrored: hostC has not/,
  })
  t.match(JSON.parse((await agent.run('wait', '--host', 'hostB', '--json')).stdout), {
    event: 'end',
    overridden: true,
    reasons: [{ code: 'lease-expired' }],
    exitCode: 0,
  })
  agent.reboot = { canReboot: true, hosts: [], error: null, reasons: [] }
  t.match(JSON.parse((await agent.run('wait', '--host', 'hostB', '--json')).stdout), { overridden: false })
})

t.test('wait: on terminals without columns and without control sequences', { skip: !HAS_TERMINALS }, async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(SR, [copying('vol-7/0', 0.421)])
  const args = ['wait', '--timeout', '1s']
  const { stdout } = await agent.startOnTerminal(args, { TERM: 'xterm-256color' }, 24, 0)
  t.match(stdout, '\r\u001b[K[====')
  t.match(stdout, /\[=+> +\] 42\.1 %.* left {2}waiting: vol/, 'as if it had 80 columns')
  const dumb = await agent.startOnTerminal(args, { TERM: 'dumb' })
  t.notMatch(dumb.stdout, '\u001b')
  t.match(dumb.stdout, /^\[=+> +\] 42\.1 %.*waiting: vol-7\/0 is copying data to hostB, 42\.1 % done/)
})

t.test('wait --host: shows that an enabled host must be disabled first', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.enabled = true
  t.match(await agent.run('wait', '--host', 'hostB'), { exitCode: 0, stdout: 'hostB may reboot once it is disabled' })
  t.match(JSON.parse((await agent.run('wait', '--host', 'hostB', '--json')).stdout), { mustBeDisabled: true })
  agent.enabled = false
  t.match(await agent.run('wait', '--host', 'hostB'), { exitCode: 0, stdout: 'hostB may reboot' })
})

t.test('wait: its bar never moves back within one resync', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(SR, [copying('vol-7/0', 0.6)])
  const waiting = agent.start('wait', '--timeout', '4s')
  setTimeout(() => agent.setReport(SR, [copying('vol-7/0', 0.4), copying('vol-9/0', 0.1)]), 1_500).unref()
  const { stderr } = await waiting
  t.match(stderr, /60\.0 %/)
  t.notMatch(stderr, /\] 40\.0 %/, 'the amount out of sync has grown, and the resync continues')
})

t.test('wait --json: has the UUID of the SR or host, however it was given', async t => {
  const agent = await new ScriptedAgent(t).listen()
  t.match(JSON.parse((await agent.run('wait', '--sr', '5c5c', '--json')).stdout), { event: 'end', sr: SR })
  t.match(JSON.parse((await agent.run('wait', '--host', 'hostC', '--json')).stdout), {
    host: HOST_C.uuid,
    name: 'hostC',
  })
})
