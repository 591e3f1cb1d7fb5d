import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { PoolService } from '../../../src/coordinator/pool-service.ts'
import { UpdaterConfigSchema } from '../../../src/coordinator/updater-config.ts'
import { ask, askText, until } from '../../embedded-pool/pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'refused-'))
t.teardown(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'password'), 'secret\n')

const UUID = '0a0a0a0a-0000-4000-8000-000000000001'
const BOOT = { boot_id: 'b0b0b0b0-0000-4000-8000-000000000001' }

t.test(
  'each refused call is logged, recorded in the decision log and counted, whether or not a field changes',
  async t => {
    const log: string[] = []
    const file = join(folder, 'decisions.jsonl')
    const service = await PoolService.start(
      UpdaterConfigSchema.parse({
        listen: { port: 0 },
        metrics: { port: 0 },
        decisionLog: { file },
        users: ['root', 'reader'].map(name => ({
          name,
          passwordFile: join(folder, 'password'),
          role: name === 'root' ? 'pool-admin' : 'read-only',
        })),
        hosts: [{ uuid: UUID, hostname: 'hostA', agent: '/nowhere' }],
        srs: [{ uuid: '5c5c5c5c-0000-4000-8000-000000000001', hosts: [UUID] }],
      }),
      ({ code, text }) => log.push(`${code}: ${text}`),
      '0',
    )
    t.teardown(() => service.close())
    const [, port = ''] = /XenAPI at \S+ port (\d+)/.exec(log.join('\n')) ?? []
    const [, metrics = ''] = /served at (\S+)/.exec(log.join('\n')) ?? []
    const url = `http://127.0.0.1:${port}`
    const session = await askText(url, 'session.login_with_password', 'root', 'secret')
    const reader = await askText(url, 'session.login_with_password', 'reader', 'secret')
    const host = await askText(url, 'host.get_by_uuid', session, UUID)
    await ask(url, 'pool.hello', session, UUID, '', BOOT)
    await ask(url, 'host.disable', session, host)
    const sr = firstKey(await ask(url, 'SR.get_all_records', session))
    const refused = ['CLUSTERED_SR_DEGRADED', sr]
    for (let tries = 0; tries < 50; tries += 1) t.strictSame(await ask(url, 'host.reboot', session, host), refused)
    const task = await askText(url, 'Async.host.shutdown', session, host)
    await until(() => log.some(line => line.includes('host.shutdown')))
    t.match(await ask(url, 'task.get_error_info', session, task), refused)
    t.match(await ask(url, 'host.destroy', reader, host), ['RBAC_PERMISSION_DENIED'])
    t.match(await ask(url, 'host.get_record', session, 'nobody'), ['HANDLE_INVALID'])
    t.match(await ask(url, 'host.reboot', 'nobody', host), ['SESSION_INVALID'])
    t.match(await ask(url, 'host.explode', session, host), ['MESSAGE_METHOD_UNKNOWN'])

    const calls = () => log.filter(line => line.startsWith('call-refused'))
    t.match(calls(), [
      /^call-refused: host.reboot of hostA by root is refused: CLUSTERED_SR_DEGRADED \S+: SR \S+: the pool has no report from hostA/,
      /^call-refused: host.shutdown of hostA by root is refused: /,
      /^call-refused: host.destroy of hostA by reader is refused: RBAC_PERMISSION_DENIED host.destroy /,
    ])
    t.equal(calls().length, 3, 'fifty calls are one line, and failed reads have none')
    const text = await (await fetch(metrics)).text()
    for (const line of [
      'resync_monitor_gate_calls_refused_total{method="host.reboot",error="CLUSTERED_SR_DEGRADED"} 50',
      'resync_monitor_gate_calls_refused_total{method="host.shutdown",error="CLUSTERED_SR_DEGRADED"} 1',
      'resync_monitor_gate_calls_refused_total{method="host.destroy",error="RBAC_PERMISSION_DENIED"} 1',
      'resync_monitor_gate_calls_refused_total{method="host.get_record",error="HANDLE_INVALID"} 1',
      'resync_monitor_gate_calls_refused_total{method="host.reboot",error="SESSION_INVALID"} 1',
      'resync_monitor_gate_calls_refused_total{method="other",error="other"} 1',
    ]) {
      t.ok(text.includes(`${line}\n`), line)
    }
    await service.close()
    t.match(calls().at(-1), /host.reboot of hostA by root is refused \(49 calls in a minute/)
    const lines = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
      .filter(({ event }) => event === 'call-refused')
    t.match(lines, [
      {
        method: 'host.reboot',
        host,
        hostName: 'hostA',
        user: 'root',
        error: refused,
        count: 1,
        reasons: [{ host, sr }],
      },
      { method: 'host.shutdown', count: 1 },
      { method: 'host.destroy', user: 'reader', reasons: [] },
      { method: 'host.reboot', count: 49 },
    ])
  },
)

function firstKey(records: unknown): string {
  return Object.keys(Object(records))[0] ?? ''
}
