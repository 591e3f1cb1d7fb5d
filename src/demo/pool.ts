import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PoolQuestions } from '../agent/pool/pool-questions.ts'
import { DEFAULT_POLICY } from '../allowed-operations/pool/gate-policy.ts'
import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { GatedPool } from '../coordinator/gated-pool.ts'
import { answerPlugin } from '../coordinator/pool-plugins.ts'
import { machineClock } from '../platform/time/clock.ts'
import { encodePollAnswer } from '../sync-query/report/report-encode.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/transition.ts'
import type { OperationsChange } from '../updater/decision-events.ts'
import { PbdReportSink } from '../xapi-notify/pbd-report-sink.ts'
import { PbdReports } from '../xapi-notify/pbd-reports.ts'
import { XenApiClient } from '../xenapi-client/client.ts'
import { XenApiError } from '../xenapi-client/errors.ts'
import { renameInConfiguration } from './host-roles.ts'
import { Machine } from './machine.ts'
import { CONFIGURATION, type DemoHost, RecordedMachines } from './recorded-machines.ts'

/** Allowed, or why not. */
type Verdict = OperationsChange['verdicts'][HostOperation]

const HOSTNAMES = ['hostA', 'hostB', 'hostC'] as const
const SR_NAME = 'mirrored'
const POLL_EVERY_MS = 30_000
const POLL_TIMEOUT_MS = 10_000
const CREDENTIALS = { user: 'root', password: 'demo' } as const

/** Receives what happens in the demo pool. */
export interface PoolListener {
  transition(hostname: string, transition: Transition, status: SrStatus): void
  operations(hostname: string, change: OperationsChange): void
}

/** A pool of three hosts in this process, served over XenAPI; each host runs the real agent on recorded DRBD events. */
export interface DemoPool {
  /** Switches the machines on. Until then the pool is served and no host has reported. */
  begin(): Promise<void>
  readonly url: string
  readonly credentials: typeof CREDENTIALS
  /** The folder with one directory for each host. */
  readonly folder: string
  readonly hosts: readonly { readonly hostname: string; readonly ref: string; readonly socket: string }[]
  /** Adds a listener. Call it before `begin`. */
  subscribe(listener: PoolListener): void
  snapshot(): PoolSnapshot
  /** The gate's present decision about an operation, and the pool that it is made from. */
  verdict(host: string, operation: HostOperation): { readonly verdict: Verdict | null; readonly pool: PoolSnapshot }
  /** A client of the pool's own XenAPI, logged in as any other client. */
  readonly client: XenApiClient
  /** A host's present report of the SR; `null` while the host is down. */
  status(hostname: string): ReturnType<Machine['report']>
  close(): Promise<void>
}

/**
 * Starts to serve the pool.
 * @param port of the XenAPI endpoint on 127.0.0.1; 0 takes any free port
 */
export async function createDemoPool(speed: number, port: number, onBug: (bug: unknown) => void): Promise<DemoPool> {
  const folder = mkdtempSync(join(tmpdir(), 'resync-monitor-'))
  const listeners: PoolListener[] = []
  const machines = new RecordedMachines({ speed, onBug })
  const gated = new GatedPool({
    clock: machineClock,
    settings: { policy: DEFAULT_POLICY, pollEveryMs: POLL_EVERY_MS, pollTimeoutMs: POLL_TIMEOUT_MS },
    machines,
    plugins: (call, gate) =>
      answerPlugin(call, gate, uuid => machines.hosts.find(host => host.uuid === uuid)?.machine.socket),
    // The machines are in this process, so no other program can answer.
    pollReport: async ({ host, sr }) => {
      const report = machines.hosts.find(({ ref }) => ref === host)?.machine.report(sr) ?? null
      if (report === null) throw new Error('the host is down')
      return encodePollAnswer(report)
    },
    authenticate: (user, password) => user === CREDENTIALS.user && password === CREDENTIALS.password,
    enableDelayMs: 1000 / speed,
    onBug,
  })
  const { pool } = gated
  const { sr: srRef, hosts: seeded } = pool.seed(HOSTNAMES, { name_label: SR_NAME, type: 'linstor' })
  const srUuid = pool.get('SR', srRef)?.uuid ?? ''
  const hostnameOf = (ref: string) => pool.get('host', ref)?.hostname ?? ref
  gated.subscribe({
    decided: event => {
      if (event.code !== 'operations-changed') return
      for (const each of listeners) each.operations(hostnameOf(event.host), event)
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
  const configuration = renameInConfiguration(
    readFileSync(CONFIGURATION, 'utf8'),
    seeded.map(({ ref }) => hostnameOf(ref)),
  )
  const hosts = seeded.map(({ ref }): DemoHost => {
    const hostname = hostnameOf(ref)
    const uuid = pool.get('host', ref)?.uuid ?? ''
    const root = join(folder, hostname)
    mkdirSync(root)
    const machine = new Machine({
      root,
      hostname,
      configuration,
      host: uuid,
      srs: [{ uuid: srUuid, drbd: ['mesh*'], md: [], ignorePeers: [] }],
      sink: new PbdReportSink(new PbdReports(client)),
      onTransition: ({ transition, status }) => {
        for (const each of listeners) each.transition(hostname, transition, status)
      },
      pool: new PoolQuestions(uuid, machineClock, { client }),
      onBug,
    })
    return { hostname, ref, uuid, machine }
  })
  return {
    begin: async () => {
      await Promise.all(seeded.map(({ ref }) => disable(ref)))
      // Without a mode XenAPI offers no power_on, and a host that was shut down would stay down.
      await Promise.all(seeded.map(({ ref }) => client.call('host.set_power_on_mode', [ref, 'demo', {}])))
      gated.start()
      await machines.begin(hosts, pool)
    },
    url,
    credentials: CREDENTIALS,
    folder,
    hosts: hosts.map(({ hostname, ref, machine }) => ({ hostname, ref, socket: machine.socket })),
    subscribe: listener => {
      listeners.push(listener)
    },
    snapshot: () => pool.poolSnapshot(),
    verdict: (host, operation) => {
      const { hosts: verdicts, pool: snapshot } = gated.verdicts()
      return { verdict: verdicts.get(host)?.[operation] ?? null, pool: snapshot }
    },
    client,
    status: hostname => hosts.find(host => host.hostname === hostname)?.machine.report(srUuid) ?? null,
    close: async () => {
      unsubscribe()
      await machines.close()
      await client.close()
      await gated.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** At high speed a host may be down again before the call; it is disabled then. */
function unlessOffline(onBug: (bug: unknown) => void): (error: unknown) => void {
  return error => {
    if (!(error instanceof XenApiError && error.code === 'HOST_OFFLINE')) onBug(error)
  }
}
