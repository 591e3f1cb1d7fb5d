import { mkdtempSync, rmSync } from 'node:fs'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { AgentSocket } from '../../src/agent/agent-socket.ts'
import { AgentClient } from '../../src/agent-api/agent-client.ts'
import { PoolRefusal } from '../../src/agent-api/pool-methods.ts'
import { SyncEvents } from '../../src/agent-api/sync-events.ts'
import { SyncWaiters } from '../../src/agent-api/sync-waiters.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { reason } from '../../src/sync-query/reason/reason.ts'
import type { Report } from '../../src/sync-query/report/report.ts'
import type { SrStatus } from '../../src/sync-query/sr-state/sr-fold.ts'
import type { SyncState } from '../../src/sync-query/state.ts'
import { answersOf, plugged, SYNCED, type Tap } from '../volume-plugin/plugin-under-test.ts'
import { rawCall } from './raw-call.ts'

const DEADLINE_MS = 30_000
const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const OTHER_SR = '5c5c5c5c-0000-4000-8000-000000000002'

async function until(what: string, look: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!look()) {
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`)
    await sleep(5)
  }
}

function reportOf(sr: string, state: SyncState): Report {
  const since = '2026-11-22T16:00:00.000Z'
  return { ...SYNCED, schema: 1, host: 'h', sr, bootId: 'b', seq: 1, at: since, state, since }
}

/** A host whose SRs a test can change. */
function hostOf(...srs: readonly string[]) {
  const reports = new Map(srs.map(sr => [sr, reportOf(sr, 'synced')]))
  const events = new SyncEvents()
  const select = () => events.watch([...reports.keys()], sr => reports.get(sr) ?? null)
  const become = (sr: string, to: SyncState) => {
    const from = reports.get(sr)?.state ?? null
    reports.set(sr, reportOf(sr, to))
    const kind = to === 'synced' ? 'resync-finished' : to === 'resyncing' ? 'resync-started' : to
    events.transition(sr, { at: 0, kind, from, to }, { ...SYNCED, state: to })
  }
  const watch = (sr: string, state: SyncState) => {
    reports.set(sr, reportOf(sr, state))
    select()
  }
  const unwatch = (sr: string) => {
    reports.delete(sr)
    select()
  }
  select()
  return { reports, events, become, watch, unwatch, answers: answersOf(reports) }
}

type Host = ReturnType<typeof hostOf>

async function listening(t: Tap, { answers, events }: Host) {
  // A socket's path has at most 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'events-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'agent.sock')
  const { plugin } = await plugged(t)
  const refuse = async () => {
    throw new PoolRefusal('noToolstack', 'no toolstack is configured')
  }
  const pool = { gate: refuse, canReboot: refuse, setOverride: refuse, clearOverride: refuse, clearOrder: refuse }
  const bugs: unknown[] = []
  const onBug = (bug: unknown) => bugs.push(bug)
  const socket = new AgentSocket({ clock: machineClock, answers, events, onBug, own: { plugin, pool } })
  await socket.listen({ path })
  t.teardown(() => socket.close())
  return { path, bugs }
}

interface ReceivedEvent {
  readonly event: string
  readonly id: string
  readonly data: { readonly sr?: string; readonly state?: string; readonly [key: string]: unknown }
}

/** Reads events as a browser's EventSource does. */
function listenTo(t: Tap, socketPath: string, path = '/events', lastEventId?: string) {
  const received: ReceivedEvent[] = []
  let [rest, lastId, status] = ['', '', 0]
  const headers = lastEventId === undefined ? {} : { 'last-event-id': lastEventId }
  const outgoing = get({ socketPath, path, headers, agent: false }, response => {
    status = response.statusCode ?? 0
    response.setEncoding('utf8').on('data', text => {
      const blocks = `${rest}${text}`.split('\n\n')
      rest = blocks.pop() ?? ''
      for (const block of blocks) {
        const fields = new Map(block.split('\n').map(line => [line.split(':', 1)[0], line.replace(/^\w*: ?/, '')]))
        lastId = fields.get('id') ?? lastId
        const data = fields.get('data')
        if (data !== undefined) received.push({ event: fields.get('event') ?? '', id: lastId, data: JSON.parse(data) })
      }
    })
    response.on('error', () => undefined)
  })
  outgoing.on('error', () => undefined)
  t.teardown(() => outgoing.destroy())
  return {
    received,
    lastId: () => lastId,
    status: () => status,
    receives: (count: number) => until(`${count} events, not ${received.length}`, () => received.length >= count),
    summary: () => received.map(({ event, data }) => `${event} ${data.sr?.at(-1) ?? ''} ${data.state ?? ''}`.trim()),
    close: () => outgoing.destroy(),
  }
}

t.test('first the states, then every transition in order; a reader that resumes misses nothing', async t => {
  const host = hostOf(SR, OTHER_SR)
  const { path, bugs } = await listening(t, host)
  const reader = listenTo(t, path)
  await reader.receives(2)
  host.become(SR, 'resyncing')
  host.become(SR, 'degraded')
  await reader.receives(4)
  t.strictSame(reader.summary(), [
    'state 1 synced',
    'state 2 synced',
    'transition 1 resyncing',
    'transition 1 degraded',
  ])
  t.match(reader.received[2]?.data, {
    sr: SR,
    at: '1970-01-01T00:00:00.000Z',
    transition: 'resync-started',
    from: 'synced',
    to: 'resyncing',
    since: '2026-11-22T16:00:00.000Z',
    mirrors: SYNCED.mirrors,
    reasons: [],
    reasonsOmitted: 0,
  })
  reader.close()

  host.become(SR, 'resyncing')
  host.unwatch(OTHER_SR)
  host.watch(OTHER_SR, 'unknown')
  const missed = ['transition 1 resyncing', 'removed 2', 'state 2 unknown']
  const again = listenTo(t, path, '/events', reader.lastId())
  await again.receives(3)
  t.strictSame(again.summary(), missed)
  const byQuery = listenTo(t, path, `/events?from=${reader.lastId()}`)
  await byQuery.receives(3)
  host.become(OTHER_SR, 'synced')
  await byQuery.receives(4)
  t.strictSame(byQuery.summary(), [...missed, 'transition 2 synced'])
  t.strictSame(
    [...new Set(byQuery.received.map(({ id }) => Number(id.split('-')[1])))].length,
    4,
    'each event has its own ID',
  )
  await again.receives(4)

  const upToDate = listenTo(t, path, '/events', again.lastId())
  await until('it is connected', () => upToDate.status() === 200)
  host.become(SR, 'synced')
  await upToDate.receives(1)
  t.strictSame(upToDate.summary(), ['transition 1 synced'])
  t.strictSame(bugs, [])
})

t.test('an ID of another run, an old ID or an invalid ID: reset, then the states again', async t => {
  const host = hostOf(SR)
  const { path } = await listening(t, host)
  const reader = listenTo(t, path)
  await until('it has an id', () => reader.lastId() !== '')
  const first = reader.lastId()
  const [run = ''] = first.split('-')
  for (let round = 0; round < 300; round += 1) {
    host.become(SR, 'resyncing')
    host.become(SR, 'synced')
  }
  for (const id of [first, hostOf(SR).events.lastId, `${run}-99999`, `${run}-x`, `${run}-`, run, 'nonsense']) {
    const late = listenTo(t, path, '/events', id)
    await late.receives(2)
    t.strictSame(late.summary(), ['reset', 'state 1 synced'], id)
    await until('it has a new id', () => late.lastId() === host.events.lastId)
    late.close()
  }
  const hot = listenTo(t, path, '/events', `${run}-200`)
  await hot.receives(host.events.since(`${run}-200`)?.length ?? Number.NaN)
  t.equal(hot.summary().at(-1), 'transition 1 synced')
})

t.test('events are kept up to a number and up to a size', t => {
  const host = hostOf(SR)
  const events = new SyncEvents({ events: 3, bytes: 100_000 })
  const change = () => events.transition(SR, { at: 0, kind: 'unknown', from: 'synced', to: 'unknown' }, SYNCED)
  const ids = [events.lastId]
  for (let round = 0; round < 5; round += 1) {
    change()
    ids.push(events.lastId)
  }
  t.strictSame(
    ids.map(id => events.since(id)?.length ?? null),
    [null, null, 3, 2, 1, 0],
  )
  const reasons = Array.from(
    { length: 25 },
    (_, index) => ({ code: 'drift', mirror: `m${index}`, clearedBy: 'time' }) as const,
  )
  events.transition(SR, { at: 0, kind: 'unknown', from: null, to: 'unknown' }, { ...SYNCED, reasons })
  t.match(events.since(ids.at(-1) ?? '')?.at(0)?.event.data, { reasons: { length: 10 }, reasonsOmitted: 15 })
  t.equal(host.events.since(events.lastId), null)

  const few = new SyncEvents({ events: 100, bytes: 5_000 })
  const sent = Array.from({ length: 20 }, () => {
    const before = few.lastId
    few.transition(
      SR,
      { at: 0, kind: 'unknown', from: 'synced', to: 'unknown' },
      { ...SYNCED, reasons: reasons.slice(5) },
    )
    return before
  })
  const kept = sent.map(id => few.since(id)).filter(missed => missed !== null)
  t.ok(kept.length > 1 && kept.length < 10, `${kept.length} of 20 fit into so few bytes`)
  t.strictSame(
    kept.map(missed => missed.length),
    kept.map((_, index) => kept.length - index),
    'the last ones, without a gap',
  )
  t.end()
})

const RICH = Array.from({ length: 20 }, (_, index) =>
  reason('resync-running', `xcp-volume-3f2a1b4c-5d6e-4f70-8a9b-0c1d2e3f4a${10 + index}/0`, {
    peer: `xcp-ng-host-${'0'.repeat(120)}7`,
    side: 'target',
    progress: 0.42,
  }),
)

t.test('a reader that resumes gets all missed events, even if they exceed the limit for unread bytes', async t => {
  const host = hostOf(SR)
  const { path } = await listening(t, host)
  const first = host.events.lastId
  const rich: SrStatus = { ...SYNCED, state: 'resyncing', reasons: RICH }
  const happen = () =>
    host.events.transition(SR, { at: 0, kind: 'resync-started', from: 'synced', to: 'resyncing' }, rich)
  for (let count = 0; count < 500; count += 1) happen()
  const missed = host.events.since(first)
  t.ok(JSON.stringify(missed).length > 1_048_576)
  for (const round of ['once', 'again']) {
    const reader = listenTo(t, path, '/events', first)
    await until('it is connected', () => reader.status() === 200)
    happen()
    const all = host.events.since(first)?.length ?? 0
    await reader.receives(all)
    const numbers = reader.received.map(({ id }) => Number(id.split('-')[1]))
    t.strictSame(
      numbers,
      numbers.map((_, index) => (numbers[0] ?? 0) + index),
      `${round}: in order, none twice`,
    )
    reader.close()
  }
})

t.test('the states of the maximum number of SRs reach a reader, whatever their size', async t => {
  const srs = Array.from({ length: 256 }, (_, index) => `5c5c5c5c-0000-4000-8000-${String(index).padStart(12, '0')}`)
  const host = hostOf(...srs)
  for (const sr of srs) host.reports.set(sr, { ...reportOf(sr, 'resyncing'), reasons: [...RICH, ...RICH] })
  const { path } = await listening(t, host)
  const reader = listenTo(t, path)
  await reader.receives(256)
  await until('it has an id', () => reader.lastId() === host.events.lastId)
})

t.test('a reader above the limit is refused until another reader disconnects', async t => {
  const host = hostOf(SR)
  const { path } = await listening(t, host)
  const readers = Array.from({ length: 32 }, () => listenTo(t, path))
  for (const reader of readers) await reader.receives(1)
  const surplus = listenTo(t, path)
  await until('it is refused', () => surplus.status() !== 0)
  t.equal(surplus.status(), 503)
  readers[0]?.close()
  await until('there is room again', () => {
    const next = listenTo(t, path)
    if (next.status() === 200) return true
    readers.push(next)
    return readers.some((reader, index) => index >= 32 && reader.status() === 200)
  })
})

t.test('over the network there are no events, no questions about the pool and no overrides', async t => {
  const host = hostOf(SR)
  const socket = new AgentSocket({ clock: machineClock, ...host, onBug: bug => t.fail(String(bug)) })
  const { port } = await socket.listen({ port: 0 })
  t.teardown(() => socket.close())
  const url = `http://127.0.0.1:${port}`
  t.equal((await fetch(`${url}/events`)).status, 404)
  t.equal((await fetch(`${url}/plugin/SR.stat`, { method: 'POST', body: '{}' })).status, 404)
  const call = '<methodCall><methodName>gate</methodName></methodCall>'
  t.match(await (await fetch(`${url}/xapi-plugin`, { method: 'POST', body: call })).text(), /UnknownFunction/)
  const client = new AgentClient(url)
  for (const method of ['Pool.gate', 'Host.can_reboot', 'Override.set', 'Override.clear']) {
    await t.rejects(rawCall(url, method, {}), { code: -32_601 }, method)
  }
  t.match(await client.call('SR.list', {}, AbortSignal.timeout(DEADLINE_MS)), [{ sr: SR, state: 'synced' }])
})

t.test('SR.wait_synced waits until an SR is synced', async t => {
  const host = hostOf(SR, OTHER_SR)
  const { path, bugs } = await listening(t, host)
  const wait = (sr: string, timeoutSeconds: unknown, signal = AbortSignal.timeout(DEADLINE_MS)) =>
    rawCall(path, 'SR.wait_synced', { sr, timeoutSeconds }, signal)
  t.match(await wait(SR, 300), { state: 'synced' }, 'it is synced already')
  host.become(SR, 'resyncing')
  t.match(await wait(SR, 0), { state: 'resyncing' }, 'a timeout of 0')
  t.match(await wait(SR, 0.05), { state: 'resyncing' }, 'the time is over')
  for (const odd of [undefined, null, '5', -1]) await t.rejects(wait(SR, odd), { code: -32_602 }, String(odd))
  await t.rejects(wait('none', 5), { code: -32_001 })

  host.become(OTHER_SR, 'degraded')
  const waiting = [wait(SR, 300), wait(SR, 1e12), wait(OTHER_SR, 300)]
  await sleep(50)
  host.become(SR, 'degraded')
  host.become(SR, 'synced')
  t.match(await waiting[0], { sr: SR, state: 'synced' })
  t.match(await waiting[1], { sr: SR, state: 'synced' })
  host.unwatch(OTHER_SR)
  await t.rejects(waiting[2] ?? Promise.resolve(), { code: -32_001 }, 'it is no longer watched')

  host.become(SR, 'degraded')
  const leaving = new AbortController()
  const many = Array.from({ length: 64 }, () => wait(SR, 300, leaving.signal).catch(() => 'gone'))
  const refusal = () =>
    wait(SR, 0.01).then(
      () => null,
      error => error.code,
    )
  const deadline = Date.now() + DEADLINE_MS
  let code: unknown
  while (code !== -32_006 && Date.now() < deadline) code = await refusal()
  t.equal(code, -32_006, 'the limit is reached')
  leaving.abort()
  t.ok((await Promise.all(many)).every(each => each === 'gone'))
  while (code !== null && Date.now() < deadline) code = await refusal()
  t.equal(code, null, 'a client that disconnected no longer counts')
  t.strictSame(bugs, [])
})

t.test('a request that stops waiting leaves no timer and no listener', async t => {
  const host = hostOf(SR)
  const waiters = new SyncWaiters(machineClock, host.events, sr => host.reports.get(sr) ?? null, 1)
  host.become(SR, 'degraded')
  for (let round = 0; round < 3; round += 1) {
    const stop = new AbortController()
    const waiting = waiters.wait(SR, 60_000, stop.signal)
    t.equal(await waiters.wait(SR, 60_000, stop.signal), 'too many')
    stop.abort()
    t.match(await waiting, { state: 'degraded' })
    t.match(await waiters.wait(SR, 60_000, stop.signal), { state: 'degraded' }, 'the aborted request has ended')
  }
})
