import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { GUARD_KEY } from '../../../src/allowed-operations/pool/guard-heartbeat.ts'
import { guardedPool, until } from '../../stock-pool/guarded-pool.ts'
import { runShell } from '../scripted-agent.ts'

const SHELL = readFileSync(resolve(import.meta.dirname, '../../../docs/SHELL.md'), 'utf8')

function keysOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(keysOf)
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, inner]) => [key, ...keysOf(inner)])
}

t.test('doctor: a pool with a guard is protected, on the page and in JSON, through a member as well', async t => {
  const { a, c, pool, call, push, isBlocked, socketPath, memberSocketPath } = await guardedPool(t)
  for (const host of pool.list('host')) await push(host[0], 'synced')
  await until(t, 'there is a heartbeat', () => GUARD_KEY in (pool.list('pool')[0]?.[1].other_config ?? {}))
  const free = await runShell(['doctor', '--socket-xapi', socketPath])
  t.equal(free.exitCode, 0, free.stdout + free.stderr)
  t.match(free.stdout, /^PROTECTED: /)
  t.match(free.stdout, /\nsentinel SR +.* clustered,\s+plugged on 3 of 3\s+hosts\n/)
  t.match(free.stdout, /\nTask +does not exist: nothing is blocked\n/)
  t.match(free.stdout, /\nguard +acts on a, version 0\.0\.0, last heartbeat \d+ s ago\n/)
  t.match(free.stdout, /\na \* +yes +yes +plugged +synced, \d+ s ago\n/)

  await push(a, 'resyncing')
  await until(t, 'the guard blocks', isBlocked)
  await call('host.disable', c)
  const blocked = await runShell(['doctor', '--json', '--socket-xapi', memberSocketPath])
  t.equal(blocked.exitCode, 0)
  const document = JSON.parse(blocked.stdout)
  t.match(document, {
    schema: 1,
    verdict: 'protected',
    blocking: true,
    guard: { state: 'acts', machine: 'a', version: '0.0.0' },
    hosts: [{ reports: [{ state: 'resyncing' }] }, {}, { enabled: false }],
  })
  const [, section = ''] = SHELL.split('\n### doctor --json\n')
  const [text = ''] = section.split('\n### ')
  const words = new Set(Array.from(text.matchAll(/`([^`]+)`/g), ([, word = '']) => word.split(/[^A-Za-z]+/)).flat())
  t.strictSame(
    [...new Set(keysOf(document))].filter(key => !words.has(key)),
    ['schema', 'at'],
    'every key is documented',
  )
})

t.test('doctor: without a guard, without a plugged sentinel, and without a toolstack', async t => {
  const { pbds, call, pool, socketPath } = await guardedPool(t, { isGuarded: false })
  await call('host.set_name_label', pool.list('host')[1]?.[0], `Rack 1 \u{1b}[31m ${'x'.repeat(60)}`)
  for (const pbd of pbds) await call('PBD.unplug', pbd)
  const { exitCode, stdout } = await runShell(['doctor', '--socket-xapi', socketPath])
  t.equal(exitCode, 1)
  t.match(stdout, /^NOT PROTECTED: /)
  t.match(stdout, /\nguard +none\n/)
  t.match(
    stdout,
    /\nfailure: SR mirrored is plugged on no host, so its Task blocks nothing\.\n {2}xe pbd-list sr-uuid=/,
  )
  t.match(stdout, /\nfailure: No guard has ever acted in this pool\.\n {2}Run `resync-monitor updater/)
  t.notMatch(stdout, '\u{1b}')
  for (const line of stdout.split('\n')) t.ok(line.length <= 80 || !line.trim().includes(' '), line)

  t.match(await runShell(['doctor', '--socket-xapi', `${socketPath}-away`]), { exitCode: 2, stderr: /does not answer/ })
  t.match(await runShell(['doctor', 'hostA', '--socket-xapi', socketPath]), { exitCode: 64, stderr: /not expected/ })
})
