import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { guardedPool, type Tap, until } from '../../stock-pool/guarded-pool.ts'
import { DaemonProcess } from './daemon-process.ts'

/** A stock pool without a guard, and a configuration of a guard in a folder. */
async function unguardedPool(test: Tap, role: string, more = '') {
  const pool = await guardedPool(test, { isGuarded: false })
  const folder = mkdtempSync(join(tmpdir(), 'guard-'))
  test.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const roleFile = join(folder, 'pool.conf')
  const config = join(folder, 'updater.yaml')
  writeFileSync(roleFile, role)
  writeFileSync(config, `socket: ${pool.socketPath}\nroleFile: ${roleFile}\nmetrics: { port: 0 }\n${more}`)
  return { ...pool, roleFile, config }
}

t.test('the daemon guards a stock pool over the unix socket of its host, without a password', async t => {
  const { a, b, config, call, push, isBlocked, states } = await unguardedPool(t, 'master')
  states.delete(a)
  const guard = new DaemonProcess(t, ['updater', '--toolstack', 'xapi', '--config', config])
  await until(t, 'it blocks while a host has not reported', isBlocked)
  await push(a, 'synced')
  await until(t, 'it lifts the block', () => guard.log.includes('guard-lifts') && !isBlocked())
  await push(a, 'resyncing')
  await until(t, 'it blocks', isBlocked)
  await call('host.disable', b)
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
  await until(t, 'the log names the host that is out of sync', () => /guard-blocks: .*\ba not-synced/.test(guard.log))
  t.equal(await guard.end('SIGTERM'), 0)
  t.equal(isBlocked(), true, 'the task stays')
})

t.test('the key toolstack of the configuration does the same as the option', async t => {
  const { a, config, push, isBlocked } = await unguardedPool(t, 'master', 'toolstack: xapi\n')
  await push(a, 'degraded')
  const guard = new DaemonProcess(t, ['updater', '--config', config])
  await until(t, 'it blocks', isBlocked)
  t.equal(await guard.end('SIGTERM'), 0)
})

t.test('on a member it does nothing until its host becomes the coordinator', async t => {
  const { a, config, roleFile, push, isBlocked } = await unguardedPool(t, 'slave:192.0.2.10')
  await push(a, 'degraded')
  const guard = new DaemonProcess(t, ['updater', '--toolstack', 'xapi', '--config', config])
  await until(t, 'it runs', () => guard.log.includes('started'))
  t.equal(isBlocked(), false)
  writeFileSync(roleFile, 'master')
  await until(t, 'it blocks', isBlocked)
  writeFileSync(roleFile, 'slave:192.0.2.11')
  await until(t, 'it is a member again', () => guard.log.split('this host is a member').length === 3)
  t.equal(await guard.end('SIGTERM'), 0)
})

t.test('a configuration that cannot be used is refused with the reason', async t => {
  const { config } = await unguardedPool(t, 'master', 'url: https://192.0.2.10\n')
  const guard = new DaemonProcess(t, ['updater', '--toolstack', 'xapi', '--config', config])
  t.equal(await guard.ended(), 65)
  t.match(guard.log, /passwordFile.*is needed with url/)
})

t.test('a new configuration takes effect without a restart, and starts no guard on a member', async t => {
  const { a, config, roleFile, push, isBlocked, call, tasks } = await unguardedPool(t, 'master')
  await push(a, 'degraded')
  const guard = new DaemonProcess(t, ['updater', '--toolstack', 'xapi', '--config', config])
  await until(t, 'it blocks', isBlocked)
  const text = readFileSync(config, 'utf8')
  writeFileSync(config, `${text}poll: { everySeconds: 5 }\n`)
  await until(t, 'it has read it', () => guard.log.includes('reloaded'))
  writeFileSync(roleFile, 'slave:192.0.2.10')
  await until(t, 'it is a member', () => guard.log.includes('this host is a member'))
  writeFileSync(config, `${text}poll: { everySeconds: 6 }\n`)
  await until(t, 'it has read it again', () => guard.log.split('reloaded').length === 3)
  for (const [task] of tasks()) {
    await call('task.set_status', task, 'success')
    await call('task.destroy', task)
  }
  await push(a, 'resyncing')
  t.equal(isBlocked(), false, 'another host would make the task again')
  t.equal(await guard.end('SIGTERM'), 0)
})
