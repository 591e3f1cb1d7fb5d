import { userInfo } from 'node:os'
import t from 'tap'
import { PoolRefusal } from '../../../src/agent-api/pool-methods.ts'
import { blockedAgent, gateOf, HOST_A, HOST_B, HOST_C, leaseExpired, runShell } from '../scripted-agent.ts'

t.test('can-reboot: yes, no with reasons, or not known', async t => {
  const agent = await blockedAgent(t)
  t.match(await agent.run('can-reboot', 'hostA', 'hostB'), {
    exitCode: 1,
    stdout: /^no: hostA, hostB must stay up \(CLUSTERED_SR_DEGRADED[\s\S]*systemctl status/,
  })
  agent.reboot = { canReboot: true, hosts: [], error: null, reasons: [] }
  t.match(await agent.run('can-reboot', HOST_A.uuid), { exitCode: 0, stdout: 'yes: hostA may be down' })
  agent.reboot = { canReboot: true, hosts: [], error: null, reasons: [leaseExpired(HOST_C)] }
  t.match(await agent.run('can-reboot', 'hostA'), {
    exitCode: 0,
    stdout: /^yes: hostA may be down, by override, although storage blocks:\n {2}SR mirrored: hostC has not confirmed/,
  })
  agent.reboot = new PoolRefusal('noGate', 'there is no gate')
  t.match(await agent.run('can-reboot', 'hostA'), {
    exitCode: 2,
    stdout: '',
    stderr: 'resync-monitor: there is no gate',
  })
  t.match(await agent.run('can-reboot', 'hostX'), { exitCode: 64, stderr: /there is no host 'hostX'/ })
})

t.test('override: on a stock pool it says that the block is pool-wide, and what the override waits for', async t => {
  const agent = await blockedAgent(t)
  agent.pool = new PoolRefusal('noGate', 'there is no gate')
  const give = async (...more: readonly string[]) => {
    const { exitCode, stdout } = await agent.run(
      'override',
      'hostB',
      '--reason',
      'x',
      '--for',
      '1h',
      '--by',
      'ada',
      ...more,
    )
    return { exitCode, stdout: stdout.replaceAll(/\s+/g, ' ') }
  }
  agent.effect = { inForce: true, guard: { waitsFor: [], otherOverrides: [] } }
  t.match(await give(), {
    exitCode: 0,
    stdout:
      /^hostB may reboot .* pool-wide: the guard lifts it only while every other host is enabled\..*RISK.*see resync-monitor doctor/,
  })
  agent.effect = { inForce: false, guard: { waitsFor: [HOST_A], otherOverrides: [HOST_C] } }
  const waiting = await give()
  t.match(waiting.stdout, /^The override of hostB is written until .*, by ada, but it has NO EFFECT yet\./)
  t.match(
    waiting.stdout,
    /hostA is disabled: xe host-enable host=hostA hostC has an override: resync-monitor override --clear hostC/,
  )
  t.notMatch(waiting.stdout, /may reboot/)
  t.match(JSON.parse((await give('--json')).stdout), {
    override: { inForce: false, guard: { waitsFor: [{ name: 'hostA' }] } },
  })
})

t.test('override: prints the risk, the overridden reasons and the user', async t => {
  const agent = await blockedAgent(t)
  const given = await agent.run('override', 'hostB', '--reason', 'disk swap', '--for', '1h30m', '--by', 'ada')
  t.equal(given.exitCode, 0)
  t.match(given.stdout, /^hostB may reboot and shut down until .* UTC \(in .*by\s+override of ada\./)
  t.match(given.stdout, /RISK: virtual disks whose last\s+current replica is on this\s+host stop/)
  t.match(given.stdout, /It overrides:\n {2}SR mirrored: hostC has not confirmed/)
  t.strictSame(agent.requests, [{ host: HOST_B.uuid, reason: 'disk swap', by: 'ada', expiresInSeconds: 5400 }])

  await runShell(['override', 'hostB', '--reason', 'x', '--for', '1s', '--socket', agent.socket], {
    SUDO_USER: 'grace',
  })
  t.match(agent.requests[1], { by: 'grace' }, 'the user behind sudo')
  await runShell(['override', 'hostB', '--reason', 'x', '--for', '1s', '--socket', agent.socket], { SUDO_USER: '' })
  t.match(agent.requests[2], { by: new RegExp(`^${userInfo().username}@.`) })

  const [first] = gateOf([leaseExpired(HOST_C)]).hosts
  const held = { reason: 'disk swap', by: 'ada', expiresAt: new Date(Date.now() + 60_000).toISOString(), inForce: true }
  if (first !== undefined) agent.pool = { ...gateOf([]), hosts: [{ ...first, override: held }] }
  t.match((await agent.run('override', '--list')).stdout, /^hostA {2}in force\n {2}until .*, by\s+ada:\s+disk swap/)
  t.match(
    (await agent.run('status')).stdout,
    /allowed by override, blocked by storage\n {4}override of ada: disk swap; until/,
  )
  t.match(await agent.run('override', '--clear', 'hostA'), { exitCode: 0, stdout: 'hostA has no override now.' })
  t.equal(agent.requests.at(-1), HOST_A.uuid)
  t.match(JSON.parse((await agent.run('override', '--clear', 'hostA', '--json')).stdout), {
    host: HOST_A.uuid,
    name: 'hostA',
    cleared: true,
  })
  agent.pool = new PoolRefusal('noGate', 'there is no gate')
  await agent.run('override', '--clear', 'hostA')
  t.equal(agent.requests.at(-1), 'hostA', 'without the gate the agent resolves the name')
})

t.test('clear-order: takes a host and the reason why it does not go down', async t => {
  const agent = await blockedAgent(t)
  const cleared = await agent.run('clear-order', 'hostB', '--reason', ' no command ')
  t.match(cleared, { exitCode: 0, stdout: 'hostB has no order now.' })
  t.strictSame(agent.requests.at(-1), { host: HOST_B.uuid, reason: 'no command' })
  t.match(JSON.parse((await agent.run('clear-order', 'hostB', '--reason', 'x', '--json')).stdout), {
    host: HOST_B.uuid,
    name: 'hostB',
    cleared: true,
  })
  t.match(await agent.run('clear-order', 'hostB'), { exitCode: 64, stderr: /--reason is missing/ })
  t.match(await agent.run('clear-order', '--reason', 'x'), { exitCode: 64, stderr: /a HOST is missing/ })
  t.match(await agent.run('clear-order', 'hostB', 'hostC', '--reason', 'x'), { exitCode: 64, stderr: /'hostC' is not/ })
})

t.test('an override belongs to one host; an expired override is a warning', async t => {
  const agent = await blockedAgent(t)
  const reason = leaseExpired(HOST_C)
  const allowed = { ...reason, text: `${reason.text}; allowed by override of ada until then: swap` }
  const expired = { ...reason, code: 'override-expired', text: 'SR mirrored: the override for hostB (swap) is over' }
  const override = { reason: 'swap', by: 'ada', expiresAt: new Date(Date.now() + 60_000).toISOString(), inForce: true }
  const gate = gateOf([reason])
  agent.pool = {
    ...gate,
    hosts: gate.hosts.map(host => {
      if (host.name === 'hostC') return { ...host, reasons: [allowed], override }
      return host.name === 'hostB' ? { ...host, reasons: [reason, expired] } : host
    }),
  }
  const { stdout } = await agent.run('status')
  t.match(
    stdout.replaceAll(/\n +/g, ' '),
    /because SR mirrored: hostC has not confirmed its report in time; look at its agent and its clock \(needs an operator\)$/,
  )
  t.notMatch(stdout, /allowed by override of|is over/)
  t.notMatch((await agent.run('explain')).stdout, /allowed by/)
  t.match((await agent.run('explain', 'hostB')).stdout, /^warning: [\s\S]*override-expired on/m)
})
