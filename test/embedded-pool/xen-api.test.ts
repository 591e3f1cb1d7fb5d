/** The real client of Xen Orchestra against the embedded pool with the gate of this project. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createClient, type Xapi } from 'xen-api'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import { EmbeddedPool } from '../../src/embedded-pool/embedded-pool.ts'
import type { PoolOptions } from '../../src/embedded-pool/pool-options.ts'
import type { Role } from '../../src/embedded-pool/sessions/roles.ts'
import { embeddedPoolPort } from '../../src/embedded-pool/updater-port.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { encodeReport } from '../../src/sync-query/report/report-encode.ts'
import type { SyncState } from '../../src/sync-query/state.ts'
import { Updater } from '../../src/updater/updater.ts'
import { ask, until } from './pool-under-test.ts'
import { createSlaveEndpoint } from './slave-endpoint.ts'

const USERS: Readonly<Record<string, Role>> = { admin: 'pool-admin', operator: 'pool-operator', reader: 'read-only' }
const TLS = join(import.meta.dirname, '../fixtures/tls')

/** A clock that runs twenty times as fast: agent_start_time has whole seconds, and the rolling reboot waits for the next one. */
const beganMs = Date.now()
const now = () => beganMs + 20 * (Date.now() - beganMs)

interface Tap {
  teardown(end: () => Promise<void>): void
}

/** A pool of three hosts with the gate of the updater. A host with an order goes down immediately and returns shortly after. */
async function poolWithGate(t: Tap, options: Partial<PoolOptions> = {}) {
  let seq = 0
  let boots = 0
  const reports = new Map<string, string>()
  const pool = new EmbeddedPool({
    clock: { ...machineClock, now },
    gate: { claim: (snapshot, wanted) => updater.claim(snapshot, wanted) },
    machines: {
      goDown: ref => {
        setTimeout(() => {
          pool.hostLeft(ref)
          setTimeout(() => pool.hostReturned(ref, { bootTimeMs: now() }), 60)
        }, 20)
      },
    },
    authenticate: user => USERS[user] ?? false,
    enableDelayMs: 20,
    eventBatchMs: 5,
    ...options,
  })
  const { sr, hosts } = pool.seed(['hostA', 'hostB', 'hostC'], { type: 'linstor' })
  const updater: Updater = new Updater({
    pool: embeddedPoolPort(pool, async host => reports.get(host) ?? Promise.reject(new Error('no report yet'))),
    policy: DEFAULT_POLICY,
    clock: { ...machineClock, now },
    pollEveryMs: 20,
    pollTimeoutMs: 1_000,
    decided: () => undefined,
    recomputed: () => undefined,
    effectFailed: error => {
      throw error
    },
  })
  let sessions = 0
  pool.subscribe(({ cls, operation }) => {
    if (cls === 'session') sessions += operation === 'add' ? 1 : -1
  })
  /** Writes a report of a host about the SR, in its present boot. */
  const say = (ref: string, state: SyncState) => {
    seq += 1
    const at = new Date(now()).toISOString()
    const uuids = { host: pool.get('host', ref)?.uuid ?? '', sr: pool.get('SR', sr)?.uuid ?? '' }
    const mirrors = { synced: 0, resyncing: 0, degraded: 0, unknown: 0, [state]: 1 }
    const figures = { outOfSyncBytes: null, progress: null, etaSeconds: null, reasons: [] }
    const bootId = `boot-${boots}`
    reports.set(ref, encodeReport({ schema: 1, ...uuids, bootId, seq, at, state, since: at, mirrors, ...figures }))
    updater.recompute()
  }
  const mayReboot = (ref: string) => updater.verdicts().hosts.get(ref)?.reboot.reasons.length === 0
  const { port } = await pool.listen({ port: 0 })
  const clients: Xapi[] = []
  /** Returns a connected client with a complete cache. */
  const connect = async (user: string) => {
    const client = createClient({ url: `http://${user}:secret@127.0.0.1:${port}`, debounce: 5, eventPollDelay: 1 })
    clients.push(client)
    await client.connect()
    await client.objectsFetched
    return client
  }
  t.teardown(async () => {
    await Promise.all(clients.map(client => client.disconnect()))
    // the event loop of a client warns about a closed pool: end all sessions first
    await until(() => sessions === 0)
    await ask(`http://127.0.0.1:${port}`, 'system.listMethods')
    await updater.close()
    await pool.close()
  })
  updater.start()
  return {
    pool,
    updater,
    sr,
    hosts: hosts.map(({ ref }) => ref),
    say,
    mayReboot,
    connect,
    reports,
    newBoot: () => (boots += 1),
  }
}

function codeOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'done',
    error => [error.code, ...(error.params ?? [])],
  )
}

t.test('the client connects, and its cache follows added, changed and removed objects', async t => {
  const { pool, sr, hosts, connect } = await poolWithGate(t)
  const client = await connect('admin')
  t.equal(client.status, 'connected')
  t.equal(client.pool.$ref, pool.ref)
  const [a = ''] = hosts
  t.match(client.getObjectByRef(a), {
    $type: 'host',
    hostname: 'hostA',
    $metrics: { live: true },
    $pool: { $ref: pool.ref },
  })
  t.match(client.getObjectByRef(sr), { $type: 'SR', $PBDs: { length: 3 } })

  const added = pool.addHost({ hostname: 'hostD' })
  await until(() => client.getObjectByRef(added, undefined)?.hostname === 'hostD')
  pool.hostLeft(added)
  await until(() => Reflect.get(Object(client.getObjectByRef(added)?.$metrics), 'live') === false)
  pool.removeHost(added)
  await until(() => client.getObjectByRef(added, undefined) === undefined)

  await client.setFieldEntry('SR', sr, 'other_config', 'note', 'one')
  await client.setFieldEntry('SR', sr, 'other_config', 'note', 'two')
  t.match(await client.barrier(sr), { other_config: { note: 'two' } })
  await client.setFieldEntry('SR', sr, 'other_config', 'note', null)
  t.strictSame((await client.barrier(sr)).other_config, {})
  t.strictSame(await client.call('host.get_all'), [...hosts])
  t.strictSame(await codeOf(client.call('host.get_uuid', 'OpaqueRef:none')), [
    'HANDLE_INVALID',
    'host',
    'OpaqueRef:none',
  ])
})

t.test(
  'a reboot is refused with CLUSTERED_SR_DEGRADED while another host resyncs, and allowed after the resync',
  async t => {
    const { hosts, sr, say, mayReboot, connect } = await poolWithGate(t)
    const [a = '', b = '', c = ''] = hosts
    const client = await connect('operator')
    for (const host of [a, b, c]) {
      await client.call('host.disable', host)
      say(host, 'synced')
    }
    say(b, 'resyncing')
    await until(() => !mayReboot(a))
    const refused = ['CLUSTERED_SR_DEGRADED', sr]
    t.strictSame(await codeOf(client.call('host.reboot', a)), refused)
    t.strictSame(await codeOf(client.callAsync('host.reboot', a)), refused, 'also as a task')
    say(b, 'synced')
    await until(() => mayReboot(a))
    t.strictSame(
      (await Promise.all([a, b, c].map(host => codeOf(client.callAsync('host.reboot', host))))).map(String).sort(),
      [String(refused), String(refused), 'done'],
      'exactly one of three concurrent reboots succeeds',
    )
  },
)

t.test('a read-only user can read everything and reboot nothing', async t => {
  const { hosts, say, mayReboot, connect } = await poolWithGate(t)
  const [a = ''] = hosts
  const operator = await connect('operator')
  await operator.call('host.disable', a)
  for (const host of hosts) say(host, 'synced')
  await until(() => mayReboot(a))
  const reader = await connect('reader')
  t.match(reader.getObjectByRef(a), { enabled: false })
  const denied = (method: string) => [
    'RBAC_PERMISSION_DENIED',
    method,
    'No permission in user session. (Roles with this permission: pool-operator, pool-admin)',
  ]
  t.strictSame(await codeOf(reader.call('host.reboot', a)), denied('host.reboot'))
  t.strictSame(await codeOf(reader.callAsync('host.reboot', a)), denied('host.reboot'))
  t.strictSame(
    await codeOf(reader.setFieldEntry('host', a, 'other_config', 'x', 'y')),
    denied('host.remove_from_other_config'),
  )
  t.ok(mayReboot(a), 'nothing has changed')
})

t.test('the rolling reboot of Xen Orchestra completes, host by host', { timeout: 20_000 }, async t => {
  const { hosts, say, mayReboot, connect, reports, newBoot, sr } = await poolWithGate(t)
  const client = await connect('operator')
  for (const host of hosts) say(host, 'synced')
  const hostOf = (ref: string) => client.getObjectByRef(ref)
  const isLive = (ref: string) => Reflect.get(Object(hostOf(ref)?.$metrics), 'live') === true
  const secondsOf = (value: unknown) => Number(Reflect.get(Object(value), 'agent_start_time'))
  for (const [index, ref] of hosts.entries()) {
    await until(() => isLive(ref))
    await client.call('host.assert_can_evacuate', ref)
    await client.call('host.disable', ref)
    await client.callAsync('host.evacuate', ref)
    await until(() => mayReboot(ref))
    const servertime = String(await client.call('host.get_servertime', ref))
    const [year, month, day] = [servertime.slice(0, 4), servertime.slice(4, 6), servertime.slice(6, 8)]
    const rebootedAtS = Date.parse(`${year}-${month}-${day}${servertime.slice(8)}`) / 1000
    reports.delete(ref)
    newBoot()
    // the client compares whole seconds: agent_start_time is newer only in the next second
    await until(() => now() / 1000 >= rebootedAtS + 1)
    await client.callAsync('host.reboot', ref)
    await until(() => hostOf(ref)?.enabled === true && secondsOf(hostOf(ref)?.other_config) > rebootedAtS)
    await until(() => isLive(ref))
    const next = hosts[(index + 1) % hosts.length] ?? ''
    await client.call('host.disable', next)
    t.strictSame(
      await codeOf(client.callAsync('host.reboot', next)),
      ['CLUSTERED_SR_DEGRADED', sr],
      'enabled, not in sync',
    )
    say(ref, 'resyncing')
    t.strictSame(await codeOf(client.call('host.reboot', next)), ['CLUSTERED_SR_DEGRADED', sr])
    await client.call('host.enable', next)
    say(ref, 'synced')
  }
})

t.test('pools, hosts and SRs have every field that Xen Orchestra converts', async t => {
  const { pool, hosts, sr, connect } = await poolWithGate(t)
  const client = await connect('reader')
  const [a = ''] = hosts
  const of = (ref: string) => client.getObjectByRef(ref)
  t.match(of(pool.ref), {
    ha_enabled: false,
    $ha_statefiles: [],
    restrictions: {},
    wlb_enabled: false,
    cpu_info: {},
    current_operations: {},
    suspend_image_SR: 'OpaqueRef:NULL',
    crash_dump_SR: 'OpaqueRef:NULL',
    $master: { hostname: 'hostA' },
  })
  t.match(of(a), {
    chipset_info: {},
    license_params: {},
    license_server: {},
    capabilities: [],
    cpu_info: {},
    bios_strings: {},
    logging: {},
    iscsi_iqn: '',
    control_domain: 'OpaqueRef:NULL',
    updates_requiring_reboot: [],
    API_version_major: 2,
    API_version_minor: 21,
    API_version_vendor: 'XenSource',
    software_version: {
      xapi: /^\d+\.\d+/,
      product_brand: 'resync-monitor',
      product_version: /^\d+\.\d+\.\d+$/,
      platform_version: /^\d+\.\d+\.\d+$/,
      build_number: String,
    },
    $metrics: { live: true },
  })
  for (const field of ['$patches', '$updates', '$PIFs', '$PCIs', '$PGPUs', '$certificates', '$resident_VMs']) {
    t.strictSame(of(a)?.[field], [], field)
  }
  t.match(of(sr), { blobs: {}, local_cache_enabled: false, introduced_by: 'OpaqueRef:NULL', is_tools_sr: false })
  t.equal(await client.call('host.get_API_version_minor', a), 21)
  t.strictSame(await client.call('pool.get_restrictions', pool.ref), {})
  pool.setAllowedOperations(a, ['reboot'])
  await until(() => JSON.stringify(of(a)?.allowed_operations) === '["reboot"]')
  t.match(of(a), { capabilities: [], software_version: { xapi: String } }, 'events contain the fields too')
})

t.test('the classes that clients fetch at login exist: empty tables, and roles', async t => {
  const { connect } = await poolWithGate(t)
  const client = await connect('reader')
  const fetched = ['VM', 'VDI', 'VBD', 'VIF', 'VTPM', 'network', 'PIF', 'PCI', 'PGPU', 'GPU_group', 'pool_patch']
  for (const cls of [
    ...fetched,
    'pool_update',
    'host_patch',
    'host_cpu',
    'console',
    'crashdump',
    'SM',
    'blob',
    'secret',
  ]) {
    t.strictSame(await client.call(`${cls}.get_all_records`), {}, cls)
    t.strictSame(await client.call(`${cls}.get_all`), [], cls)
    t.strictSame(await client.call(`${cls}.get_all_records_where`, 'true'), {}, cls)
    t.strictSame(await codeOf(client.call(`${cls}.get_by_uuid`, 'u')), ['UUID_INVALID', cls, 'u'])
    t.strictSame(await codeOf(client.call(`${cls}.get_record`, 'x')), ['HANDLE_INVALID', cls, 'x'])
  }
  t.strictSame(await client.call('VM.get_by_name_label', 'any'), [])
  const batch = await client.call('event.from', ['vm', 'VDI', 'network'], '', 0)
  t.match(batch, {
    events: [],
    valid_ref_counts: { host: 3, vm: 0, vdi: 0, network: 0, gpu_group: 0, role: undefined },
  })
  const roles = Object.values(Object(await client.call('role.get_all_records')))
  t.strictSame(
    roles.map(role => Reflect.get(Object(role), 'name_label')),
    ['pool-admin', 'pool-operator', 'vm-power-admin', 'vm-admin', 'vm-operator', 'read-only', 'host-agent'],
  )
  const admin = 'OpaqueRef:0165f154-ba3e-034e-6b27-5d271af109ba'
  t.equal(await client.call('role.get_name_label', admin), 'pool-admin', 'clients know this role by its UUID')
  t.strictSame(await client.call('role.get_by_name_label', 'pool-admin'), [admin])
  const agent = Object(await client.call('role.get_by_name_label', 'host-agent'))[0]
  const may = Object(await client.call('role.get_permissions_name_label', agent))
  t.ok(may.includes('pool.hello') && may.includes('host.get_all') && !may.includes('host.reboot'))
})

t.test('after EVENTS_LOST the client fetches everything again and has the right state', async t => {
  const { pool, connect } = await poolWithGate(t)
  const client = await connect('admin')
  const session = await client.call('task.create', 'one that stays', '')
  const gone = pool.addHost({ hostname: 'hostD' })
  await until(() => client.getObjectByRef(gone, undefined) !== undefined)
  pool.removeHost(gone)
  const refs: string[] = []
  for (let index = 0; index < 600; index += 1) refs.push(pool.addHost({ hostname: `h${index}` }))
  for (const ref of refs) pool.removeHost(ref)
  await until(() => client.getObjectByRef(gone, undefined) === undefined)
  await client.barrier(pool.ref)
  t.equal(Object.values(client.objects.all).filter(({ $type }) => $type === 'host').length, 3)
  t.ok(client.getObjectByRef(String(session), undefined))
})

t.test('the client connects over HTTPS, and through a member that is not the coordinator', async t => {
  const options = { gate: { claim: () => ({ ok: true }) as const }, machines: { goDown: () => undefined } }
  const pool = new EmbeddedPool({ ...options, clock: machineClock, authenticate: user => USERS[user] ?? false })
  const { ref } = pool.seed(['hostA']).hosts[0] ?? { ref: '' }
  const tls = {
    key: readFileSync(join(TLS, 'server.key.pem'), 'utf8'),
    cert: readFileSync(join(TLS, 'server.cert.pem'), 'utf8'),
  }
  const { port } = await pool.listen({ port: 0, tls })
  // the client keeps the port and changes the address
  const slave = createSlaveEndpoint({ coordinator: '127.0.0.1' })
  await slave.listen({ port, host: '127.0.0.2', tls })
  const client = createClient({
    url: `https://reader:secret@127.0.0.2:${port}`,
    allowUnauthorized: true,
    watchEvents: false,
  })
  t.teardown(async () => {
    await client.disconnect()
    await slave.close()
    await pool.close()
  })
  await client.connect()
  t.strictSame(await client.call('host.get_all'), [ref])
  await t.rejects(
    fetch(`http://127.0.0.1:${port}/jsonrpc`, { method: 'POST', body: '{}' }),
    'plain HTTP is not answered',
  )
})
