import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { PoolService } from '../../../src/coordinator/pool-service.ts'
import { UpdaterConfigSchema } from '../../../src/coordinator/updater-config.ts'
import { ask } from '../../embedded-pool/pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'users-'))
t.teardown(() => rmSync(folder, { recursive: true }))

/** A file with a password. */
function password(text: string): string {
  const path = join(folder, text)
  writeFileSync(path, `${text}\n`)
  return path
}

t.test('a reload ends the sessions of users that were removed or changed, and no others', async t => {
  const log: string[] = []
  const configOf = (users: readonly object[]) =>
    UpdaterConfigSchema.parse({ listen: { port: 0 }, metrics: { enabled: false }, users })
  const ann = { name: 'ann', passwordFile: password('one') }
  const gone = { name: 'gone', passwordFile: password('one') }
  const lowered = { name: 'lowered', passwordFile: password('one'), role: 'pool-admin' }
  const renewed = { name: 'renewed', passwordFile: password('one') }
  const service = await PoolService.start(
    configOf([ann, gone, lowered, renewed]),
    ({ code, text }) => log.push(`${code}: ${text}`),
    '0',
  )
  t.teardown(() => service.close())
  const [, port = ''] = /port (\d+)/.exec(log.join('\n')) ?? []
  const url = `http://127.0.0.1:${port}`
  const login = (user: string, secret = 'one') => ask(url, 'session.login_with_password', user, secret)
  const names = ['ann', 'gone', 'lowered', 'renewed']
  const sessions = await Promise.all(names.map(name => login(name)))
  const users = [ann, { ...lowered, role: 'read-only' }, { ...renewed, passwordFile: password('two') }]
  await service.reload(configOf(users))
  const answers = await Promise.all(sessions.map(session => ask(url, 'host.get_all', session)))
  t.strictSame(answers, [[], ...sessions.slice(1).map(session => ['SESSION_INVALID', session])])
  t.match(await login('renewed', 'two'), /^OpaqueRef:/)
  t.match(await login('lowered'), /^OpaqueRef:/)
  const unknownUser = 'gone\nerror bug: \u001b[2J'
  t.strictSame(await login(unknownUser), ['SESSION_AUTHENTICATION_FAILED', unknownUser, 'Authentication failure'])
  t.strictSame(log.slice(-1), ['login-failed: a login as "gone\\nerror bug: \\u001b[2J" from 127.0.0.1 has failed'])
})
