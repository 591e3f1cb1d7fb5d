import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import t, { type Test } from 'tap'
import { optionsOf } from '../../../src/cli/commands/completion-script.ts'
import { COMMANDS } from '../../../src/cli/commands.ts'
import { UsageError } from '../../../src/cli/terminal.ts'
import { shellWord } from '../../../src/platform/text/shell-word.ts'
import { gateOf, runShell, ScriptedAgent, SR } from '../scripted-agent.ts'

const ROOT = resolve(import.meta.dirname, '../../..')
const PROGRAM = join(ROOT, 'bin/resync-monitor.js')
const SCRIPT = join(ROOT, 'completions/resync-monitor.bash')

/** The completions of bash for the last of these words. */
async function offered(words: readonly string[], program = 'resync-monitor'): Promise<string[]> {
  const script = `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _resync_monitor; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout } = await execa('bash', ['-c', script, 'bash', SCRIPT, program, ...words])
  return stdout.split('\n').filter(word => word !== '')
}

/** A script that runs the program with the agent of the test. */
function programWithAgent(t: Test, { socket }: ScriptedAgent): string {
  const folder = mkdtempSync(join(tmpdir(), 'completion-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const program = join(folder, 'program')
  writeFileSync(
    program,
    `#!/bin/sh\nexec ${shellWord(process.execPath)} ${shellWord(PROGRAM)} "$@" --socket ${shellWord(socket)}\n`,
    { mode: 0o755 },
  )
  return program
}

t.test('the shipped script is the printed script', async t => {
  const { stdout, exitCode } = await runShell(['completion', 'bash'])
  t.equal(exitCode, 0)
  t.equal(
    `${stdout}\n`,
    readFileSync(SCRIPT, 'utf8'),
    'run resync-monitor completion bash > completions/resync-monitor.bash',
  )
})

t.test('commands, options and their values', async t => {
  t.strictSame(await offered(['wa']), ['watch', 'wait'])
  t.strictSame(await offered(['']), [...COMMANDS.map(({ name }) => name), '--help'])
  t.strictSame(await offered(['wait', '--']), [
    '--help',
    '--sr',
    '--host',
    '--timeout',
    '--unknown-after',
    '--operator-after',
    '--socket',
    '--json',
  ])
  t.strictSame(await offered(['override', 'hostA', '--r']), ['--reason'])
  t.strictSame(await offered(['what-if', '--rules', '']), ['project', 'stock'])
  t.strictSame(await offered(['status', '--socket', join(ROOT, 'package.js')]), [join(ROOT, 'package.json')])
  t.strictSame(await offered(['completion', '']), ['bash'])
})

t.test('each command takes every option of its help text', async t => {
  const { stdin, stdout, stderr } = process
  for (const { name, load } of COMMANDS) {
    const command = await load()
    for (const { option, placeholder } of optionsOf(command.help)) {
      // The call fails for other reasons, and must not fail for the option.
      const args = [option, ...(placeholder === null ? [] : ['x']), '--no-such-option']
      await t.rejects(
        async () => command.run(args, { stdin, stdout, stderr }),
        { constructor: UsageError, message: /no-such-option/ },
        `${name} ${option}`,
      )
    }
  }
})

t.test('names of SRs and hosts come from the agent; names that a shell would expand are left out', async t => {
  const agent = await new ScriptedAgent(t).listen()
  const gate = gateOf([])
  agent.pool = {
    ...gate,
    hosts: [...gate.hosts, ...gate.hosts.map(host => ({ ...host, uuid: `f${host.uuid}`, name: '$(id)' }))],
  }
  const { stdout } = await agent.run('completion', 'names')
  t.strictSame(stdout.split('\n'), [SR, 'hostA', 'hostB', 'hostC'])
  t.match(await runShell(['completion', 'names', '--socket', '/nowhere']), { exitCode: 1, stdout: '', stderr: '' })
  t.strictSame(await offered(['explain', 'host'], programWithAgent(t, agent)), ['hostA', 'hostB', 'hostC'])
})

t.test('another shell is an error', async t => {
  t.match(await runShell(['completion']), { exitCode: 64, stderr: /the name of the shell is missing; valid: bash/ })
  t.match(await runShell(['completion', 'zsh']), { exitCode: 64, stderr: /there is no completion for 'zsh'/ })
})
