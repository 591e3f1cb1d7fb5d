import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { RESERVATION_KEY } from '../../../src/stock-pool/levers/reservation.ts'
import { guardedPool, until } from '../../stock-pool/guarded-pool.ts'
import { runShell } from '../scripted-agent.ts'

t.test('of two disabled hosts the one with the reservation may reboot, until the reservation is removed', async t => {
  const { a, b, pool, call, isBlocked, socketPath, memberSocketPath } = await guardedPool(t)
  const [nameA = '', nameB = ''] = [a, b].map(host => pool.get('host', host)?.name_label ?? '')
  const uuidB = pool.get('host', b)?.uuid ?? ''
  await call('host.disable', a)
  await call('host.disable', b)
  await until(t, 'the guard blocks', isBlocked)

  const given = await runShell(['reserve', nameB, '--socket-xapi', memberSocketPath], { SUDO_USER: 'ada' })
  t.equal(given.exitCode, 0, given.stderr)
  t.match(
    given.stdout,
    new RegExp(`^The next reboot is reserved for ${nameB} until .* UTC \\(in 60\\s+min\\), by\\s+ada\\.`),
  )
  t.match(given.stdout.replaceAll(/\s+/g, ' '), `it also accepts a reboot of ${nameA}, disabled as well.`)
  t.notMatch(given.stdout, /is enabled/)
  for (const line of given.stdout.split('\n')) t.ok(line.length <= 80, line)
  await until(t, 'the block is lifted', () => !isBlocked())

  const other = await runShell(['reserve', nameA, '--remove', '--socket-xapi', socketPath])
  t.match(other, {
    exitCode: 1,
    stderr: new RegExp(`${nameA} has no reservation; the reservation is for ${nameB} until`),
  })
  const removed = await runShell(['reserve', uuidB, '--remove', '--json', '--socket-xapi', socketPath])
  t.match(JSON.parse(removed.stdout), { schema: 1, removed: { host: { uuid: uuidB, name: nameB }, by: 'ada' } })
  await until(t, 'the guard blocks', isBlocked)
  t.equal(await call('host.reboot', b), 'CLUSTERED_SR_DEGRADED')
})

t.test('a reservation replaces that for another host; the answer has names, and an enabled host is named', async t => {
  const { a, b, pool, socketPath, call } = await guardedPool(t, { isGuarded: false })
  await call('host.set_name_label', b, 'Rack 2')
  const run = (...args: string[]) => runShell(['reserve', ...args, '--socket-xapi', socketPath])
  t.match(await run(pool.get('host', a)?.uuid ?? '', '--for', '30d'), {
    exitCode: 0,
    stdout: /is enabled: disable it first/,
  })
  const second = await run('rack 2', '--for', '2h', '--json')
  t.match(JSON.parse(second.stdout), {
    reservation: { host: { name: 'Rack 2' } },
    replaced: { host: { uuid: pool.get('host', a)?.uuid } },
    enabled: true,
    alsoDisabled: [],
  })
  t.match(await run('--remove'), { exitCode: 0, stdout: 'The reservation for Rack 2 is removed.' })
  t.match(await run('--remove'), { exitCode: 0, stdout: 'There was no reservation in force.' })
  t.notOk(RESERVATION_KEY in (pool.list('pool')[0]?.[1].other_config ?? {}))
})

t.test('wrong usage, a name that is not known, and a toolstack that does not answer', async t => {
  const { pool, b, socketPath, call } = await guardedPool(t, { isGuarded: false })
  await call('host.set_name_label', b, 'hostB')
  const at = ['--socket-xapi', socketPath]
  t.match(await runShell(['reserve', 'hostX', ...at]), {
    exitCode: 64,
    stderr: /there is no host 'hostX' in this pool; did you mean hostB\?; valid: .*hostB/,
  })
  t.notOk(RESERVATION_KEY in (pool.list('pool')[0]?.[1].other_config ?? {}))
  t.match(await runShell(['reserve', ...at]), { exitCode: 64, stderr: /a HOST is missing/ })
  t.match(await runShell(['reserve', 'hostB', '--for', '31d', ...at]), { exitCode: 64, stderr: /must be 30d at most/ })
  t.match(await runShell(['reserve', 'hostB', '--for', '1h', '--remove', ...at]), { exitCode: 64, stderr: /--remove/ })
  const away = await runShell(['reserve', 'hostB', '--json', '--socket-xapi', `${socketPath}-away`])
  t.match(away, { exitCode: 1, stderr: /the toolstack at .*-away does not answer/ })
  t.match(JSON.parse(away.stdout), { error: { code: 'toolstackUnreachable' } })

  const folder = mkdtempSync(join(tmpdir(), 'reserve-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const config = join(folder, 'updater.yaml')
  writeFileSync(config, JSON.stringify({ toolstack: 'xapi', socket: socketPath }))
  t.match(await runShell(['reserve', 'hostB', '--config', config]), { exitCode: 0 })
  writeFileSync(config, JSON.stringify({ users: [] }))
  t.match(await runShell(['reserve', 'hostB', '--config', config]), { exitCode: 65, stderr: /unmodified toolstacks/ })
  writeFileSync(config, JSON.stringify({ toolstack: 'xapi', sockett: socketPath }))
  t.match(await runShell(['reserve', 'hostB', '--config', config]), { exitCode: 65, stderr: /sockett/ })
})
