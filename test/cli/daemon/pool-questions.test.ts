import { get } from 'node:http'
import { join } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { rawCall } from '../../agent-api/raw-call.ts'
import { until } from './daemon-process.ts'
import { IN_SYNC, resyncing } from './model-kernel.ts'
import { canReboot, HOSTNAMES, type Host, hostUuid, inSync, poolOf, refOf, SR } from './pool-of-daemons.ts'

const SENTINEL = '5c5c5c5c-0000-4000-8000-000000000009'
const SCRIPTS = join(import.meta.dirname, '../../../plugin/volume/org.xen.xapi.storage.resync-monitor')

t.test('any host answers about the whole pool, and an override allows one host to reboot', async t => {
  const pool = poolOf(t)
  const daemon = await pool.start()
  const client = pool.clientOf()
  await inSync(pool, client)
  const [hostA, hostB] = pool.hosts
  const soon = () => AbortSignal.timeout(30_000)
  const ask = (method: string, params: Record<string, unknown> = {}, host = hostB) =>
    rawCall(host?.socket ?? '', method, params, soon())
  const all = await ask('Pool.gate')
  t.match(all, { coordinator: { name: 'hostA' }, hosts: HOSTNAMES.map(name => ({ name, live: true, reasons: [] })) })
  t.match(await ask('Host.can_reboot', { hosts: ['hostC'] }), { canReboot: true, error: null })
  t.match(await ask('Host.can_reboot', { hosts: ['hostA', 'hostC'] }), {
    canReboot: false,
    reasons: [{ code: 'one-at-a-time' }, { code: 'one-at-a-time' }],
  })

  let events = ''
  const reading = get({ socketPath: hostA?.socket ?? '', path: '/events' }, response => {
    response.setEncoding('utf8').on('data', text => {
      events += text
    })
    response.on('error', () => undefined)
  })
  t.teardown(() => reading.destroy())
  reading.on('error', () => undefined)
  await until('the state of the SR is published', () => /event: state\ndata: \{"sr":"5c.*"state":"synced"/.test(events))

  hostA?.kernel.setState({ mesh0: resyncing(4096) })
  await until('it blocks', async () => (await canReboot(client)) === '')
  t.match(await ask('Pool.gate'), {
    hosts: HOSTNAMES.map(name => ({
      name,
      operations: { reboot: ['CLUSTERED_SR_DEGRADED'] },
      reasons: [{ code: 'not-synced', host: { name: 'hostA' }, sr: { uuid: SR, name: 'mirrored' }, since: /^20/ }],
    })),
  })
  t.match(await ask('SR.mirrors', { sr: SR }, hostA), {
    counts: { resyncing: 1 },
    mirrors: [{ mirror: 'mesh0/0', backend: 'drbd', state: 'resyncing', reasons: [{ code: 'resync-running' }] }],
    omitted: 0,
  })
  const plugin = (fn: string, args: object) =>
    refOf(client, 2).then(ref => client.call('host.call_plugin', [ref, 'resync-monitor', fn, args]))
  t.match(JSON.parse(String(await plugin('can-reboot', { hosts: 'hostB' }))), { canReboot: false })
  t.match(JSON.parse(String(await plugin('status', {}))), [{ sr: SR, state: 'synced' }], 'of the host it is called on')

  const request = { host: 'hostB', reason: 'fire', by: 'ada', expiresInSeconds: 600 }
  t.match(await ask('Override.set', request), { reason: 'fire', by: 'ada', inForce: true })
  await until('only hostB may reboot', async () => (await canReboot(client)) === 'hostB')
  t.match(await ask('Host.can_reboot', { hosts: ['hostB'] }), {
    canReboot: true,
    reasons: [{ text: /override of ada/ }],
  })
  t.strictSame(await ask('Override.clear', { host: 'hostB' }), {})
  await until('no host may reboot', async () => (await canReboot(client)) === '')
  await t.rejects(ask('Override.set', { ...request, expiresInSeconds: 100_000 }), {
    code: -32_602,
    message: /24 hours/,
  })
  await t.rejects(ask('Override.set', { ...request, host: 'nobody' }), { code: -32_602, message: /nobody/ })
  await t.rejects(ask('Override.set', { ...request, reason: ' ' }), { code: -32_602, message: /reason/ })
  await t.rejects(ask('Host.can_reboot', { hosts: [] }), { code: -32_602, message: /hosts/ })

  const waiting = ask('SR.wait_synced', { sr: SR, timeoutSeconds: 60 }, hostA)
  hostA?.kernel.setState({ mesh0: IN_SYNC })
  t.match(await waiting, { state: 'synced' })
  await until('the events of the start and the end are published', () =>
    /"transition":"resync-started"(.*\n)*.*"transition":"resync-finished"/.test(events),
  )
  t.equal(await daemon.end('SIGTERM'), 0)
  await t.rejects(ask('Pool.gate'), { code: -32_003, message: /the toolstack cannot be reached/ })
})

t.test('SR.stat of a sentinel SR reports the pool on the coordinator, and the host on other hosts', async t => {
  const pool = poolOf(t)
  const daemon = await pool.start()
  const client = pool.clientOf()
  await inSync(pool, client)
  const [hostA, hostB] = pool.hosts
  const call = async (host: Host | undefined, method: string, params: object) => {
    const env = { ...process.env, RESYNC_MONITOR_SOCKET: host?.socket ?? '' }
    const input = JSON.stringify({ ...params, dbg: 'test' })
    const { stdout } = await execa(join(SCRIPTS, method), ['--json'], { env, input, reject: false })
    return JSON.parse(stdout)
  }
  const configuration = { sr: SR }
  const created = { uuid: SENTINEL, name: 'sentinel', description: '', configuration }
  for (const host of pool.hosts) {
    const device = await call(host, 'SR.create', created)
    await call(host, 'SR.attach', { configuration: device })
  }
  const entry = {
    uuid: SENTINEL,
    type: 'resync-monitor',
    name: 'sentinel',
    hosts: HOSTNAMES.map((_, index) => hostUuid(index)),
  }
  pool.configure({ srs: [{ uuid: SR, hosts: entry.hosts }, entry] })
  const health = async (host: Host | undefined) =>
    (await call(host, 'SR.stat', { sr: `resync-monitor://${SENTINEL}` })).health
  const isHealthy = (host: Host | undefined) => async () => (await health(host))[0] === 'Healthy'
  await until('all may reboot', async () => (await canReboot(client)) === HOSTNAMES.join(' '))
  await until('the coordinator reports Healthy', isHealthy(hostA))
  hostB?.kernel.setState({ mesh0: resyncing(4096) })
  await until('the coordinator reports that another host is not in sync', async () =>
    /^resyncing: .*hostB/.test((await health(hostA))[1]),
  )
  t.strictSame(await health(pool.hosts[2]), ['Healthy', ''], 'a third host does not report it')
  t.equal(await daemon.end('SIGTERM'), 0)
})
