import { DEFAULT_POLICY, type GatePolicy } from '../../src/allowed-operations/pool/gate-policy.ts'
import { encodeOverride, OVERRIDE_KEY } from '../../src/allowed-operations/pool/override.ts'
import { EmbeddedPool } from '../../src/embedded-pool/embedded-pool.ts'
import { embeddedPoolPort } from '../../src/embedded-pool/updater-port.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { SyncState } from '../../src/sync-query/state.ts'
import type { DecisionEvent, OperationsChange } from '../../src/updater/decision-events.ts'
import type { PoolPort } from '../../src/updater/pool-port.ts'
import { Updater } from '../../src/updater/updater.ts'
import { PbdReports } from '../../src/xapi-notify/pbd-reports.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'
import { VirtualClock } from '../platform/time/virtual-clock.ts'

export const LEASE_MS = 90_000
export const POLL_EVERY_MS = 30_000
export const POLL_TIMEOUT_MS = 10_000

export interface WatchedPoolOptions {
  readonly policy?: Partial<GatePolicy>
  readonly pollEveryMs?: number
  /** The answer of a host, by index, to a poll for the SR. Default: none. */
  readonly answer?: (index: number, signal: AbortSignal) => Promise<string>
  readonly decided?: (event: DecisionEvent) => void
}

export interface Tap {
  teardown(end: () => Promise<void>): void
}

export type WatchedPool = Awaited<ReturnType<typeof watchedPool>>

/**
 * A pool of three disabled hosts with one aggregated SR, served over XenAPI, and its updater, which is not started yet. Agents
 * and operators act over XenAPI; only time is virtual.
 */
export async function watchedPool(t: Tap, options: WatchedPoolOptions = {}) {
  const time = new VirtualClock()
  const changes: OperationsChange[] = []
  const asked: { readonly host: number; readonly atMs: number; readonly signal: AbortSignal }[] = []
  const updaters: Updater[] = []
  let coordinator = 'the first'
  let seq = 0
  const embedded = new EmbeddedPool({
    gate: { claim: (snapshot, wanted) => current().claim(snapshot, wanted) },
    machines: { goDown: () => undefined },
    authenticate: () => true,
    clock: time,
    // hosts stay disabled: XenAPI allows reboot and shutdown of disabled hosts only
    enableDelayMs: Number.MAX_SAFE_INTEGER,
  })
  const { sr, hosts: seeded } = embedded.seed(['hostA', 'hostB', 'hostC'])
  const hosts = seeded.map(({ ref }) => ref)
  const pbds = seeded.map(({ pbd }) => pbd)
  const listeners = new Set<() => void>()
  /** A port to the pool; `coordinator` and `notice` of this helper act through it. */
  const newPort = (): PoolPort => {
    const port = embeddedPoolPort(embedded, (host, _sr, signal) => {
      const index = hosts.indexOf(host)
      asked.push({ host: index, atMs: time.now(), signal })
      return options.answer?.(index, signal) ?? Promise.reject(new Error('XENAPI_PLUGIN_FAILURE'))
    })
    return {
      ...port,
      coordinator: () => coordinator,
      subscribe: changed => {
        const unsubscribe = port.subscribe(changed)
        listeners.add(changed)
        return () => {
          unsubscribe()
          listeners.delete(changed)
        }
      },
    }
  }
  const updaterWith = (policy: GatePolicy) =>
    new Updater({
      pool: newPort(),
      policy,
      clock: time,
      pollEveryMs: options.pollEveryMs ?? POLL_EVERY_MS,
      pollTimeoutMs: POLL_TIMEOUT_MS,
      decided: event => {
        if (event.code === 'operations-changed') changes.push(event)
        options.decided?.(event)
      },
      recomputed: () => undefined,
      effectFailed: error => {
        throw error
      },
    })
  const newUpdater = () => {
    updaters.push(updaterWith({ ...DEFAULT_POLICY, leaseMs: LEASE_MS, ...options.policy }))
    return current()
  }
  const current = (): Updater => updaters.at(-1) ?? newUpdater()
  const notice = () => {
    for (const changed of listeners) changed()
  }
  const { host: address, port } = await embedded.listen({ port: 0 })
  const client = new XenApiClient({ clock: machineClock, url: `http://${address}:${port}`, user: 'root', password: '' })
  const sink = new PbdReports(client)
  for (const ref of hosts) await client.call('host.disable', [ref])
  t.teardown(async () => {
    for (const updater of updaters) await updater.close()
    await client.close()
    await embedded.close()
  })

  const uuidOf = (cls: 'host' | 'SR', ref: string) => embedded.get(cls, ref)?.uuid ?? ''
  /** A new report of the agent of a host, by index, with the next number. */
  const report = (index: number, state: SyncState, given: object = {}) => {
    seq += 1
    const at = new Date(time.now()).toISOString()
    const mirrors = { synced: 0, resyncing: 0, degraded: 0, unknown: 0, [state]: 1 }
    const about = { host: uuidOf('host', hosts[index] ?? ''), sr: uuidOf('SR', sr), bootId: 'boot-1', seq }
    const figures = { outOfSyncBytes: null, progress: null, etaSeconds: null, reasons: [] }
    return JSON.stringify({ schema: 1, ...about, at, state, since: at, mirrors, ...figures, ...given })
  }
  const allows = (index: number, operation: string) =>
    embedded.get('host', hosts[index] ?? '')?.allowed_operations.includes(operation) ?? false
  return {
    time,
    embedded,
    client,
    sr,
    /** Refs, by index. */
    hosts,
    changes,
    asked,
    report,
    allows,
    /** The updater that decides the claims of the pool. */
    updater: current,
    /** Starts another updater beside those that run; the newest decides claims. */
    startAnother: () => newUpdater().start(),
    /** Replaces the updater, as a restart of the program does. */
    restart: async () => {
      await current().close()
      newUpdater().start()
    },
    /** As if something in the pool had changed. */
    notice,
    setCoordinator: (ref: string) => {
      coordinator = ref
      notice()
    },
    pushText: (pbd: string, text: string) => sink.pushReport(pbd, text),
    push: (index: number, state: SyncState, given: object = {}) =>
      sink.pushReport(pbds[index] ?? '', report(index, state, given)),
    reboot: (index: number) =>
      client.call('host.reboot', [hosts[index]]).then(
        () => 'accepted',
        error => error.code,
      ),
    /** @param aheadMs how far the clock of the operator is ahead */
    setOverride: async (index: number, durationMs: number, aheadMs = 0) => {
      const createdMs = time.now() + aheadMs
      const request = { reason: 'burnt disk', by: 'root', createdMs, expiresMs: createdMs + durationMs }
      const encoded = encodeOverride(request)
      await client.call('host.add_to_other_config', [hosts[index], OVERRIDE_KEY, 'text' in encoded ? encoded.text : ''])
    },
    removeOverride: (index: number) => client.call('host.remove_from_other_config', [hosts[index], OVERRIDE_KEY]),
    /** The hosts that may reboot by the field that clients read: `AB` for the first two. */
    mayReboot: () => ['A', 'B', 'C'].filter((_, index) => allows(index, 'reboot')).join(''),
    reasonsFor: (index: number) => {
      const verdict = current()
        .verdicts()
        .hosts.get(hosts[index] ?? '')?.reboot
      return verdict?.reasons.map(({ code }) => code) ?? []
    },
  }
}
