import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { ServiceManager } from '../../../src/platform/systemd/service-manager.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'

/** Replaces systemd-notify: writes its arguments and the socket to a file. */
const FAKE_NOTIFY = `
const { appendFileSync } = require('node:fs')
appendFileSync(process.argv[1], process.env.NOTIFY_SOCKET + ' ' + process.argv.slice(2).join(' ') + '\\n')
`

function managed(t: { testdir(): string }, environment: Record<string, string>, pid = 7) {
  const file = join(t.testdir(), 'file')
  const problems: string[] = []
  const manager = new ServiceManager({
    clock: machineClock,
    environment: { PATH: process.env.PATH, ...environment },
    pid,
    command: [process.execPath, '-e', FAKE_NOTIFY, file],
    onProblem: problem => problems.push(problem),
  })
  const lines = () => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [])
  return { manager, lines, problems }
}

t.test('without systemd nothing is started', async t => {
  const { manager, lines } = managed(t, {})
  await manager.ready()
  await manager.status('x')
  await manager.stopping()
  t.strictSame(lines(), [])
})

t.test('ready, status and stopping are sent in this order, to the socket of systemd', async t => {
  const { manager, lines, problems } = managed(t, { NOTIFY_SOCKET: '/run/s' })
  void manager.ready()
  void manager.status('two SRs in sync\nand more')
  await manager.stopping()
  t.strictSame(lines(), ['/run/s READY=1', '/run/s STATUS=two SRs in sync and more', '/run/s STOPPING=1'])
  t.strictSame(problems, [])
})

t.test('the watchdog is fed only if systemd watches this process', async t => {
  const watched = managed(t, { NOTIFY_SOCKET: '/run/s', WATCHDOG_USEC: '20000', WATCHDOG_PID: '7' })
  await watched.manager.ready()
  const deadline = Date.now() + 10_000
  const fed = () => watched.lines().filter(line => line.endsWith('WATCHDOG=1')).length
  while (fed() < 2 && Date.now() < deadline) await sleep(5)
  t.ok(fed() >= 2)
  await watched.manager.stopping()
  for (const environment of [
    { NOTIFY_SOCKET: '/run/s', WATCHDOG_USEC: '20000', WATCHDOG_PID: '8' },
    { NOTIFY_SOCKET: '/run/s', WATCHDOG_USEC: 'soon' },
  ]) {
    const other = managed(t, environment)
    await other.manager.ready()
    await other.manager.stopping()
    t.strictSame(other.lines(), ['/run/s READY=1', '/run/s STOPPING=1'])
  }
})

t.test('a missing or failing tool is reported as a problem', async t => {
  const folder = t.testdir()
  writeFileSync(join(folder, 'x'), '')
  const problems: string[] = []
  const environment = { NOTIFY_SOCKET: '/run/s', PATH: folder }
  const onProblem = (problem: string) => problems.push(problem)
  await new ServiceManager({ clock: machineClock, environment, pid: 7, onProblem }).ready()
  await new ServiceManager({
    clock: machineClock,
    environment,
    pid: 7,
    command: [process.execPath, '-e', 'process.exit(1)'],
    onProblem,
  }).ready()
  t.equal(problems.length, 2, problems.join('; '))
})
