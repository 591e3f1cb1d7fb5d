import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { XenApiClient } from '../../../src/xenapi-client/client.ts'
import { DaemonProcess, until } from './daemon-process.ts'
import { IN_SYNC, ModelKernel } from './model-kernel.ts'

export const SR = '5c5c5c5c-0000-4000-8000-000000000001'
export const HOSTNAMES = ['hostA', 'hostB', 'hostC'] as const
export const hostUuid = (index: number) => `0a0a0a0a-0000-4000-8000-00000000000${index + 1}`
const bootId = (index: number, boot: number) => `b0b0b0b0-0000-4000-8000-0000000${boot}000${index + 1}`

interface TearsDown {
  teardown(end: () => unknown): void
}

/** A host as a machine: a kernel, and an agent that is a process of its own. */
export class Host {
  readonly uuid: string
  readonly socket: string
  readonly kernel: ModelKernel
  /** The file that the reboot command of its agent creates. */
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
    this.kernel.setState({ mesh0: IN_SYNC })
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
      toolstack: { url, user: 'agents', passwordFile: join(folder, 'password'), heartbeatEverySeconds: 0.3 },
      machine: { reboot: ['touch', this.rebooting] },
    }
    writeFileSync(this.#file, JSON.stringify(config))
  }

  switchOn(): void {
    this.kernel.advanceUptime()
    this.#agent = new DaemonProcess(this.#t, ['agent', '--config', this.#file])
  }

  async cutPower(): Promise<void> {
    await this.#agent?.end('SIGKILL')
    this.#agent = null
  }

  /** Begins another boot. The state of DRBD does not change. */
  reboot(): void {
    this.#boot += 1
    this.kernel.boot(bootId(this.#index, this.#boot))
  }
}

/** Three hosts with one SR, and the coordinator's daemon with its state on disk. */
export function poolOf(t: TearsDown) {
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
      users: [
        { name: 'root', passwordFile: join(folder, 'password') },
        { name: 'agents', passwordFile: join(folder, 'password'), role: 'host-agent' },
      ],
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
    // A restart uses the same port.
    configure()
    return daemon
  }
  const clientOf = () => {
    const client = new XenApiClient({
      clock: machineClock,
      url: `http://127.0.0.1:${port}`,
      user: 'root',
      password: 'secret',
    })
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

/** The allowed operations of each host, by its name. Empty while the pool does not answer. */
export async function allowed(client: XenApiClient): Promise<Record<string, readonly string[]>> {
  const records = await client.call('host.get_all_records').catch(() => ({}))
  return Object.fromEntries(
    Object.values(records as Record<string, { hostname: string; allowed_operations: string[] }>).map(host => [
      host.hostname,
      host.allowed_operations,
    ]),
  )
}

export async function canReboot(client: XenApiClient): Promise<string> {
  const operations = await allowed(client)
  return HOSTNAMES.filter(name => operations[name]?.includes('reboot')).join(' ')
}

export async function refOf(client: XenApiClient, index: number): Promise<string> {
  return String(await client.call('host.get_by_uuid', [hostUuid(index)]))
}

/** All hosts on, in maintenance mode (XenAPI offers reboot of disabled hosts only), and in sync. */
export async function inSync(pool: Pool, client: XenApiClient): Promise<void> {
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
