/**
 * Measures the time from a kernel event on one host to the change of `host.allowed_operations` of all 64 hosts of the pool. The path
 * is drbdsetup's pipe, the agent, XenAPI over HTTP, the pool's database, and the updater.
 *
 *     end-to-end.ts [--resources 1000,5000] [--flips 1000]
 *
 * Prints one JSON line per figure. Agent and pool share one process here; in a real pool they do not. A flip starts or ends the resync
 * of one volume. The first flip has its own figure. The next flips are not counted, because the code is still being compiled. Between
 * two flips the benchmark measures one line through a pipe without a consumer behind it: the other figures contain that time, and a
 * high value shows that the machine is busy with other work.
 */

import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { execa } from 'execa'
import { DEFAULT_POLICY } from '../src/allowed-operations/pool/gate-policy.ts'
import { GatedPool } from '../src/coordinator/gated-pool.ts'
import { drbdBackend } from '../src/drbd-adapter/drbd-backend.ts'
import { followDrbd } from '../src/drbd-adapter/follow/follow-drbd.ts'
import { machineClock } from '../src/platform/time/clock.ts'
import type { Report } from '../src/sync-query/report/report.ts'
import { encodePollAnswer } from '../src/sync-query/report/report-encode.ts'
import { PbdReportSink } from '../src/xapi-notify/pbd-report-sink.ts'
import { PbdReports } from '../src/xapi-notify/pbd-reports.ts'
import { XenApiClient } from '../src/xenapi-client/client.ts'
import { withDrbdRoot } from './drbd-root.ts'
import { BOOT, measuredAgent } from './measured-agent.ts'

const HOSTS = 64
const SIMULATED_DRBDSETUP = join(import.meta.dirname, 'simulated-drbdsetup-live.ts')
const FIRST = 'xcp-volume-5d4c91f3-8a1b-4c62-9e0f-000000000000'
const DEADLINE_MS = 30_000
const WARM_UP_FLIPS = 20

const { values } = parseArgs({
  options: {
    resources: { type: 'string', default: '1000,5000' },
    flips: { type: 'string', default: '1000' },
  },
})

function stamp(): string {
  return new Date().toISOString().replace('Z', '000+00:00')
}

/** The kernel's event for the start of the resync of one volume, and for its end. */
function line(starts: boolean): string {
  const words = starts
    ? 'replication:SyncSource peer-disk:Inconsistent peer-client:no done:0.00 received:0 sent:0 out-of-sync:4096'
    : 'replication:Established peer-disk:UpToDate peer-client:no received:0 sent:4096 out-of-sync:0'
  return `${stamp()} change peer-device name:${FIRST} peer-node-id:1 conn-name:xcp-host-b volume:0 ${words}\n`
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** A pipe like the one of the kernel events. Only this benchmark reads it. */
async function openBarePipe(socketPath: string) {
  const connected = Promise.withResolvers<Socket>()
  const kernel = createServer(socket => connected.resolve(socket)).listen(socketPath)
  const child = execa(process.execPath, [SIMULATED_DRBDSETUP, '0', socketPath, 'events2'], {
    buffer: false,
    reject: false,
  })
  const socket = await connected.promise
  /** Sends one line and returns the milliseconds until it arrives. */
  const passMs = async () => {
    const arrived = once(child.stdout, 'data')
    const sentAt = performance.now()
    socket.write(line(true))
    await arrived
    return performance.now() - sentAt
  }
  const close = async () => {
    kernel.close()
    child.kill()
    await child
  }
  // The first line may arrive together with the initial dump, so its time is not used.
  await passMs()
  await sleep(50)
  return { passMs, close }
}

async function measure(root: string, resources: number, flips: number): Promise<void> {
  const socketPath = join(root, 'kernel.sock')
  const connected = Promise.withResolvers<Socket>()
  const kernel = createServer(socket => connected.resolve(socket)).listen(socketPath)

  const otherHostReport = (host: string, sr: string): Report => ({
    schema: 1,
    host,
    sr,
    bootId: BOOT.id,
    // Only the order matters: there is one poll of each host and SR at a time.
    seq: Math.floor(performance.now() * 1000),
    at: new Date().toISOString(),
    state: 'synced',
    since: new Date().toISOString(),
    mirrors: { unknown: 0, degraded: 0, resyncing: 0, synced: 9 },
    outOfSyncBytes: 0,
    progress: null,
    etaSeconds: null,
    reasons: [],
  })
  const gated = new GatedPool({
    clock: machineClock,
    settings: { policy: DEFAULT_POLICY, pollEveryMs: 30_000, pollTimeoutMs: 10_000 },
    machines: { goDown: () => undefined },
    authenticate: () => true,
    plugins: async () => ({ error: ['XENAPI_PLUGIN_FAILURE'] }),
    pollReport: async ({ hostUuid: uuid, sr }) => {
      const report = uuid === hostUuid ? agent.report(sr) : otherHostReport(uuid, sr)
      if (report === null) throw new Error('the host does not watch this SR')
      return encodePollAnswer(report)
    },
  })
  const { pool } = gated
  const { sr } = pool.seed(Array.from({ length: HOSTS }, (_, index) => `xcp-host-${index}`))
  const hosts = pool.list('host')
  const hostUuid = hosts[0]?.[1].uuid ?? ''
  const { port } = await pool.listen({ port: 0 })
  const client = new XenApiClient({ clock: machineClock, url: `http://127.0.0.1:${port}`, user: 'root', password: '' })
  for (const [ref] of hosts) await client.call('host.disable', [ref])

  const srUuid = pool.get('SR', sr)?.uuid ?? ''
  const agent = measuredAgent({ host: hostUuid, srs: [srUuid], sink: new PbdReportSink(new PbdReports(client)) })
  const stop = new AbortController()
  const drbdsetup = [process.execPath, SIMULATED_DRBDSETUP, String(resources), socketPath] as const
  const following = (async () => {
    for await (const update of followDrbd({ drbdsetup, root, clock: machineClock, signal: stop.signal })) {
      agent.apply(drbdBackend, update)
    }
  })()
  gated.start()

  const rebootableHosts = () =>
    pool.list('host').filter(([, { allowed_operations }]) => allowed_operations.includes('reboot')).length
  const until = (wanted: number) =>
    new Promise<number>((resolve, reject) => {
      const timeout = setTimeout(
        () => reject(new Error(`${rebootableHosts()} hosts may reboot, not ${wanted}`)),
        DEADLINE_MS,
      )
      const check = () => {
        if (rebootableHosts() !== wanted) return
        clearTimeout(timeout)
        unsubscribe()
        resolve(performance.now())
      }
      const unsubscribe = pool.subscribe(({ cls }) => {
        if (cls === 'host') check()
      })
      check()
    })
  const socket = await connected.promise
  await until(HOSTS)
  const bare = await openBarePipe(join(root, 'bare.sock'))
  const tookMs: number[] = []
  const bareMs: number[] = []
  for (let flip = 0; flip < flips; flip += 1) {
    const starts = flip % 2 === 0
    const done = until(starts ? 0 : HOSTS)
    const sentAt = performance.now()
    socket.write(line(starts))
    tookMs.push((await done) - sentAt)
    await sleep(5 + (flip % 7))
    bareMs.push(await bare.passMs())
  }
  await bare.close()
  const ofWarm = (figures: readonly number[], share: number) =>
    quantile(
      figures.slice(Math.min(WARM_UP_FLIPS, figures.length / 2)).toSorted((a, b) => a - b),
      share,
    )
  for (const [figure, value] of [
    ['kernel line to all hosts, median', ofWarm(tookMs, 0.5)],
    ['kernel line to all hosts, p99', ofWarm(tookMs, 0.99)],
    ['kernel line to all hosts, the first', tookMs[0] ?? Number.NaN],
    ['a line through the pipe alone, median', ofWarm(bareMs, 0.5)],
    ['a line through the pipe alone, p99', ofWarm(bareMs, 0.99)],
  ] as const) {
    const measured = {
      bench: 'end-to-end',
      figure,
      resources,
      hosts: HOSTS,
      value: Number(value.toFixed(2)),
      unit: 'ms',
    }
    process.stdout.write(`${JSON.stringify(measured)}\n`)
  }
  stop.abort()
  await following
  await agent.close()
  await client.close()
  await gated.close()
  kernel.close()
}

for (const resources of values.resources.split(',')) {
  await withDrbdRoot(root => measure(root, Number(resources), Number(values.flips)))
}
