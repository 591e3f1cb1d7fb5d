import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'

const CLI = join(import.meta.dirname, '../../bin/resync-monitor.js')

type Line = Readonly<Record<string, unknown>>

t.test(
  'a host that was shut down is powered on again; a refusal has its reasons; with --json standard output has JSON lines only',
  async t => {
    const demo = spawn(process.execPath, [CLI, 'demo', '--speed', '50', '--json'], { stdio: 'pipe' })
    t.teardown(() => demo.kill('SIGKILL'))
    const lines: Line[] = []
    const answers: string[] = []
    const waiting = new Set<() => void>()
    createInterface({ input: demo.stdout }).on('line', line => {
      lines.push(JSON.parse(line))
      for (const check of waiting) check()
    })
    createInterface({ input: demo.stderr }).on('line', line => answers.push(line))
    /** The first line after index `from` that matches, and its index. */
    const next = (from: number, matches: (line: Line) => boolean) =>
      new Promise<{ readonly line: Line; readonly at: number }>(resolve => {
        const check = () => {
          const at = lines.findIndex((line, index) => index > from && matches(line))
          const line = lines[at]
          if (line === undefined) return
          waiting.delete(check)
          resolve({ line, at })
        }
        waiting.add(check)
        check()
      })
    const type = (command: string) => demo.stdin.write(`${command}\n`)
    const answer = (from: number, operation: string) =>
      next(from, line => line.event === 'note' && line.operation === operation)
    const mayReboot = (from: number, host: string) =>
      next(from, ({ host: its, returned }) => its === host && Array.isArray(returned) && returned.includes('reboot'))

    const { at: begun } = await mayReboot(-1, 'hostC')
    type('power-on hostC')
    const live = await answer(begun, 'power_on')
    t.match(live.line, { accepted: false, error: ['HOST_IS_LIVE'], reasons: [] })
    type('shutdown HOSTC')
    const { line: shutdown, at: left } = await answer(begun, 'shutdown')
    t.match(shutdown, { host: 'hostC', accepted: true })
    type('reboot hostb')
    const refused = await answer(left, 'reboot')
    t.match(refused.line, {
      host: 'hostB',
      accepted: false,
      error: ['CLUSTERED_SR_DEGRADED'],
      reasons: [{ code: 'host-shut-down', clearedBy: 'operator' }],
    })
    for (let asked = live; asked.line.accepted !== true; ) {
      // The pool sees the host for some moments after its shutdown.
      await sleep(100)
      type('power-on hostC')
      asked = await answer(asked.at, 'power_on')
    }
    await mayReboot(left, 'hostC')
    type('reboot nobody')
    type('reboot')
    type('quit')
    demo.stdin.end()
    await new Promise(resolve => demo.once('exit', resolve))
    t.match(answers.join('\n'), /no host of the pool is called nobody\nname a host/)
  },
)
