import t from 'tap'
import { until } from './daemon/daemon-process.ts'
import { IN_SYNC, resyncing } from './daemon/model-kernel.ts'
import { inSync, poolOf, SR } from './daemon/pool-of-daemons.ts'
import { runShell } from './scripted-agent.ts'

t.test('the shell commands on a pool of real daemons: in sync, a resync, an override, and its end', async t => {
  const pool = poolOf(t)
  const daemon = await pool.start()
  const client = pool.clientOf()
  await inSync(pool, client)
  const [hostA] = pool.hosts
  if (hostA === undefined) throw new Error('three hosts')
  const shell = (...args: readonly string[]) => runShell([...args, '--socket', hostA.socket])
  /** Repeats the command until its output matches: the gate gets a change some moments after the agent. */
  const answer = (args: readonly string[], pattern: RegExp) =>
    until(`${args.join(' ')} answers ${pattern}`, async () => {
      const { stdout, stderr, exitCode } = await shell(...args)
      return pattern.test(`${exitCode} ${stdout}${stderr}`) && { stdout, exitCode }
    })

  await answer(['status'], /^0 SR .*synced[\s\S]*hostB.*(may reboot|allowed by storage)/)
  t.match(await shell('explain'), {
    exitCode: 0,
    stdout: /^Nothing blocks\. Checked: 1 SR with 1 mirror on this host/,
  })
  t.match(await shell('wait', '--timeout', '20s'), { exitCode: 0, stdout: 'in sync' })
  t.match(await shell('can-reboot', 'hostB'), { exitCode: 0 })
  t.match(await shell('can-reboot', 'hostB', 'hostC'), { exitCode: 1, stdout: /one-at-a-time/ })
  t.match(await shell('can-reboot', 'nobody'), { exitCode: 64, stderr: /nobody/ })

  hostA.kernel.setState({ mesh0: resyncing(4096) })
  await answer(['can-reboot', 'hostB'], /^1 no: hostB must stay up[\s\S]*resync-running/)
  const { stdout } = await answer(['status'], /^0 SR .* {2}resyncing[\s\S]*hostB.*blocked: reboot, shutdown/)
  t.match(stdout, /mesh0\/0 is copying data to hostB/)
  t.match(stdout, /hostA is resynchronising/)
  t.match((await shell('explain', 'hostB')).stdout, `resync-monitor wait --sr ${SR}`)
  t.match(await shell('wait', '--host', 'hostB', '--timeout', '1s'), { exitCode: 1 })

  t.match(await shell('override', 'hostB', '--reason', 'disk swap', '--for', '1h', '--by', 'ada'), {
    exitCode: 0,
    stdout: /hostB may reboot and shut down until[\s\S]*It overrides:\n {2}SR .*hostA is resynchronising/,
  })
  await answer(['override', '--list'], /^0 hostB {2}in force\n {2}until .*\n? +by ada: disk swap|^0 hostB {2}in force/)
  await answer(['status'], /allowed by override, blocked by storage/)
  t.match(await shell('override', '--clear', 'hostB'), { exitCode: 0 })
  await answer(['override', '--list'], /^0 No host has an override/)

  const waiting = runShell(['wait', '--host', 'hostB', '--socket', hostA.socket])
  hostA.kernel.setState({ mesh0: IN_SYNC })
  t.match(await waiting, { exitCode: 0, stdout: /^hostB may reboot/ })

  t.equal(await daemon.end('SIGTERM'), 0)
  t.match(await answer(['can-reboot', 'hostB'], /^2 /), { exitCode: 2 }, 'without the coordinator it is not known')
  t.match(await shell('status'), { exitCode: 0, stdout: /The gate cannot be reached/ })
})
