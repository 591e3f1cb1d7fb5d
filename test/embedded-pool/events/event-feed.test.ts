import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { Database } from '../../../src/embedded-pool/database/database.ts'
import { newHost, newMessage, newPool, newTask } from '../../../src/embedded-pool/database/new-record.ts'
import { EventFeed } from '../../../src/embedded-pool/events/event-feed.ts'
import type { Role } from '../../../src/embedded-pool/sessions/roles.ts'
import { type Clock, machineClock } from '../../../src/platform/time/clock.ts'
import { ask, askText, firstOf, login, PASSWORD, servedPool } from '../pool-under-test.ts'

const BATCH_MS = 20
const never = new AbortController().signal

/** Its timers keep the test process alive, unlike those of `machineClock`. */
const testClock: Clock = {
  ...machineClock,
  after(delayMs: number, callback: () => void) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

const callerOf = (session: string, user = 'root', role: Role = 'pool-admin') => ({ session, user, role })

function feedUnderTest({ maxWaiting = 4, maxWaitingPerSession = 4, maxWaitingPerUser = 4 } = {}) {
  const db = new Database(1_000, bug => t.fail(String(bug)))
  const feed = new EventFeed(db, {
    clock: testClock,
    batchMs: BATCH_MS,
    maxWaiting,
    maxWaitingPerSession,
    maxWaitingPerUser,
  })
  const session = db.create('session', { uuid: '', auth_user_name: '', originator: '' })
  const host = db.create('host', newHost({ uuid: 'u' }))
  const from = (classes: readonly string[], token: string, timeoutSeconds: number, signal = never) =>
    feed.from({ caller: callerOf(session), classes, token, timeoutSeconds, signal })
  /** Class, operation and ref of each event. */
  const eventsOf = async (classes: readonly string[], token: string) =>
    (await from(classes, token, 0)).events.map(event => `${event.class} ${event.operation} ${event.ref}`)
  const token = async () => (await from([], '', 0)).token
  return { db, feed, session, host, from, eventsOf, token }
}

t.test('the empty token returns all objects, in the format of stock xapi', async t => {
  const { db, from, host } = feedUnderTest()
  const pool = db.create('pool', newPool({ uuid: 'p', master: host }))
  t.strictSame(await from(['HOST', 'pool', 'vm'], '', 30), {
    events: [
      { id: 1_003, timestamp: '0.0', class: 'pool', operation: 'add', ref: pool, snapshot: db.get('pool', pool) },
      { id: 1_003, timestamp: '0.0', class: 'host', operation: 'add', ref: host, snapshot: db.get('host', host) },
    ],
    valid_ref_counts: { pool: 1, host: 1, host_metrics: 0, sr: 0, pbd: 0, task: 0, message: 0 },
    token: '00000000000000001003,00000000000000001003',
  })
})

t.test('a batch contains each object once, with its change since the token', async t => {
  const { db, eventsOf, host, token } = feedUnderTest()
  const before = await token()
  db.update('host', host, { enabled: true })
  db.update('host', host, { enabled: false })
  t.strictSame(await eventsOf(['host'], before), [`host mod ${host}`], 'changed twice: one mod')
  const created = db.create('host', newHost({ uuid: 'v' }))
  db.update('host', created, { enabled: true })
  t.strictSame(
    await eventsOf(['host'], before),
    [`host add ${created}`, `host mod ${host}`],
    'new and changed: one add',
  )
  db.delete('host', created)
  t.strictSame(await eventsOf(['host'], before), [`host mod ${host}`], 'created and deleted: nothing')
  const afterAll = await token()
  t.strictSame(await eventsOf(['host'], afterAll), [])
  db.delete('host', host)
  t.strictSame(await eventsOf(['*'], before), [`host del ${host}`], 'changed and deleted: one del')
  t.strictSame(await eventsOf(['*'], ''), [], 'the empty token returns no deletions')
})

t.test('the order of events is messages, add, mod, del; messages have their own position in the token', async t => {
  const { db, eventsOf, host, token } = feedUnderTest()
  const gone = db.create('task', newTask({ uuid: '' }))
  const before = await token()
  db.delete('task', gone)
  db.update('host', host, {})
  const task = db.create('task', newTask({ uuid: '' }))
  const message = db.create('message', newMessage({ uuid: '' }))
  const dels = [`host mod ${host}`, `task del ${gone}`]
  t.strictSame(await eventsOf(['*'], before), [`message add ${message}`, `task add ${task}`, ...dels])
  const [database] = before.split(',')
  const [, messages] = (await token()).split(',')
  t.strictSame(await eventsOf(['*'], `${database},${messages}`), [`task add ${task}`, ...dels])
})

t.test('one object can be followed; a token of the future gets no events until the generation passes it', async t => {
  const { db, eventsOf, from, host, token } = feedUnderTest()
  const before = await token()
  const other = db.create('host', newHost({ uuid: 'v' }))
  db.update('host', host, {})
  t.strictSame(await eventsOf([`Host/${other}`, 'task'], before), [`host add ${other}`])
  for (const future of ['00000000000000009999,00000000000000009999', '99999999999999999999,99999999999999999999']) {
    const batch = await from(['host'], future, 0)
    t.strictSame(batch.events, [])
    t.ok(batch.token >= '00000000000000009999', 'the token stays in the future')
  }
})

t.test('a token older than the queue of deletions gets EVENTS_LOST, a newer one does not', async t => {
  const { db, from, token } = feedUnderTest()
  const refs = Array.from({ length: 600 }, () => db.create('task', newTask({ uuid: '' })))
  const before = await token()
  for (const ref of refs) db.delete('task', ref)
  const lost = { description: ['EVENTS_LOST'] }
  t.match(await from(['task'], before, 0).catch(failure => failure), lost)
  t.match(await from(['*'], before, 30).catch(failure => failure), lost)
  t.match(await from(['host'], before, 0), { events: [] }, 'no deletion of another class is lost')
  const batch = await from(['task'], '', 0)
  t.strictSame(batch.events, [], 'the empty token never gets EVENTS_LOST')
  t.equal(batch.valid_ref_counts.task, 0)
  const [next] = [db.create('task', newTask({ uuid: '' }))]
  const since = await token()
  db.delete('task', next)
  t.match(await from(['task'], since, 0), { events: [{ operation: 'del', ref: next }] })
})

t.test('a call waits for a change, collects for the batch time, and returns one batch', async t => {
  const { db, from, host, token } = feedUnderTest()
  const beganMs = performance.now()
  const waiting = from(['host'], await token(), 30)
  await sleep(10)
  db.create('task', newTask({ uuid: '' }))
  db.update('host', host, { hostname: 'one' })
  await sleep(5)
  db.update('host', host, { hostname: 'two' })
  const batch = await waiting
  t.match(batch.events, [{ operation: 'mod', snapshot: { hostname: 'two' } }], 'one event with the present record')
  t.ok(performance.now() - beganMs >= BATCH_MS)

  const tasks = from(['task'], batch.token, 30)
  const task = db.create('task', newTask({ uuid: '' }))
  await sleep(0)
  db.update('task', task, { progress: 1 })
  t.match(
    (await tasks).events,
    [{ snapshot: { progress: 0 } }],
    'a call that follows only tasks does not wait for the batch time',
  )
})

t.test('an object that is created and deleted within the batch time does not end the wait', async t => {
  const { db, from, host, token } = feedUnderTest()
  const waiting = from(['host', 'task'], await token(), 30)
  await sleep(5)
  db.delete('task', db.create('task', newTask({ uuid: '' })))
  await sleep(BATCH_MS * 2)
  db.update('host', host, {})
  t.match((await waiting).events, [{ class: 'host' }])
})

t.test('a wait ends without events at its timeout, when the client disconnects, and when the pool closes', async t => {
  const { feed, from, token } = feedUnderTest()
  const now = await token()
  const empty = { events: [], token: now }
  t.match(await from(['host'], now, 0.01), empty)
  const client = new AbortController()
  const left = from(['host'], now, 30, client.signal)
  client.abort()
  t.match(await left, empty)
  t.match(await from(['host'], now, 30, AbortSignal.abort()), empty)
  // not a number of seconds: one day, as in stock xapi
  const waiting = [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e9].map(seconds => from(['host'], now, seconds))
  feed.close()
  t.match(await Promise.all(waiting), [empty, empty, empty, empty])
  t.match(await from(['host'], now, 30), empty, 'no call waits after close')
})

t.test('the waiting calls of a user below pool-operator are limited over all its sessions', async t => {
  const { db, feed, token } = feedUnderTest({ maxWaitingPerUser: 1 })
  const now = await token()
  const waiting = (user: string, role: Role) => {
    const caller = callerOf(db.create('session', { uuid: '', auth_user_name: user, originator: '' }), user, role)
    return feed.from({ caller, classes: ['host'], token: now, timeoutSeconds: 30, signal: never })
  }
  const given = [waiting('reader', 'read-only'), waiting('root', 'pool-operator'), waiting('root', 'pool-operator')]
  t.match(await waiting('reader', 'read-only').catch(failure => failure), { description: ['TOO_BUSY'] })
  given.push(waiting('another', 'read-only'))
  feed.close()
  await t.resolves(Promise.all(given))
})

t.test('waiting calls are limited per session and in total, and end with their session', async t => {
  const { db, feed, from, session, token } = feedUnderTest({ maxWaiting: 3, maxWaitingPerSession: 2 })
  const now = await token()
  const waiting = Promise.allSettled([from(['host'], now, 30), from(['host'], now, 30)])
  const busy = { description: ['TOO_BUSY'] }
  t.match(await from(['host'], now, 30).catch(failure => failure), busy, 'limit of one session')
  const another = db.create('session', { uuid: '', auth_user_name: '', originator: '' })
  const request = { caller: callerOf(another), classes: ['host'], token: now, timeoutSeconds: 30, signal: never }
  const others = feed.from(request)
  t.match(await feed.from(request).catch(failure => failure), busy, 'limit of all sessions')
  t.teardown(() => {
    feed.close()
    return others
  })
  db.delete('session', session)
  t.match(await waiting, [
    { reason: { description: ['SESSION_INVALID', session] } },
    { reason: { description: ['SESSION_INVALID', session] } },
  ])
})

t.test('an error of a subscriber breaks neither the write nor other subscribers', async t => {
  const bugs: unknown[] = []
  const seen: string[] = []
  const db = new Database(0, bug => bugs.push(bug))
  const stop = db.subscribe(() => {
    throw new Error('a bug')
  })
  db.subscribe(change => seen.push(change.operation))
  const ref = db.create('host', newHost({ uuid: '' }))
  t.ok(db.update('host', ref, {}))
  stop()
  t.ok(db.delete('host', ref))
  t.notOk(db.delete('host', ref))
  t.notOk(db.update('host', ref, {}))
  t.strictSame(seen, ['add', 'mod', 'del'])
  t.equal(bugs.length, 2)
})

t.test(
  'over HTTP: event.inject returns the present token, logout ends a wait, and a closing pool answers immediately',
  async t => {
    const { pool, url } = await servedPool(t)
    const { hosts } = pool.seed(['a'])
    const session = await login(url)
    const token = await askText(url, 'event.inject', session, 'Pool', pool.ref)
    t.match(await ask(url, 'event.from', session, ['pool', 'host'], token, 30.1), {
      events: [{ class: 'pool', operation: 'mod', ref: pool.ref }],
    })
    const now = String(Reflect.get(Object(await ask(url, 'event.from', session, ['*'], '', 0)), 'token'))
    const ended = ask(url, 'event.from', session, ['host'], now, 30)
    await sleep(20)
    await ask(url, 'session.logout', session)
    t.strictSame(await ended, ['SESSION_INVALID', session])

    const again = await askText(url, 'session.login_with_password', 'root', PASSWORD)
    const cut = ask(url, 'event.from', again, [`host/${firstOf(hosts).ref}`], now, 30)
    await sleep(20)
    const beganMs = performance.now()
    await Promise.all([t.rejects(cut), pool.close()])
    t.ok(performance.now() - beganMs < 500)
  },
)
