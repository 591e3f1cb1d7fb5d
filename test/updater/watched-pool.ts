import { DEFAULT_POLICY, type GatePolicy } from '../../src/allowed-operations/pool/gate-policy.ts'
import { encodeOverride, OVERRIDE_KEY } from '../../src/allowed-operations/pool/override.ts'
import { EmbeddedPool } from '../../src/embedded-pool/embedded-pool.ts'
import type { SyncState } from '../../src/sync-query/state.ts'
import type { AcceptedClaim } from '../../src/updater/accepted-claim.ts'
import type { OverrideEvent } from '../../src/updater/override-event.ts'
import { type OperationsChange, Updater } from '../../src/updater/updater.ts'
import { PbdReports } from '../../src/xapi-notify/pbd-reports.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'
import { VirtualClock } from '../platform/time/virtual-clock.ts'

export const LEASE_MS = 90_000
export const POLL_EVERY_MS = 30_000
export const POLL_TIMEOUT_MS = 10_000

export interface WatchedPoolOptions {
  readonly policy?: Partial<GatePolicy>
  readonly pollEveryMs?: number
  /** How a host, by its index, answers a poll of the first SR. Default: it does not. */
  readonly answer?: (index: number, signal: AbortSignal) => Promise<string>
  readonly witness?: (change: OperationsChange) => void
  readonly overridden?: (event: OverrideEvent) => void
  readonly accepted?: (claim: AcceptedClaim) => void
}

export interface Tap {
  teardown(end: () => Promise<void>): void
}

export type WatchedPool = Awaited<ReturnType<typeof watchedPool>>

/**
 * A pool of three disabled hosts with one aggregated SR, served over XenAPI, and its updater, which is not started yet. What
 * agents and operators do is done over XenAPI; only time is virtual.
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
    now: time.now,
    timers: time,
    // nobody waits for a host to be enabled: XenAPI offers reboot and shutdown of disabled ones only
    enableDelayMs: Number.MAX_SAFE_INTEGER,
  })
  const { sr, hosts: seeded } = embedded.seed(['hostA', 'hostB', 'hostC'])
  const hosts = seeded.map(({ ref }) => ref)
  const pbds = seeded.map(({ pbd }) => pbd)
  const updaterWith = (policy: GatePolicy) =>
    new Updater({
      pool: {
        snapshot: () => embedded.poolSnapshot(),
        coordinator: () => coordinator,
        setAllowedOperations: (host, operations) => embedded.setAllowedOperations(host, operations),
        keepPeers: (pbd, peers) => embedded.keepPeers(pbd, peers),
        pollReport: (host, _sr, signal) => {
          const index = hosts.indexOf(host)
          asked.push({ host: index, atMs: time.now(), signal })
          return options.answer?.(index, signal) ?? Promise.reject(new Error('XENAPI_PLUGIN_FAILURE'))
        },
      },
      policy,
      now: time.now,
      timers: time,
      pollEveryMs: options.pollEveryMs ?? POLL_EVERY_MS,
      pollTimeoutMs: POLL_TIMEOUT_MS,
      witness: change => {
        changes.push(change)
        options.witness?.(change)
      },
      overridden: event => options.overridden?.(event),
      accepted: claim => options.accepted?.(claim),
    })
  const newUpdater = () => {
    updaters.push(updaterWith({ ...DEFAULT_POLICY, leaseMs: LEASE_MS, ...options.policy }))
    return current()
  }
  const current = (): Updater => updaters.at(-1) ?? newUpdater()
  const notice = () => {
    for (const updater of updaters) updater.notice()
  }
  const unsubscribe = embedded.subscribe(notice)
  const { host: address, port } = await embedded.listen({ port: 0 })
  const client = new XenApiClient({ url: `http://${address}:${port}`, user: 'root', password: '' })
  const sink = new PbdReports(client)
  for (const ref of hosts) await client.call('host.disable', [ref])
  t.teardown(async () => {
    unsubscribe()
    for (const updater of updaters) await updater.close()
    await client.close()
    await embedded.close()
  })

  const uuidOf = (cls: 'host' | 'SR', ref: string) => embedded.get(cls, ref)?.uuid ?? ''
  /** What the agent of a host, by its index, says now: a report with the next number. */
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
    /** The updater that the pool asks now. */
    updater: current,
    /** One more, beside those that run; the pool asks the newest. */
    startAnother: () => newUpdater().start(),
    /** Another run of the program: the one before is gone without a word. */
    restart: async () => {
      await current().close()
      newUpdater().start()
    },
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
    /** @param aheadMs how far the clock of whoever gives it is ahead */
    setOverride: async (index: number, durationMs: number, aheadMs = 0) => {
      const createdMs = time.now() + aheadMs
      const request = { reason: 'burnt disk', by: 'root', createdMs, expiresMs: createdMs + durationMs }
      const encoded = encodeOverride(request)
      await client.call('host.add_to_other_config', [hosts[index], OVERRIDE_KEY, 'text' in encoded ? encoded.text : ''])
    },
    removeOverride: (index: number) => client.call('host.remove_from_other_config', [hosts[index], OVERRIDE_KEY]),
    /** Which of the hosts may reboot by the field that clients read: `AB` for the first two. */
    mayReboot: () => ['A', 'B', 'C'].filter((_, index) => allows(index, 'reboot')).join(''),
    reasonsFor: (index: number) => {
      const verdict = current()
        .verdicts()
        .hosts.get(hosts[index] ?? '')?.reboot
      return verdict?.reasons.map(({ code }) => code) ?? []
    },
  }
}
