import t from 'tap'
import { COMMANDS } from '../../src/cli/commands.ts'
import { UsageError } from '../../src/cli/terminal.ts'
import { ScriptedAgent } from './scripted-agent.ts'

t.test('an error names the bad option or operand, before anything is done', async t => {
  const table: [string[], RegExp][] = [
    [['status', '--jsn'], /there is no option --jsn; did you mean --json\?/],
    [['status', 'zzzz'], /there is no SR 'zzzz' here/],
    [['explain', 'a', 'b'], /'b' is not expected/],
    [['explain', 'nobody'], /there is no SR or host 'nobody' here/],
    [['wait', 'x'], /'x' is not expected here; --sr or --host/],
    [['wait', '--timeout', '5'], /--timeout must be a duration such as 90s, 10m or 2h, not '5'/],
    [['wait', '--sr', 'a', '--host', 'b'], /--sr and --host do not go together/],
    [['wait', '--sr', 'zzzz'], /--sr: there is no SR 'zzzz' here/],
    [['wait', '--host', 'hostX'], /--host: .*there is no host 'hostX'/],
    [['can-reboot'], /a HOST is missing/],
    [['override'], /a HOST is missing/],
    [['override', 'hostA', '--for', '1h'], /--reason is missing/],
    [['override', 'hostA', '--reason', 'x'], /--for is missing/],
    [['override', 'hostA', '--reason', 'x', '--for', '2d'], /--for must be 24h at most/],
    [['override', 'hostA', 'hostB', '--reason', 'x', '--for', '1h'], /an override is for one host/],
    [['override', '--clear', 'hostA', '--reason', 'x'], /--reason cannot be combined with --clear or --list/],
    [['override', '--clear', '--list'], /cannot be combined/],
    [['override', '--list', 'hostA'], /'hostA' is not expected with --list/],
  ]
  const agent = await new ScriptedAgent(t).listen()
  const { stdin, stdout, stderr } = process
  for (const [[name = '', ...args], message] of table) {
    const command = await COMMANDS.find(each => each.name === name)?.load()
    await t.rejects(
      async () => command?.run([...args, '--socket', agent.socket], { stdin, stdout, stderr }),
      { constructor: UsageError, message },
      `${name} ${args.join(' ')}`,
    )
  }
  t.match(await agent.run('wait', '--timeout', '5'), {
    exitCode: 64,
    stdout: '',
    stderr: /^resync-monitor wait: --timeout must be a duration .*\nsee `resync-monitor help wait`$/,
  })
  t.strictSame(agent.requests, [])
})
