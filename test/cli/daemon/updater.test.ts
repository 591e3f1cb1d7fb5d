import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { XenApiClient, XenApiError } from '../../../src/xapi-notify/index.ts'
import { DaemonProcess, until } from './daemon-process.ts'
import { IN_SYNC, ModelKernel, resyncing } from './model-kernel.ts'

const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const HOSTNAMES = ['hostA', 'hostB', 'hostC'] as const
const hostUuid = (index: number) => `0a0a0a0a-0000-4000-8000-00000000000${index + 1}`
const bootId = (index: number, boot: number) => `b0b0b0b0-0000-4000-8000-0000000${boot}000${index + 1}`

interface TearsDown {
  teardown(end: () => unknown): void
}

/** A host as a machine: a kernel, and an agent that is a process of its own. */
class Host {
  readonly uuid: string
  readonly socket: string
  readonly kernel: ModelKernel
  /** There once its agent was told to reboot the machine. */
  readonly rebooting: string
  readonly #t: TearsDown
  readonly #file: string
  readonly #index: number
  #boot = 1
  #agent: DaemonProcess | null = null

  constructor(t: TearsDown, folder: string, index: number) {
    const name = HOSTNAMES[index] ?? ''
    this.#t = t
    this.#index = index
    this.uuid = hostUuid(index)
    this.socket = join(folder, `${name}.sock`)
    this.rebooting = join(folder, `${name}.rebooting`)
    this.#file = join(folder, `${name}.yaml`)
    this.kernel = new ModelKernel(join(folder, name), bootId(index, this.#boot))
    this.kernel.become({ mesh0: IN_SYNC })
    writeFileSync(join(this.kernel.root, 'etc/drbd.d/mesh.res'), 'resource mesh0 { volume 0 { } }\n')
  }

  configure(folder: string, url: string): void {
    const config = {
      host: this.uuid,
      srs: [{ uuid: SR, drbd: ['mesh*'] }],
      drbd: { drbdsetup: this.kernel.drbdsetup },
      md: { mdadm: [] },
      root: this.kernel.root,
      socket: this.socket,
      metrics: { enabled: false },
      stateDirectory: join(folder, `state-${this.#index}`),
      toolstack: { url, passwordFile: join(folder, 'password'), heartbeatEverySeconds: 0.3 },
      machine: { reboot: ['touch', this.rebooting] },
    }
    writeFileSync(this.#file, JSON.stringify(config))
  }

  switchOn(): void {
    this.kernel.age()
    this.#agent = new DaemonProcess(this.#t, ['agent', '--config', this.#file])
  }

  async cutPower(): Promise<void> {
    await this.#agent?.end('SIGKILL')
    this.#agent = null
  }

  /** Another boot; its kernel has nothing until it is told otherwise. */
  reboot(): void {
    this.#boot += 1
    this.kernel.boot(bootId(this.#index, this.#boot))
  }
}

/** Three hosts with one SR, and the coordinator's daemon with its state on disk. */
function poolOf(t: TearsDown) {
  const folder = mkdtempSync(join(tmpdir(), 'pool-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  writeFileSync(join(folder, 'password'), 'secret\n')
  const hosts = HOSTNAMES.map((_, index) => new Host(t, folder, index))
  const file = join(folder, 'updater.yaml')
  const decisions = join(folder, 'decisions.jsonl')
  let port = 0
  const configure = (changes: object = {}) => {
    const config = {
      listen: { port },
      users: [{ name: 'root', passwordFile: join(folder, 'password') }],
      hosts: hosts.map(({ uuid, socket }, index) => ({ uuid, hostname: HOSTNAMES[index], agent: socket })),
      srs: [{ uuid: SR, hosts: hosts.map(({ uuid }) => uuid) }],
      assumeDeadAfterSeconds: 3,
      decisionLog: { file: decisions },
      metrics: { port: 0 },
      ...changes,
    }
    writeFileSync(`${file}.new`, JSON.stringify(config))
    renameSync(`${file}.new`, file)
  }
  configure()
  const start = async () => {
    const daemon = new DaemonProcess(t, ['updater', '--config', file, '--state', join(folder, 'pool.json')])
    const [, listening = ''] = await until('it listens', () => /XenAPI at \S+ port (\d+)/.exec(daemon.log))
    port = Number(listening)
    // From now on it is found where it was.
    configure()
    return daemon
  }
  const clientOf = () => {
    const client = new XenApiClient({ url: `http://127.0.0.1:${port}`, user: 'root', password: 'secret' })
    t.teardown(() => client.close())
    return client
  }
  const url = () => `http://127.0.0.1:${port}`
  const decided = () =>
    readFileSync(decisions, 'utf8')
      .trim()
      .split('\n')
      .map(line => JSON.parse(line))
  return { folder, hosts, file, configure, start, clientOf, url, decided, decisions }
}

type Pool = ReturnType<typeof poolOf>

/** What each host may do, by its name; hosts of which that cannot be told are left out. */
async function allowed(client: XenApiClient): Promise<Record<string, readonly string[]>> {
  const records = await client.call('host.get_all_records').catch(() => ({}))
  return Object.fromEntries(
    Object.values(records as Record<string, { hostname: string; allowed_operations: string[] }>).map(host => [
      host.hostname,
      host.allowed_operations,
    ]),
  )
}

async function canReboot(client: XenApiClient): Promise<string> {
  const operations = await allowed(client)
  return HOSTNAMES.filter(name => operations[name]?.includes('reboot')).join(' ')
}

async function refOf(client: XenApiClient, index: number): Promise<string> {
  return String(await client.call('host.get_by_uuid', [hostUuid(index)]))
}

/** All hosts on, in maintenance mode (XenAPI offers reboot of disabled hosts only), and in sync. */
async function inSync(pool: Pool, client: XenApiClient): Promise<void> {
  for (const host of pool.hosts) {
    host.configure(pool.folder, pool.url())
    host.switchOn()
  }
  const all = async (cls: string, key: string) => {
    const records = await client.call(`${cls}.get_all_records`).catch(() => ({}))
    const are = Object.values(records as Record<string, Record<string, unknown>>).filter(each => each[key] === true)
    return are.length === HOSTNAMES.length
  }
  await until('all hosts are live', () => all('host_metrics', 'live'))
  await until('all hosts are enabled', () => all('host', 'enabled'))
  for (const index of HOSTNAMES.keys()) await client.call('host.disable', [await refOf(client, index)])
  await until('all may reboot', async () => (await canReboot(client)) === HOSTNAMES.join(' '))
}

const reboot = async (client: XenApiClient, index: number) =>
  client.call('host.reboot', [await refOf(client, index)]).then(
    () => 'accepted',
    error => (error instanceof XenApiError ? error.code : String(error)),
  )

t.test(
  'a host reboots: the others are refused at once, after a kill of the coordinator too, and until it is in sync',
  async t => {
    const pool = poolOf(t)
    const [hostA, hostB, hostC] = pool.hosts
    if (hostA === undefined || hostB === undefined || hostC === undefined) throw new Error('three hosts')
    let daemon = await pool.start()
    const client = pool.clientOf()
    t.equal(await canReboot(client), '', 'nobody has spoken yet')
    await inSync(pool, client)

    const asked = await Promise.all([reboot(client, 0), reboot(client, 1)])
    t.strictSame(asked.toSorted(), ['CLUSTERED_SR_DEGRADED', 'accepted'], 'two in the same instant: exactly one')
    const leaving = asked[0] === 'accepted' ? hostA : hostB
    const others = HOSTNAMES.keys().filter(index => pool.hosts[index] !== leaving)
    await until('the field says so too', async () => (await canReboot(client)) === '')
    await until('its agent takes the machine down', () => existsSync(leaving.rebooting))

    const [, metrics = ''] = await until('metrics are served', () => /served at (\S+)/.exec(daemon.log))
    t.match(await (await fetch(metrics)).text(), /resync_monitor_gate_blocked\{host="[^"]+",operation="reboot"\} 1/)

    await daemon.end('SIGKILL')
    daemon = await pool.start()
    for (const index of others)
      t.equal(await reboot(client, index), 'CLUSTERED_SR_DEGRADED', 'what was on its way still is')

    await leaving.cutPower()
    leaving.reboot()
    leaving.kernel.become({})
    leaving.switchOn()
    await sleep(500)
    t.equal(await canReboot(client), '', 'it is back, and its resource is not up')
    leaving.kernel.become({
      mesh0: { ...resyncing(4096), replication: 'SyncTarget', disk: 'Inconsistent', peerDisk: 'UpToDate' },
    })
    await sleep(500)
    t.equal(await canReboot(client), '')
    leaving.kernel.become({ mesh0: IN_SYNC })
    await until('it is in sync, so the others may', async () => {
      const may = await canReboot(client)
      return HOSTNAMES.every((name, index) => pool.hosts[index] === leaving || may.includes(name))
    })
    t.equal(await daemon.end('SIGTERM'), 0)

    const events = pool.decided()
    t.equal(events.filter(({ event }) => event === 'updater-started').length, 2)
    const blocked = events.find(({ left, reasons }) => left?.includes('reboot') && reasons.length > 0)
    t.ok(blocked.causes.length > 0, 'each change says what caused it')
  },
)

t.test('an agent that dies blocks when its silence is noticed, and no longer when it is back', async t => {
  const pool = poolOf(t)
  const daemon = await pool.start()
  const client = pool.clientOf()
  await inSync(pool, client)
  await pool.hosts[2]?.cutPower()
  await until('its silence is noticed', async () => (await canReboot(client)) === '')
  pool.hosts[2]?.switchOn()
  await until('it has spoken again', async () => (await canReboot(client)).includes('hostA hostB'))
  t.equal(await daemon.end('SIGTERM'), 0)
})

t.test('killed at any moment of a resync and started again: never allowed too early, and the same end', async t => {
  const pool = poolOf(t)
  let daemon = await pool.start()
  const client = pool.clientOf()
  await inSync(pool, client)
  const [, target] = pool.hosts
  for (const outOfSyncKib of [4096, 3000, 2000, 1000]) {
    target?.kernel.become({ mesh0: resyncing(outOfSyncKib) })
    if (outOfSyncKib === 4096) await until('it blocks', async () => (await canReboot(client)) === '')
    await sleep(Math.random() * 200)
    await daemon.end('SIGKILL')
    daemon = await pool.start()
    for (let look = 0; look < 5; look += 1) {
      t.equal(await canReboot(client), '', 'a resync runs')
      await sleep(Math.random() * 60)
    }
  }
  target?.kernel.become({ mesh0: IN_SYNC })
  await until('all may reboot', async () => (await canReboot(client)) === HOSTNAMES.join(' '))
  t.equal(await daemon.end('SIGTERM'), 0)
  t.ok(existsSync(pool.decisions))
})

t.test('a wrong file is told, a broken state is never taken for a new pool, and a reload adds a host', async t => {
  const pool = poolOf(t)
  pool.configure({ srs: [{ uuid: SR, hosts: [hostUuid(7)] }] })
  const refused = new DaemonProcess(t, ['updater', '--config', pool.file])
  t.equal(await refused.ended(), 65)
  t.match(refused.log, /srs\[0\].hosts\[0\]: is not one of the hosts above/)

  const [first, ...rest] = pool.hosts.map(({ uuid, socket }, index) => ({
    uuid,
    hostname: HOSTNAMES[index],
    agent: socket,
  }))
  pool.configure({ hosts: [first], srs: [] })
  let daemon = new DaemonProcess(t, ['updater', '--config', pool.file, '--state', join(pool.folder, 'pool.json')])
  const [, port = ''] = await until('it listens', () => /XenAPI at \S+ port (\d+)/.exec(daemon.log))
  const client = new XenApiClient({ url: `http://127.0.0.1:${port}`, user: 'root', password: 'secret' })
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
})
