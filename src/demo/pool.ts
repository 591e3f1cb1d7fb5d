import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DEFAULT_POLICY } from '../allowed-operations/pool/gate-policy.ts'
import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { GatedPool } from '../coordinator/gated-pool.ts'
import type { PluginCall } from '../embedded-pool/calls/host-calls.ts'
import { machineClock } from '../platform/time/clock.ts'
import { encodePollAnswer } from '../sync-query/report/report-encode.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import type { OperationsChange } from '../updater/decision-events.ts'
import { PbdReportSink } from '../xapi-notify/pbd-report-sink.ts'
import { PbdReports } from '../xapi-notify/pbd-reports.ts'
import { XenApiClient } from '../xenapi-client/client.ts'
import { XenApiError } from '../xenapi-client/errors.ts'
import { castConfiguration } from './casting.ts'
import { type Actor, CONFIGURATION, Director } from './director.ts'
import { Machine } from './machine.ts'

/** Allowed, or why not. */
type Verdict = OperationsChange['verdicts'][HostOperation]

const HOSTNAMES = ['hostA', 'hostB', 'hostC'] as const
const POLL_EVERY_MS = 30_000
const POLL_TIMEOUT_MS = 10_000
const CREDENTIALS = { user: 'root', password: 'demo' } as const

/** What the demo pool tells of itself. */
export interface DemoWitness {
  transition(hostname: string, transition: Transition, status: SrStatus): void
  operations(hostname: string, change: OperationsChange): void
  bug(bug: unknown): void
}

/** A pool of three hosts in this process, served over XenAPI; each host with the real agent on recorded kernels. */
export interface DemoPool {
  /** Switches the machines on. Until then the pool is served and its hosts have said nothing. */
  begin(): Promise<void>
  readonly url: string
  readonly credentials: typeof CREDENTIALS
  /** Where the hosts' directories are. */
  readonly folder: string
  readonly hosts: readonly { readonly hostname: string; readonly ref: string }[]
  snapshot(): PoolSnapshot
  /** What the gate says of an operation at this moment, and the pool that it sees. */
  verdict(host: string, operation: HostOperation): { readonly verdict: Verdict | null; readonly pool: PoolSnapshot }
  /** A client of the pool's own XenAPI, logged in as anybody could. */
  readonly client: XenApiClient
  /** What a host says of the SR right now, `null` while it is off. */
  status(hostname: string): ReturnType<Machine['report']>
  close(): Promise<void>
}

/** @param port of the XenAPI endpoint on 127.0.0.1; 0 takes any free one */
export async function createDemoPool(speed: number, port: number, witness: DemoWitness): Promise<DemoPool> {
  const folder = mkdtempSync(join(tmpdir(), 'resync-monitor-'))
  const machines = new Map<string, Machine>()
  const onBug = (bug: unknown) => witness.bug(bug)
  const gated = new GatedPool({
    clock: machineClock,
    settings: { policy: DEFAULT_POLICY, pollEveryMs: POLL_EVERY_MS, pollTimeoutMs: POLL_TIMEOUT_MS },
    machines: {
      goDown: (ref, how) => director.goDown(ref, how),
      powerOn: ref => director.powerOn(ref),
    },
    plugins: async (call, gate) => answerPlugin(call, gate.snapshot(), machines),
    // The machines are in this process, so no other program can answer.
    pollReport: async ({ host, sr }) => {
      const text = reportText(machines.get(host), sr)
      if (text === null) throw new Error('the host is down, or does not watch this SR')
      return text
    },
    authenticate: (user, password) => user === CREDENTIALS.user && password === CREDENTIALS.password,
    enableDelayMs: 1000 / speed,
    onBug,
  })
  const { pool } = gated
  const { sr: srRef, hosts: seeded } = pool.seed(HOSTNAMES, { name_label: 'mirrored', type: 'linstor' })
  const hostnameOf = (ref: string) => pool.get('host', ref)?.hostname ?? ref
  gated.subscribe({
    decided: event => {
      if (event.code === 'operations-changed') witness.operations(hostnameOf(event.host), event)
    },
    effectFailed: onBug,
  })
  const { host: address, port: taken } = await pool.listen({ port })
  const url = `http://${address}:${taken}`
  const client = new XenApiClient({ clock: machineClock, url, ...CREDENTIALS })
  const disable = (ref: string) => client.call('host.disable', [ref])
  // XenAPI offers reboot and shutdown of disabled hosts only, so the demo keeps all of them in maintenance mode.
  const unsubscribe = pool.subscribe(({ cls, ref }) => {
    if (cls === 'host' && pool.get('host', ref)?.enabled === true) disable(ref).catch(unlessOffline(onBug))
  })
  const srUuid = pool.get('SR', srRef)?.uuid ?? ''
  const hostnames = seeded.map(({ ref }) => hostnameOf(ref))
  const configuration = castConfiguration(readFileSync(CONFIGURATION, 'utf8'), hostnames)
  const actors = seeded.map(({ ref }): Actor => {
    const hostname = hostnameOf(ref)
    const root = join(folder, hostname)
    mkdirSync(root)
    const machine = new Machine({
      root,
      hostname,
      configuration,
      host: pool.get('host', ref)?.uuid ?? '',
      srs: [{ uuid: srUuid, drbd: ['mesh*'], md: [], ignorePeers: [] }],
      sink: new PbdReportSink(new PbdReports(client)),
      witness: (_sr, transition, status) => witness.transition(hostname, transition, status),
    })
    machines.set(ref, machine)
    return { hostname, ref, machine }
  })
  const director: Director = new Director({
    actors,
    speed,
    hostLeft: ref => pool.hostLeft(ref),
    hostReturned: (ref, boot) => pool.hostReturned(ref, boot),
    onBug,
  })
  return {
    begin: async () => {
      await Promise.all(seeded.map(({ ref }) => disable(ref)))
      // Without a mode XenAPI offers no power_on, and a host that was shut down would stay so.
      await Promise.all(seeded.map(({ ref }) => client.call('host.set_power_on_mode', [ref, 'demo', {}])))
      gated.start()
      await director.begin()
    },
    url,
    credentials: CREDENTIALS,
    folder,
    hosts: actors.map(({ hostname, ref }) => ({ hostname, ref })),
    snapshot: () => pool.poolSnapshot(),
    verdict: (host, operation) => {
      const { hosts, pool: seen } = gated.verdicts()
      return { verdict: hosts.get(host)?.[operation] ?? null, pool: seen }
    },
    client,
    status: hostname => actors.find(actor => actor.hostname === hostname)?.machine.report(srUuid) ?? null,
    close: async () => {
      unsubscribe()
      await director.close()
      await client.close()
      await gated.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** At high speed a host may have gone again before it is asked; then it is disabled already. */
function unlessOffline(onBug: (bug: unknown) => void): (error: unknown) => void {
  return error => {
    if (!(error instanceof XenApiError && error.code === 'HOST_OFFLINE')) onBug(error)
  }
}

/** The XenAPI plugin of this project, as far as the demo's hosts have it: function `report`. */
async function answerPlugin(
  { host, plugin, fn, args }: PluginCall,
  pool: PoolSnapshot,
  machines: ReadonlyMap<string, Machine>,
): Promise<{ readonly result: string } | { readonly error: readonly [string, ...string[]] }> {
  if (plugin !== 'resync-monitor') return { error: ['XENAPI_MISSING_PLUGIN', plugin] }
  if (fn !== 'report') return { error: ['XENAPI_PLUGIN_FAILURE', fn, 'UnknownFunction', 'there is only report'] }
  const result = reportText(machines.get(host), args.sr ?? '')
  if (result !== null) return { result }
  const what = pool.hosts.every(({ ref }) => ref !== host)
    ? 'no such host'
    : 'the host is down, or does not watch this SR'
  return { error: ['XENAPI_PLUGIN_FAILURE', fn, 'NoReport', what] }
}

function reportText(machine: Machine | undefined, sr: string): string | null {
  const report = machine?.report(sr) ?? null
  return report === null ? null : encodePollAnswer(report)
}
