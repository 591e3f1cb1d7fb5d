import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { PoolService } from '../../src/coordinator/pool-service.ts'
import { UpdaterConfigSchema } from '../../src/coordinator/updater-config.ts'
import { ask, askText } from '../embedded-pool/pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'members-'))
t.teardown(() => rmSync(folder, { recursive: true }))
writeFileSync(join(folder, 'password'), 'secret\n')

const UUID = (index: number) => `0a0a0a0a-0000-4000-8000-00000000000${index}`
const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const BOOT = { boot_id: 'b0b0b0b0-0000-4000-8000-000000000001' }

type Names = readonly (readonly [index: number, hostname: string])[]

const ALL: Names = [
  [1, 'hostA'],
  [2, 'hostB'],
  [3, 'hostC'],
]

/** The daemon with one state file, and a client of it. */
function daemonOn(t: { teardown(end: () => Promise<void>): void }) {
  const stateFile = join(folder, `pool-${Math.random()}`)
  const log: string[] = []
  let service: PoolService | null = null
  const configOf = (hosts: Names, sr: object = {}, members = hosts) =>
    UpdaterConfigSchema.parse({
      listen: { port: 0 },
      metrics: { enabled: false },
      stateFile,
      users: [{ name: 'root', passwordFile: join(folder, 'password') }],
      hosts: hosts.map(([index, hostname]) => ({ uuid: UUID(index), hostname, agent: '/nowhere' })),
      srs: [{ uuid: SR, name: 'mirrored', hosts: members.map(([index]) => UUID(index)), ...sr }],
    })
  t.teardown(async () => service?.close())
  const session = async () => {
    const [, port = ''] = /port (\d+)$/m.exec(log.filter(line => line.startsWith('listening')).at(-1) ?? '') ?? []
    const url = `http://127.0.0.1:${port}`
    const ref = await askText(url, 'session.login_with_password', 'root', 'secret')
    return (method: string, ...params: readonly unknown[]) => ask(url, method, ref, ...params)
  }
  return {
    log,
    start: async (...names: Parameters<typeof configOf>) => {
      await service?.close()
      service = await PoolService.start(configOf(...names), ({ code, text }) => log.push(`${code}: ${text}`), '0')
      return session()
    },
    reload: async (...names: Parameters<typeof configOf>) => service?.reload(configOf(...names)),
    logged: (code: string) => log.splice(0).filter(line => line.startsWith(`${code}:`)),
  }
}

type Call = Awaited<ReturnType<ReturnType<typeof daemonOn>['start']>>

async function hostnames(call: Call): Promise<string[]> {
  const records = Object.values(Object(await call('host.get_all_records'))) as { hostname: string }[]
  return records.map(({ hostname }) => hostname).toSorted()
}

t.test('a removed host stays removed over reloads and restarts, until it is added again on purpose', async t => {
  const { start, reload, logged } = daemonOn(t)
  let call = await start(ALL)
  const hostC = await call('host.get_by_uuid', UUID(3))
  t.equal(await call('host.destroy', hostC), '')
  await reload(ALL)
  t.strictSame(await hostnames(call), ['hostA', 'hostB'])
  t.match(logged('member-forgotten'), [/^member-forgotten: host hostC is in the configuration and is not added/])
  call = await start(ALL)
  t.strictSame(await hostnames(call), ['hostA', 'hostB'], 'after a restart too')
  t.equal(logged('member-forgotten').length, 1)

  await call('host.destroy', await call('host.get_by_uuid', UUID(2)))
  const [pool] = (await call('pool.get_all')) as string[]
  await call('pool.remove_from_other_config', pool, `resync-monitor:forgotten:host=${UUID(2)}`)
  await reload(ALL)
  t.strictSame(await hostnames(call), ['hostA', 'hostB'], 'without its mark')
  t.equal(Object.keys(Object(await call('PBD.get_all_records'))).length, 2, 'with its PBD')

  await reload(ALL.slice(0, 2))
  t.strictSame(await hostnames(call), ['hostA', 'hostB'])
  await reload(ALL)
  t.strictSame(await hostnames(call), ['hostA', 'hostB', 'hostC'], 'or after it was out of the file')
})

t.test('a removed SR and a removed PBD stay removed; a call can add them again', async t => {
  const { start, reload, logged } = daemonOn(t)
  const call = await start(ALL)
  for (const [, hostname] of ALL.slice(0, 2)) {
    const host = UUID(hostname === 'hostA' ? 1 : 2)
    await call('host.tickle_heartbeat', await call('host.get_by_uuid', host), { ...BOOT, boot_time: '1.' })
  }
  const pbds = Object.entries(Object(await call('PBD.get_all_records'))) as [string, { host: string; SR: string }][]
  const hostA = await call('host.get_by_uuid', UUID(1))
  const [pbd, { SR: sr } = { SR: '' }] = pbds.find(([, { host }]) => host === hostA) ?? []
  t.match(await call('host.set_other_config', hostA, {}), '')
  await call('pool.hello', UUID(1), '', BOOT)
  t.equal(await call('PBD.unplug', pbd), '')
  t.equal(await call('PBD.destroy', pbd), '')
  await reload(ALL)
  t.equal(Object.keys(Object(await call('PBD.get_all_records'))).length, 2)
  t.match(logged('member-forgotten'), [/the PBD of host \S+ for SR mirrored is in the configuration and is not added/])
  const again = await call('PBD.create', { host: hostA, SR: sr, device_config: {} })
  await call('PBD.destroy', again)
  await call('PBD.create', { host: hostA, SR: sr, device_config: {} })
  await reload(ALL)
  t.strictSame(logged('member-forgotten'), [])

  const own = await askTextOf(call, 'SR.introduce', 's', 'own', '', 'linstor', '', true)
  t.equal(await call('SR.forget', own), '')
  const [pool] = (await call('pool.get_all')) as string[]
  t.strictSame(
    await call('pool.get_other_config', pool),
    {},
    'a record that the configuration does not contain leaves no mark',
  )
})

t.test('differences from the configuration are applied or logged', async t => {
  const { start, reload, logged } = daemonOn(t)
  let call = await start(ALL)
  const renamed: Names = [[1, 'alpha'], ...ALL.slice(1)]
  await reload(renamed)
  t.strictSame(await hostnames(call), ['alpha', 'hostB', 'hostC'])
  t.match(logged('configuration-applied'), [/the hostname of host \S+1 is alpha; it was hostA$/])
  const label = await call('host.get_name_label', await call('host.get_by_uuid', UUID(1)))
  t.equal(label, 'alpha')
  call = await start(ALL)
  t.strictSame(await hostnames(call), ['hostA', 'hostB', 'hostC'], 'and at a start')
  logged('')

  await reload(ALL, { name: 'other', type: 'lvm' })
  const sr = await call('SR.get_by_uuid', SR)
  t.match(await call('SR.get_record', sr), { name_label: 'other', type: 'lvm' })
  t.equal(logged('configuration-applied').length, 2)
  await call('SR.set_name_label', sr, 'by hand')
  await reload(ALL, { name: 'other', type: 'lvm' })
  t.strictSame(logged('configuration-kept'), [])
  call = await start(ALL, { name: 'other', type: 'lvm' })
  t.equal(await call('SR.get_name_label', await call('SR.get_by_uuid', SR)), 'by hand')
  t.match(logged('configuration-kept'), [/keeps its name by hand/])

  await reload(ALL.slice(0, 2), { name: 'other', type: 'lvm' })
  t.match(
    logged('configuration-kept'),
    [/host hostC is no longer in the configuration and stays/, /keeps|SR/].slice(0, 1),
  )
  await reload(ALL, { name: 'other', type: 'lvm' }, ALL.slice(0, 2))
  await reload(ALL, { name: 'other', type: 'lvm' }, ALL.slice(0, 1))
  t.match(
    logged('configuration-kept').filter(line => line.includes('PBD')),
    [/the PBD of host \S+2 for SR \S+ is no longer in the configuration/],
  )
})

async function askTextOf(call: Call, method: string, ...params: readonly unknown[]): Promise<string> {
  return String(await call(method, ...params))
}
