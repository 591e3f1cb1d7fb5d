import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { XenApiClient } from '../../../src/xenapi-client/client.ts'
import { XenApiError } from '../../../src/xenapi-client/errors.ts'
import { DaemonProcess, until } from './daemon-process.ts'
import { IN_SYNC, resyncing } from './model-kernel.ts'
import { allowed, canReboot, HOSTNAMES, hostUuid, inSync, poolOf, refOf, SR } from './pool-of-daemons.ts'

const reboot = async (client: XenApiClient, index: number) =>
  client.call('host.reboot', [await refOf(client, index)]).then(
    () => 'accepted',
    error => (error instanceof XenApiError ? error.code : String(error)),
  )

t.test(
  'while a host reboots the others are refused, also after a kill of the coordinator, until it is in sync',
  async t => {
    const pool = poolOf(t)
    const [hostA, hostB, hostC] = pool.hosts
    if (hostA === undefined || hostB === undefined || hostC === undefined) throw new Error('three hosts')
    let daemon = await pool.start()
    const client = pool.clientOf()
    t.equal(await canReboot(client), '', 'no host has reported yet')
    await inSync(pool, client)

    const results = await Promise.all([reboot(client, 0), reboot(client, 1)])
    t.strictSame(results.toSorted(), ['CLUSTERED_SR_DEGRADED', 'accepted'], 'two in the same instant: exactly one')
    const leaving = results[0] === 'accepted' ? hostA : hostB
    const others = HOSTNAMES.keys().filter(index => pool.hosts[index] !== leaving)
    await until('no host may reboot by allowed_operations', async () => (await canReboot(client)) === '')
    await until('its agent takes the machine down', () => existsSync(leaving.rebooting))

    const [, metrics = ''] = await until('metrics are served', () => /served at (\S+)/.exec(daemon.log))
    t.match(
      await (await fetch(metrics)).text(),
      /polls_total\{outcome="answered"\} [1-9]/,
      'agents prove their answers',
    )
    t.match(await (await fetch(metrics)).text(), /resync_monitor_gate_blocked\{host="[^"]+",operation="reboot"\} 1/)

    await daemon.end('SIGKILL')
    daemon = await pool.start()
    for (const index of others)
      t.equal(await reboot(client, index), 'CLUSTERED_SR_DEGRADED', 'the order is still known')

    await leaving.cutPower()
    leaving.reboot()
    leaving.kernel.setState({})
    leaving.switchOn()
    await sleep(500)
    t.equal(await canReboot(client), '', 'it is back, and its resource is not up')
    leaving.kernel.setState({
      mesh0: { ...resyncing(4096), replication: 'SyncTarget', disk: 'Inconsistent', peerDisk: 'UpToDate' },
    })
    await sleep(500)
    t.equal(await canReboot(client), '')
    leaving.kernel.setState({ mesh0: IN_SYNC })
    await until('it is in sync, so the others may reboot', async () => {
      const may = await canReboot(client)
      return HOSTNAMES.every((name, index) => pool.hosts[index] === leaving || may.includes(name))
    })
    t.equal(await daemon.end('SIGTERM'), 0)

    const events = pool.decided()
    t.equal(events.filter(({ event }) => event === 'updater-started').length, 2)
    const blocked = events.find(({ left, reasons }) => left?.includes('reboot') && reasons.length > 0)
    t.ok(blocked.causes.length > 0, 'each change has its causes')
  },
)

t.test('a host whose agent was killed blocks once it counts as down, until its agent is back', async t => {
  const pool = poolOf(t)
  const daemon = await pool.start()
  const client = pool.clientOf()
  await inSync(pool, client)
  await pool.hosts[2]?.cutPower()
  await until('the host counts as down', async () => (await canReboot(client)) === '')
  pool.hosts[2]?.switchOn()
  await until('it has reported again', async () => (await canReboot(client)).includes('hostA hostB'))
  t.equal(await daemon.end('SIGTERM'), 0)
})

t.test('a coordinator that is killed at any moment of a resync never allows a reboot too early', async t => {
  const pool = poolOf(t)
  let daemon = await pool.start()
  const client = pool.clientOf()
  await inSync(pool, client)
  const [, target] = pool.hosts
  for (const outOfSyncKib of [4096, 3000, 2000, 1000]) {
    target?.kernel.setState({ mesh0: resyncing(outOfSyncKib) })
    if (outOfSyncKib === 4096) await until('it blocks', async () => (await canReboot(client)) === '')
    await sleep(Math.random() * 200)
    await daemon.end('SIGKILL')
    daemon = await pool.start()
    for (let reads = 0; reads < 5; reads += 1) {
      t.equal(await canReboot(client), '', 'a resync runs')
      await sleep(Math.random() * 60)
    }
  }
  target?.kernel.setState({ mesh0: IN_SYNC })
  await until('all may reboot', async () => (await canReboot(client)) === HOSTNAMES.join(' '))
  t.equal(await daemon.end('SIGTERM'), 0)
  t.ok(existsSync(pool.decisions))
})

t.test(
  'an invalid file is reported, a damaged state is never used as a new pool, and a reload adds a host',
  async t => {
    const pool = poolOf(t)
    pool.configure({ srs: [{ uuid: SR, hosts: [hostUuid(7)] }] })
    const refused = new DaemonProcess(t, ['updater', '--config', pool.file])
    t.equal(await refused.ended(), 65)
    t.match(refused.log, /srs\[0\].hosts\[0\]: is not one of the configured hosts/)

    const [first, ...rest] = pool.hosts.map(({ uuid, socket }, index) => ({
      uuid,
      hostname: HOSTNAMES[index],
      agent: socket,
    }))
    pool.configure({ hosts: [first], srs: [] })
    let daemon = new DaemonProcess(t, ['updater', '--config', pool.file, '--state', join(pool.folder, 'pool.json')])
    const [, port = ''] = await until('it listens', () => /XenAPI at \S+ port (\d+)/.exec(daemon.log))
    const client = new XenApiClient({
      clock: machineClock,
      url: `http://127.0.0.1:${port}`,
      user: 'root',
      password: 'secret',
    })
    t.teardown(() => client.close())
    t.equal(Object.keys(await allowed(client)).length, 1)
    pool.configure({ hosts: [first, ...rest], poll: { everySeconds: 5 } })
    await until('the others are there', async () => Object.keys(await allowed(client)).length === 3)
    await client.close()
    t.equal(await daemon.end('SIGTERM'), 0)

    writeFileSync(join(pool.folder, 'pool.json'), '{"schema":')
    daemon = new DaemonProcess(t, ['updater', '--config', pool.file, '--state', join(pool.folder, 'pool.json')])
    t.equal(await daemon.ended(), 1)
    t.match(daemon.log, /cannot-start: .*pool.json/)
  },
)
