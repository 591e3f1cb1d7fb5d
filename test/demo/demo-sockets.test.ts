import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { execa } from 'execa'
import t from 'tap'

const CLI = join(import.meta.dirname, '../../bin/resync-monitor.js')

type Line = Readonly<Record<string, unknown>>

t.test('the agents of the demo answer status, explain, can-reboot and wait at the sockets that it prints', async t => {
  const demo = spawn(process.execPath, [CLI, 'demo', '--speed', '5', '--json'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => demo.kill('SIGKILL'))
  const sockets = new Map<unknown, string>()
  const allowed = new Set<unknown>()
  await new Promise<void>(resolve => {
    createInterface({ input: demo.stdout }).on('line', text => {
      const line: Line = JSON.parse(text)
      if (typeof line.socket === 'string') sockets.set(line.host, line.socket)
      if (Array.isArray(line.returned) && line.returned.includes('reboot')) allowed.add(line.host)
      if (allowed.size === 3) resolve()
    })
  })
  t.same([...sockets.keys()], ['hostA', 'hostB', 'hostC'])
  const socket = sockets.get('hostA') ?? ''
  t.equal(statSync(socket).mode & 0o777, 0o600, "the socket is open to the demo's user only")
  const shell = (...args: readonly string[]) =>
    execa(process.execPath, [CLI, ...args, '--socket', socket], { reject: false, timeout: 30_000 })

  t.match(await shell('status'), { exitCode: 0, stdout: /synced[\s\S]*hostC +live, disabled +may reboot/ })
  t.match(await shell('explain'), { exitCode: 0, stdout: /^Nothing blocks\./ })
  t.match(await shell('can-reboot', 'hostC'), { exitCode: 0, stdout: /^yes/ })
  t.match(await shell('wait', '--host', 'hostC', '--timeout', '20s'), { exitCode: 0 })
  t.match(await shell('wait', '--timeout', '20s'), { exitCode: 0, stdout: /in sync/ })

  demo.stdin.write('reboot hostC\n')
  const wait = await shell('wait', '--host', 'hostB', '--timeout', '1s')
  t.equal(wait.exitCode, 1, 'hostB must stay up while hostC reboots')
  t.match(await shell('can-reboot', 'hostB'), { exitCode: 1, stdout: /^no: hostB must stay up/ })
  t.match(await shell('explain', 'hostB'), { exitCode: 0, stdout: /hostC/ })
  demo.stdin.write('quit\n')
  await new Promise(resolve => demo.once('exit', resolve))
})
