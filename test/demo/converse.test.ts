import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'

const CLI = join(import.meta.dirname, '../../bin/resync-monitor.js')

type Line = Readonly<Record<string, unknown>>

t.test('a host that was shut down is powered on again; a refusal says why, and what clears it', async t => {
  const demo = spawn(process.execPath, [CLI, 'demo', '--speed', '50', '--json'], { stdio: ['pipe', 'pipe', 'inherit'] })
  t.teardown(() => demo.kill('SIGKILL'))
  const lines: Line[] = []
  const said: string[] = []
  const waiting = new Set<() => void>()
  createInterface({ input: demo.stdout }).on('line', line => {
    if (line.startsWith('{')) lines.push(JSON.parse(line))
    else said.push(line)
    for (const look of waiting) look()
  })
  /** The first line behind the given one of which it is so, and where it is. */
  const next = (from: number, isIt: (line: Line) => boolean) =>
    new Promise<{ readonly line: Line; readonly at: number }>(resolve => {
      const look = () => {
        const at = lines.findIndex((line, index) => index > from && isIt(line))
        const line = lines[at]
        if (line === undefined) return
        waiting.delete(look)
        resolve({ line, at })
      }
      waiting.add(look)
      look()
    })
  const type = (command: string) => demo.stdin.write(`${command}\n`)
  const answer = (from: number, operation: string) =>
    next(from, line => line.event === 'note' && line.operation === operation)
  const mayGo = (from: number, host: string) =>
    next(from, ({ host: its, returned }) => its === host && Array.isArray(returned) && returned.includes('reboot'))

  const { at: begun } = await mayGo(-1, 'hostC')
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
    // It takes a moment until the pool no longer sees the host.
    await sleep(100)
    type('power-on hostC')
    asked = await answer(asked.at, 'power_on')
  }
  await mayGo(left, 'hostC')
  type('reboot nobody')
  type('reboot')
  type('quit')
  demo.stdin.end()
  await new Promise(resolve => demo.once('exit', resolve))
  t.match(said.join('\n'), /no host of the pool is called nobody\nname a host/)
})
