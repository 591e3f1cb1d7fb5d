import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { machineClock } from '../../src/platform/time/clock.ts'
import { PbdReports } from '../../src/xapi-notify/pbd-reports.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'
import { followPool } from '../../src/xenapi-client/events.ts'
import { watchPool } from '../../src/xenapi-client/watch-pool.ts'
import { behindWeather, callIn, connected, endOf, serving, until } from './toolstack-under-test.ts'

t.test('following a pool yields everything, then the changes, and empty changes in between', async t => {
  const { pool, client, hosts } = await connected(t)
  const [a, b] = hosts
  if (a === undefined || b === undefined) throw new Error('two hosts were asked for')
  const changes = followPool(client, ['host', 'PBD'], { waitSeconds: 0.05 })
  const next = async () => {
    const { value } = await changes.next()
    return {
      everything: value.everything,
      events: value.events.map(({ cls, operation, ref }) => `${cls} ${operation} ${ref}`),
    }
  }
  t.match(await next(), {
    everything: true,
    events: [`host add ${a.ref}`, `host add ${b.ref}`, `pbd add ${a.pbd}`, `pbd add ${b.pbd}`],
  })
  t.strictSame(await next(), { everything: false, events: [] }, 'a wait without events')
  pool.hostLeft(a.ref)
  const { value } = await changes.next()
  t.match(value, {
    everything: false,
    events: [{ cls: 'host', operation: 'mod', ref: a.ref, record: { enabled: false } }],
  })
  pool.removePbd(b.pbd)
  t.strictSame(await next(), { everything: false, events: [`host mod ${b.ref}`, `pbd del ${b.pbd}`] })
})

t.test(
  'after a lost session everything is read again, because it may be another toolstack with other objects',
  async t => {
    const { client, hosts } = await connected(t)
    const changes = followPool(client, ['host'], { waitSeconds: 0.05 })
    const refs = async () => {
      const { value } = await changes.next()
      return { everything: value.everything, refs: value.events.map(({ ref }) => ref) }
    }
    const all = { everything: true, refs: hosts.map(({ ref }) => ref) }
    t.strictSame(await refs(), all)
    await client.call('session.logout')
    t.strictSame(await refs(), all, 'noticed by its own call')
    await client.call('session.logout')
    await client.call('pool.get_all')
    t.strictSame(await refs(), all, 'noticed by the call of another user of the client')
    t.strictSame(await refs(), { everything: false, refs: [] })
  },
)

t.test('after an invalid token everything is read again', async t => {
  let worthless = ''
  const asked: unknown[] = []
  const url = await serving(t, async (request, response) => {
    const { id, method, params } = await callIn(request)
    if (method !== 'event.from') return void response.end(JSON.stringify({ id, result: 'OpaqueRef:session' }))
    asked.push(params[2])
    const result = { events: [], valid_ref_counts: {}, token: 't' }
    response.end(JSON.stringify(worthless === '' ? { id, result } : { id, error: [worthless, 'x'] }))
    worthless = ''
  })
  const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: '' })
  t.teardown(() => client.close())
  const changes = followPool(client, ['host'])
  t.match((await changes.next()).value, { everything: true })
  for (const code of ['EVENTS_LOST', 'EVENT_FROM_TOKEN_PARSE_FAILURE']) {
    worthless = code
    t.match((await changes.next()).value, { everything: true })
    t.match((await changes.next()).value, { everything: false })
  }
  worthless = 'INTERNAL_ERROR'
  t.match(await endOf(changes.next()), { code: 'INTERNAL_ERROR' })
  worthless = 'EVENTS_LOST'
  t.match(await endOf(followPool(client, ['host']).next()), { code: 'EVENTS_LOST' }, 'without a token it is an error')
  t.strictSame(asked, ['', 't', '', 't', 't', '', 't', 't', ''])
})

t.test('watching a pool continues through outages: one lost, then everything again', async t => {
  const { pool, hosts, url } = await connected(t)
  const toolstack = await behindWeather(t, url)
  const client = new XenApiClient({ clock: machineClock, url: toolstack.url, user: 'root', password: 'right' })
  t.teardown(() => client.close())
  const leaving = new AbortController()
  const pace = { waitSeconds: 0.02, graceMs: 500, firstRetryMs: 1, lastRetryMs: 4, signal: leaving.signal }
  const watch = watchPool(client, ['host'], { clock: machineClock, ...pace })
  const next = async () => {
    const { value } = await watch.next()
    if (value === undefined) return 'ended'
    if ('lost' in value) return 'lost'
    return value.everything ? `everything: ${value.events.length}` : 'changes'
  }
  toolstack.weather = 'refuse'
  t.equal(await next(), 'lost', 'away from the first')
  toolstack.weather = 'pass'
  t.equal(await next(), `everything: ${hosts.length}`)
  for (const [weather, tries] of [
    ['refuse', 3],
    ['hang', 1],
    ['lose-answer', 3],
  ] as const) {
    t.equal(await next(), 'changes')
    toolstack.weather = weather
    t.equal(await next(), 'lost', weather)
    const before = toolstack.asked.length
    const back = next()
    await until('it tries again', () => toolstack.asked.length >= before + tries)
    toolstack.weather = 'pass'
    t.equal(await back, `everything: ${hosts.length}`, 'lost is yielded once')
  }
  const ended = next()
  leaving.abort(new Error('enough'))
  t.equal(await ended, 'ended')
  t.equal(pool.list('host').length, hosts.length)
  t.match(await watchPool(client, ['host'], { clock: machineClock, signal: leaving.signal }).next(), { done: true })
})

t.test('a deletion that the toolstack lost is found by the counts, and everything is read again', async t => {
  const { pool, client, hosts } = await connected(t)
  const host = hosts[0]?.ref ?? ''
  const pbds = Array.from({ length: 600 }, () => pool.addPbd({ host, sr: pool.addSr({}), attached: false }))
  const changes = followPool(client, ['PBD', 'pool'], { waitSeconds: 5 })
  const first = await changes.next()
  t.equal(first.value.events.length, 603)
  for (const pbd of pbds) pool.removePbd(pbd)
  const second = await changes.next()
  t.match(second.value, { everything: true })
  t.equal(second.value.events.length, 3)
})

t.test('if the record of an event is missing, everything is read again until none is missing', async t => {
  const { hosts, url } = await connected(t)
  const [a, b] = hosts.map(({ ref }) => ref)
  if (a === undefined || b === undefined) throw new Error('two hosts were asked for')
  const toolstack = await behindWeather(t, url)
  const client = new XenApiClient({ clock: machineClock, url: toolstack.url, user: 'root', password: 'right' })
  t.teardown(() => client.close())
  /** As of stock when it cannot read the record of host b; so many answers long. */
  let unreadable = 0
  toolstack.rewrite = (method, answer) => {
    if (method !== 'event.from' || !answer.includes(b) || unreadable-- <= 0) return answer
    const parsed = JSON.parse(answer)
    for (const event of parsed.result.events) if (event.ref === b) delete event.snapshot
    return JSON.stringify(parsed)
  }
  let name = 'b'
  // as a class, and as single objects, which are not counted
  for (const classes of [['host'], [`host/${a}`, `host/${b}`]]) {
    const changes = followPool(client, classes, { waitSeconds: 0.05 })
    const next = async () => {
      const { value } = await changes.next()
      return { everything: value.everything, events: value.events.map(({ ref, record }) => [ref, record?.name_label]) }
    }
    unreadable = 2
    t.strictSame(await next(), { everything: true, events: [[a, 'a']] }, 'left out')
    const asked = toolstack.asked.length
    t.strictSame(await next(), { everything: true, events: [[a, 'a']] }, 'still left out')
    t.equal(toolstack.asked.length, asked + 2, 'read again once per wait')
    const all = () => ({
      everything: true,
      events: [
        [a, 'a'],
        [b, name],
      ],
    })
    t.strictSame(await next(), all(), 'everything is read again although nothing has changed')
    t.strictSame(await next(), { everything: false, events: [] })
    unreadable = 1
    name = `${name}b`
    await client.call('host.set_name_label', [b, name])
    t.strictSame(await next(), all(), 'a change of it is not missed')
    t.strictSame(await next(), { everything: false, events: [] })
  }
})

t.test('following ends with an error after an invalid answer, after an outage and after an abort', async t => {
  const nonsense: readonly unknown[] = [
    null,
    { token: '', events: {} },
    { token: '', events: [null] },
    { token: '', events: [{ class: 'host', ref: 'r', operation: 'add', snapshot: 'r' }] },
    { token: '', events: [{ class: 'host', ref: 'r', operation: 'melt', snapshot: {} }] },
  ]
  for (const result of nonsense) {
    const url = await serving(t, async (request, response) => {
      const { id, method } = await callIn(request)
      response.end(JSON.stringify({ id, result: method === 'event.from' ? result : 'OpaqueRef:session' }))
    })
    const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: '' })
    t.match(await endOf(followPool(client, ['host']).next()), { name: 'XenApiUnreachable', message: /^event.from/ })
    await client.close()
  }
  const { pool, client } = await connected(t)
  const leaving = new AbortController()
  const changes = followPool(client, ['host'], { signal: leaving.signal })
  await changes.next()
  const left = endOf(changes.next())
  await sleep(10)
  leaving.abort(new Error('enough'))
  t.match(await left, { message: 'enough' })
  const again = followPool(client, ['host'])
  await again.next()
  const lost = endOf(again.next())
  await sleep(10)
  await pool.close()
  t.match(await lost, { name: 'XenApiUnreachable' })
})

t.test('with counts that stay wrong, everything is read at most once per wait', async t => {
  let asked = 0
  const url = await serving(t, async (request, response) => {
    const { id, method, params } = await callIn(request)
    if (method === 'event.from') asked += 1
    if (method === 'event.from' && params[2] !== '') await sleep(20)
    const result = { events: [], valid_ref_counts: { host: 7, pool: 'x' }, token: 't' }
    response.end(JSON.stringify({ id, result: method === 'event.from' ? result : 'OpaqueRef:session' }))
  })
  const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: '' })
  t.teardown(() => client.close())
  const changes = followPool(client, ['host', 'pool'])
  for (let round = 0; round < 3; round += 1) t.match((await changes.next()).value, { everything: true, events: [] })
  t.equal(asked, 5)
})

t.test('a report is written, replaced, and written again as a confirmation', async t => {
  const { pool, client, sr, hosts } = await connected(t)
  const sink = new PbdReports(client)
  const [a, b] = hosts
  if (a === undefined || b === undefined) throw new Error('two hosts were asked for')
  const uuid = (ref: string) => pool.get('host', ref)?.uuid ?? ''
  const srUuid = pool.get('SR', sr)?.uuid ?? ''
  t.equal(await sink.findPbd(uuid(b.ref), srUuid), b.pbd)
  pool.removePbd(b.pbd)
  t.equal(await sink.findPbd(uuid(b.ref), srUuid), null)
  t.match(await endOf(sink.findPbd('none', srUuid)), { code: 'UUID_INVALID' })

  const seen: (string | undefined)[] = []
  pool.subscribe(({ cls, ref }) => {
    if (cls === 'PBD') seen.push(pool.get('PBD', ref)?.other_config['resync-monitor'])
  })
  await sink.pushReport(a.pbd, 'one')
  await sink.pushReport(a.pbd, 'one')
  t.strictSame(seen, [undefined, 'one', undefined, 'one'])
  await t.resolves(client.call('PBD.add_to_other_config', [a.pbd, 'note', 'kept']))
  seen.length = 0
  await Promise.all(['two', 'three', 'four'].map(text => sink.pushReport(a.pbd, text)))
  t.strictSame(seen, [undefined, 'two', undefined, 'four'], 'a text that was overtaken is never written')
  t.equal(pool.get('PBD', a.pbd)?.other_config.note, 'kept')
})

t.test('during an outage reports do not accumulate, and afterwards only the newest report is written', async t => {
  const { pool, hosts, url } = await connected(t)
  const toolstack = await behindWeather(t, url)
  const client = new XenApiClient({
    clock: machineClock,
    url: toolstack.url,
    user: 'root',
    password: 'right',
    callTimeoutMs: 500,
  })
  t.teardown(() => client.close())
  const sink = new PbdReports(client)
  const pbd = hosts[0]?.pbd ?? ''
  await sink.pushReport(pbd, 'before')
  const seen: (string | undefined)[] = []
  pool.subscribe(({ cls, ref }) => {
    if (cls === 'PBD') seen.push(pool.get('PBD', ref)?.other_config['resync-monitor'])
  })
  for (const weather of ['hang', 'refuse'] as const) {
    toolstack.weather = weather
    const before = toolstack.asked.length
    const pushes = Array.from({ length: 1_000 }, (_, index) => sink.pushReport(pbd, `${weather} ${index}`))
    t.equal(new Set(await Promise.all(pushes.map(endOf))).size, 1, 'all wait for one write')
    t.equal(toolstack.asked.length, before + 1)
  }
  toolstack.weather = 'pass'
  await sink.pushReport(pbd, 'now')
  t.strictSame(seen, [undefined, 'now'])
  toolstack.weather = method => (method === 'PBD.add_to_other_config' ? 'lose-answer' : 'pass')
  t.match(await endOf(sink.pushReport(pbd, 'perhaps')), { name: 'XenApiUnreachable' })
  toolstack.weather = 'pass'
  await sink.pushReport(pbd, 'surely')
  t.equal(pool.get('PBD', pbd)?.other_config['resync-monitor'], 'surely')
})

t.test('a write that conflicts with another writer is retried, a limited number of times', async t => {
  let rivals = 2
  const calls: string[] = []
  const url = await serving(t, async (request, response) => {
    const { id, method, params } = await callIn(request)
    if (method.startsWith('PBD.')) calls.push([method.split('_')[0], ...params.slice(1)].join(' '))
    const refused = method === 'PBD.add_to_other_config' && rivals-- > 0
    const error = params[1] === 'gone' ? ['HANDLE_INVALID', 'PBD', 'gone'] : ['MAP_DUPLICATE_KEY']
    response.end(JSON.stringify(refused || params[1] === 'gone' ? { id, error } : { id, result: 'text' }))
  })
  const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: '' })
  t.teardown(() => client.close())
  const sink = new PbdReports(client)
  const tries = (text: string) => ['PBD.remove pbd resync-monitor', `PBD.add pbd resync-monitor ${text}`]
  await sink.pushReport('pbd', 'mine')
  t.strictSame(calls, [...tries('mine'), ...tries('mine'), ...tries('mine')])
  rivals = 3
  t.match(await endOf(sink.pushReport('pbd', 'again')), { code: 'MAP_DUPLICATE_KEY' })

  calls.length = 0
  const failing = [sink.pushReport('gone', 'x'), sink.pushReport('gone', 'y')]
  t.match(await Promise.all(failing.map(endOf)), [{ code: 'HANDLE_INVALID' }, { code: 'HANDLE_INVALID' }])
  await sink.pushReport('pbd', 'last')
  t.strictSame(calls, ['PBD.remove gone resync-monitor', ...tries('last')], 'after a failure nothing old is written')
  t.match(await endOf(sink.findPbd('host', 'sr')), { message: 'SR.get_PBDs did not answer with a list' })
})
