import t from 'tap'
import { claim } from '../../../src/allowed-operations/claim.ts'
import { DEFAULT_POLICY } from '../../../src/allowed-operations/pool/gate-policy.ts'
import { EmbeddedPool } from '../../../src/embedded-pool/embedded-pool.ts'
import type { HostOperationGate } from '../../../src/embedded-pool/hosts/host-operation-gate.ts'
import { encodeReport } from '../../../src/sync-query/report/report-encode.ts'
import { START_MS, VirtualClock } from '../../platform/time/virtual-clock.ts'
import {
  ask,
  askText,
  firstOf,
  login,
  oneAtATime,
  patientMachines,
  post,
  servedPool,
  until,
} from '../pool-under-test.ts'

function projectGate(now: () => number): HostOperationGate {
  return { claim: (pool, wanted) => claim(pool, DEFAULT_POLICY, now(), wanted) }
}

function syncedReport(host: string, sr: string, atMs: number): string {
  const at = new Date(atMs).toISOString()
  const mirrors = { synced: 1, resyncing: 0, degraded: 0, unknown: 0 }
  const numbers = { outOfSyncBytes: 0, progress: null, etaSeconds: null }
  const bootId = '5a5c'
  return encodeReport({
    schema: 1,
    host,
    sr,
    bootId,
    seq: 1,
    at,
    state: 'synced',
    since: at,
    mirrors,
    ...numbers,
    reasons: [],
  })
}

t.test('with the gate of the project exactly one of two concurrent reboots succeeds', async t => {
  const time = new VirtualClock()
  const ordered: string[] = []
  const { pool, url } = await servedPool(t, {
    gate: projectGate(time.now),
    clock: time,
    machines: { goDown: (host, how) => ordered.push(`${host} ${how}`) },
  })
  const { sr, hosts } = pool.seed(['a', 'b', 'c'])
  const srUuid = pool.get('SR', sr)?.uuid ?? ''
  const session = await login(url)
  for (const { ref } of hosts) await ask(url, 'host.disable', session, ref)
  const reboots = hosts.map(({ ref }, id) => ({ jsonrpc: '2.0', method: 'host.reboot', params: [session, ref], id }))
  const refused = (id: number) => ({ id, error: { code: 1, message: 'CLUSTERED_SR_DEGRADED', data: [sr] } })

  t.match(
    await post(url, reboots),
    hosts.map((_, id) => refused(id)),
    'no host may reboot before every host has reported',
  )
  time.advance(1_000)
  for (const { ref, pbd } of hosts) {
    const report = syncedReport(pool.get('host', ref)?.uuid ?? '', srUuid, time.nowMs)
    await ask(url, 'PBD.add_to_other_config', session, pbd, 'resync-monitor', report)
  }
  t.match(await post(url, reboots), [{ id: 0, result: '' }, refused(1), refused(2)])
  const first = firstOf(hosts).ref
  t.strictSame(ordered, [`${first} reboot`])
  t.match(Object.values(pool.get('host', first)?.current_operations ?? {}), ['shutdown'])

  pool.hostLeft(first)
  time.advance(30_000)
  pool.hostReturned(first, { bootTimeMs: time.nowMs - 5_000 })
  t.match(
    await post(url, reboots.slice(1)),
    [refused(1), refused(2)],
    'the host is back with a report of the old boot: no host may reboot',
  )
})

t.test('a rebooting host passes through all of its states, each visible in one step', async t => {
  const time = new VirtualClock()
  const pool = new EmbeddedPool({
    gate: oneAtATime,
    machines: patientMachines,
    authenticate: () => true,
    clock: time,
    enableDelayMs: 5_000,
  })
  t.teardown(() => pool.close())
  const { port } = await pool.listen({ port: 0 })
  const url = `http://127.0.0.1:${port}`
  const host = firstOf(pool.seed(['a']).hosts).ref
  const session = await login(url)
  const state = () => {
    const seen = firstOf(pool.poolSnapshot().hosts)
    const operations = seen.currentOperations.map(({ operation }) => operation).join()
    const words = [seen.enabled && 'enabled', seen.live && 'live', seen.leaving && 'leaving', operations]
    return words.filter(word => word).join(' ')
  }
  const states = [state()]
  pool.subscribe(({ cls }) => {
    if ((cls === 'host' || cls === 'host_metrics') && states.at(-1) !== state()) states.push(state())
  })
  t.strictSame(await ask(url, 'host.reboot', session, host), ['HOST_NOT_DISABLED'])
  await ask(url, 'host.disable', session, host)
  t.strictSame(await ask(url, 'host.evacuate', session, host, 'OpaqueRef:NULL'), '')
  t.strictSame(await ask(url, 'host.reboot', session, host), '')
  pool.hostLeft(host)
  t.strictSame(await ask(url, 'host.enable', session, host), ['HOST_OFFLINE', host])
  time.advance(60_000)
  pool.hostReturned(host, { bootTimeMs: time.nowMs - 20_500 })
  t.match(firstOf(pool.poolSnapshot().hosts), { liveSinceMs: START_MS + 60_000, bootTimeMs: START_MS + 39_000 })
  t.match(pool.get('host', host)?.other_config, { boot_time: '1795363239.', agent_start_time: '1795363260.' })
  time.advance(4_999)
  t.equal(pool.get('host', host)?.enabled, false)
  time.advance(1)
  t.strictSame(states, [
    'enabled live',
    'live',
    'live leaving reboot',
    'live leaving shutdown',
    'leaving shutdown',
    'leaving',
    'live',
    'enabled live',
  ])
})

t.test('a host that is disabled, goes down or is removed during the enable delay is not enabled', async t => {
  const time = new VirtualClock()
  const { pool, url } = await servedPool(t, { clock: time })
  const session = await login(url)
  const [a, b, c] = pool.seed(['a', 'b', 'c']).hosts
  if (a === undefined || b === undefined || c === undefined) throw new Error('expected three hosts')
  for (const { ref } of [a, b, c]) {
    pool.hostLeft(ref)
    pool.hostReturned(ref, { bootTimeMs: time.nowMs })
  }
  await ask(url, 'host.disable', session, a.ref)
  pool.hostLeft(b.ref)
  pool.removeHost(c.ref)
  time.advance(10_000)
  t.strictSame(
    pool.list('host').map(([, { hostname, enabled }]) => [hostname, enabled]),
    [
      ['a', false],
      ['b', false],
    ],
  )
  t.strictSame(await ask(url, 'host.enable', session, a.ref), '')
  t.equal(pool.get('host', a.ref)?.enabled, true)
  pool.hostReturned(c.ref, { bootTimeMs: 0 })
  pool.hostLeft(c.ref)
  t.equal(pool.list('host').length, 2, 'a removed host does not reappear')
})

t.test('a fast reboot without a reported shutdown ends with the return', async t => {
  const { pool, url } = await servedPool(t)
  const host = firstOf(pool.seed(['a']).hosts).ref
  const session = await login(url)
  await ask(url, 'host.disable', session, host)
  await ask(url, 'host.shutdown', session, host)
  t.match(firstOf(pool.poolSnapshot().hosts), { leaving: true, currentOperations: [{ operation: 'shutdown' }] })
  pool.hostReturned(host, { bootTimeMs: Date.now() })
  t.match(firstOf(pool.poolSnapshot().hosts), { leaving: false, currentOperations: [] })
})

t.test('if the driver throws the order stands, because the machine may have received it', async t => {
  const goDown = () => {
    throw new Error('the machine did not answer')
  }
  const { pool, url, bugs } = await servedPool(t, { machines: { goDown } })
  const host = firstOf(pool.seed(['a', 'b']).hosts).ref
  const session = await login(url)
  await ask(url, 'host.disable', session, host)
  t.strictSame(await ask(url, 'host.reboot', session, host), ['INTERNAL_ERROR', 'see the log of the pool'])
  t.match(bugs, [{ message: 'the machine did not answer' }])
  t.match(firstOf(pool.poolSnapshot().hosts), { leaving: true, live: true })
})

t.test('host.power_on waits until the host is live, at most as long as its client waits', async t => {
  const time = new VirtualClock()
  const on: string[] = []
  const { pool, url } = await servedPool(t, {
    gate: projectGate(time.now),
    machines: { goDown: () => undefined, powerOn: host => on.push(host) },
    clock: time,
  })
  const session = await login(url)
  const host = pool.addHost({ hostname: 'a', power_on_mode: 'IPMI' })
  t.strictSame(await ask(url, 'host.power_on', session, host), ['HOST_IS_LIVE', host])
  pool.hostLeft(host)
  const operations = () => Object.values(pool.get('host', host)?.current_operations ?? {})
  const begin = async () => {
    const task = await askText(url, 'Async.host.power_on', session, host)
    t.strictSame(operations(), ['power_on'])
    return task
  }
  const outcome = async (task: string) => {
    await until(() => pool.get('task', task)?.status !== 'pending')
    t.strictSame(operations(), [])
    return [pool.get('task', task)?.status, ...(pool.get('task', task)?.error_info ?? [])]
  }
  const late = await begin()
  time.advance(600_000)
  t.strictSame(await outcome(late), ['failure', 'HOST_OFFLINE', host])
  const unwanted = await begin()
  await ask(url, 'task.cancel', session, unwanted)
  t.strictSame(await outcome(unwanted), ['cancelled', 'TASK_CANCELLED', unwanted])

  const client = new AbortController()
  const request = { method: 'host.power_on', params: [session, host], id: 1 }
  const left = fetch(`${url}/jsonrpc`, { method: 'POST', body: JSON.stringify(request), signal: client.signal })
  await until(() => operations().length === 1)
  client.abort()
  await t.rejects(left)
  await until(() => operations().length === 0)

  const waiting = ask(url, 'host.power_on', session, host)
  await until(() => operations().length === 1)
  pool.hostReturned(host, { bootTimeMs: time.nowMs })
  t.strictSame(await waiting, '')
  t.strictSame(on, [host, host, host, host])
})

t.test('host.restart_agent changes agent_start_time and nothing else', async t => {
  const time = new VirtualClock()
  const { pool, url } = await servedPool(t, { clock: time })
  const session = await login(url)
  const host = firstOf(pool.seed(['a']).hosts).ref
  const before = pool.get('host', host)
  const snapshot = firstOf(pool.poolSnapshot().hosts)
  time.advance(90_000)
  t.equal(await ask(url, 'host.restart_agent', session, host), '')
  t.strictSame(pool.get('host', host), {
    ...before,
    other_config: { ...before?.other_config, agent_start_time: '1795363290.' },
  })
  t.strictSame(firstOf(pool.poolSnapshot().hosts), snapshot)
})

t.test('allowed_operations is written only when it differs', async t => {
  const { pool } = await servedPool(t)
  const host = firstOf(pool.seed(['a']).hosts).ref
  const writes: string[] = []
  pool.subscribe(({ cls, operation }) => writes.push(`${cls} ${operation}`))
  pool.setAllowedOperations(host, ['reboot', 'shutdown'])
  pool.setAllowedOperations(host, ['reboot', 'shutdown'])
  pool.setAllowedOperations('OpaqueRef:gone', ['reboot'])
  t.strictSame(writes, ['host mod'])
  t.strictSame(firstOf(pool.poolSnapshot().hosts).allowedOperations, ['reboot', 'shutdown'])
})

t.test('the snapshot contains the database, and when each host last confirmed its report', async t => {
  const time = new VirtualClock()
  const { pool, url } = await servedPool(t, { clock: time })
  const { sr, hosts } = pool.seed(['a'], { type: 'linstor', other_config: { k: 'v' } })
  const { ref, pbd } = firstOf(hosts)
  const session = await login(url)
  const host = pool.get('host', ref)
  const { changedSeqs, ...snapshot } = pool.poolSnapshot()
  t.equal(changedSeqs?.get(ref), undefined, 'no heartbeat has sent any')
  t.strictSame(snapshot, {
    hosts: [
      {
        ref,
        uuid: host?.uuid,
        hostname: 'a',
        nameLabel: 'a',
        enabled: true,
        live: true,
        liveSinceMs: START_MS,
        bootTimeMs: START_MS,
        powerOnMode: '',
        currentOperations: [],
        allowedOperations: [],
        leaving: false,
      },
    ],
    srs: [
      {
        ref: sr,
        uuid: pool.get('SR', sr)?.uuid,
        nameLabel: pool.get('SR', sr)?.name_label,
        clustered: true,
        type: 'linstor',
        otherConfig: { k: 'v' },
      },
    ],
    pbds: [{ ref: pbd, host: ref, sr, currentlyAttached: true }],
    tasks: [],
    reports: [],
    overrides: [],
    powerOnPlugin: false,
    rollingUpgrade: false,
  })
  const reports = () => pool.poolSnapshot().reports
  const report = syncedReport(host?.uuid ?? '', pool.get('SR', sr)?.uuid ?? '', START_MS)
  const key = 'resync-monitor'
  await ask(url, 'PBD.add_to_other_config', session, pbd, 'another', 'key')
  t.strictSame(reports(), [])
  await ask(url, 'PBD.add_to_other_config', session, pbd, key, report)
  t.match(reports(), [{ host: ref, sr, confirmedAtMs: START_MS, report: { state: 'synced' } }])

  time.advance(1_000)
  await ask(url, 'PBD.remove_from_other_config', session, pbd, key)
  t.strictSame(reports(), [], 'no report between remove and add')
  await ask(url, 'PBD.add_to_other_config', session, pbd, key, report)
  t.match(reports(), [{ confirmedAtMs: START_MS + 1_000 }], 'adding the same text confirms the report')

  time.advance(1_000)
  await ask(url, 'PBD.set_other_config', session, pbd, { [key]: report, note: 'by an operator' })
  t.match(reports(), [{ confirmedAtMs: START_MS + 1_000 }], 'setting a map with the same report does not confirm it')
  await ask(url, 'PBD.set_other_config', session, pbd, { [key]: 'not a report' })
  t.match(reports(), [{ confirmedAtMs: START_MS + 2_000, problem: { code: 'not-json' } }])

  await ask(url, 'task.create', session, 'SR Recovering', sr)
  await ask(url, 'pool.add_to_other_config', session, pool.ref, 'rolling_upgrade_in_progress', '')
  await ask(url, 'host.set_other_config', session, ref, { boot_time: 'soon' })
  t.match(pool.poolSnapshot(), {
    tasks: [{ nameLabel: 'SR Recovering', nameDescription: sr }],
    rollingUpgrade: true,
    hosts: [{ bootTimeMs: null }],
  })
  const another = pool.addHost({ hostname: 'b', live: false, other_config: { boot_time: '' } })
  t.match(pool.poolSnapshot().hosts[1], { ref: another, live: false, liveSinceMs: null, bootTimeMs: null })
  pool.removePbd(pbd)
  pool.removePbd(pbd)
  t.match(pool.poolSnapshot(), { pbds: [], reports: [] })
  t.strictSame([pool.get('host', ref)?.PBDs, pool.get('SR', sr)?.PBDs], [[], []])
  pool.removeHost(ref)
  pool.removeHost(ref)
  t.strictSame(pool.list('host_metrics').length, 1)
})
