import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t from 'tap'

const CLI = join(import.meta.dirname, '../../../bin/resync-monitor.js')

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
  let read = 0
  /** The next line of which it is so; those before it are passed over. */
  const next = (isIt: (line: Line) => boolean) =>
    new Promise<Line>(resolve => {
      const look = () => {
        const at = lines.findIndex((line, index) => index >= read && isIt(line))
        const line = lines[at]
        if (line === undefined) return
        read = at + 1
        waiting.delete(look)
        resolve(line)
      }
      waiting.add(look)
      look()
    })
  const type = (command: string) => demo.stdin.write(`${command}\n`)
  const answer = (operation: string) => next(line => line.event === 'note' && line.operation === operation)
  const mayGo = (host: string) =>
    next(({ host: its, returned }) => its === host && Array.isArray(returned) && returned.includes('reboot'))

  await mayGo('hostC')
  type('power-on hostC')
  t.match(await answer('power_on'), { accepted: false, error: ['HOST_IS_LIVE'], reasons: [] })
  type('shutdown HOSTC')
  t.match(await answer('shutdown'), { host: 'hostC', accepted: true })
  type('reboot hostb')
  t.match(await answer('reboot'), {
    host: 'hostB',
    accepted: false,
    error: ['CLUSTERED_SR_DEGRADED'],
    reasons: [{ code: /^host-|not-synced/, clearedBy: 'time' }],
  })
  await next(({ host, transition }) => host === 'hostA' && transition === 'degraded')
  let accepted = false
  while (!accepted) {
    type('power-on hostC')
    // It takes a moment until the pool no longer sees the host.
    accepted = (await answer('power_on')).accepted === true
  }
  await mayGo('hostC')
  type('reboot nobody')
  type('reboot')
  type('quit')
  demo.stdin.end()
  await new Promise(resolve => demo.once('exit', resolve))
  t.match(said.join('\n'), /no host of the pool is called nobody\nname a host/)
})
