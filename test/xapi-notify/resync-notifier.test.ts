import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { SyncState } from '../../src/sync-query/state.ts'
import { decodeJournal } from '../../src/xapi-notify/resync-journal.ts'
import { parseMessageBody } from '../../src/xapi-notify/resync-message.ts'
import { type NotifierOptions, type NotifierProblem, ResyncNotifier } from '../../src/xapi-notify/resync-notifier.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'
import { PACE, statusOf } from './resync-under-test.ts'
import { behindWeather, connected, until } from './toolstack-under-test.ts'

interface TearsDown {
  teardown(end: () => unknown): void
  testdir(): string
}

const RESYNCING = statusOf('resyncing', { progress: 0.1 })
const SYNCED = statusOf('synced')

/** A pool behind a proxy that can fail, and functions that start and stop notifiers of its hosts. */
async function pooled(t: TearsDown) {
  const { pool, hosts, sr, url } = await connected(t)
  const toolstack = await behindWeather(t, url)
  const client = new XenApiClient({
    clock: machineClock,
    url: toolstack.url,
    user: 'root',
    password: 'right',
    callTimeoutMs: 1_000,
  })
  const folder = t.testdir()
  const journalPath = join(folder, 'journal.json')
  const srUuid = pool.get('SR', sr)?.uuid ?? ''
  const hostUuid = pool.get('host', hosts[0]?.ref ?? '')?.uuid ?? ''
  const problems: NotifierProblem[] = []
  const open: ResyncNotifier[] = []
  t.teardown(async () => {
    await Promise.all(open.map(notifier => notifier.close()))
    await client.close()
  })
  return {
    pool,
    toolstack,
    url,
    journalPath,
    srUuid,
    hostUuid,
    problems,
    /** A notifier of the first host, by default. */
    start: async (options: Partial<NotifierOptions> = {}) => {
      const notifier = await ResyncNotifier.open({
        clock: machineClock,
        client,
        host: { uuid: hostUuid, name: 'hostA' },
        journalPath,
        pace: PACE,
        onProblem: problem => problems.push(problem),
        ...options,
      })
      open.push(notifier)
      return notifier
    },
    /** The messages about an SR in the pool, in order; episodes are numbered in the order of their first message. */
    messages: (uuid = srUuid) => {
      const bodies = pool.list('message').filter(([, { obj_uuid }]) => obj_uuid === uuid)
      const spoken = bodies.map(([, { body }]) => parseMessageBody(body))
      const order = [...new Set(spoken.map(each => each?.episode))]
      return spoken.map(each => `${order.indexOf(each?.episode)} ${each?.event}`)
    },
    tasks: () => pool.list('task').map(([, { status, progress }]) => `${status} ${progress}`),
  }
}

function allSent(notifier: ResyncNotifier): Promise<void> {
  return until('all events are sent', () => notifier.pending === 0)
}

t.test('a resync has a message at its start, a message at its end, and a task in between', async t => {
  const world = await pooled(t)
  const { pool, toolstack, tasks } = world
  const notifier = await world.start()
  notifier.note(world.srUuid, [], statusOf('unknown'))
  notifier.note(world.srUuid, [], SYNCED)
  notifier.note(world.srUuid, [], RESYNCING)
  t.equal(notifier.pending, 1)
  await until('the task', () => tasks()[0] === 'pending 0.1')
  t.strictSame(world.messages(), ['0 started'])
  for (const progress of [0.5, 0.4, null]) {
    notifier.note(world.srUuid, [], { ...RESYNCING, progress })
    await until('the progress', () => tasks()[0] === 'pending 0.5')
  }
  notifier.note(world.srUuid, [], statusOf('degraded'))
  notifier.note(world.srUuid, [], statusOf('unknown'))
  notifier.note(world.srUuid, [], RESYNCING)
  const quiet = toolstack.asked.length
  await until('a look after the task', () => toolstack.asked.length > quiet)
  t.strictSame(world.messages(), ['0 started'])
  notifier.note(world.srUuid, [], SYNCED)
  await allSent(notifier)
  t.strictSame(world.messages(), ['0 started', '0 finished'])
  t.strictSame(tasks(), ['success 1'])

  const [message] = pool.list('message').map(([, record]) => record)
  t.match(message, { name: 'RESYNC_STARTED', priority: 3, cls: 'SR', obj_uuid: world.srUuid })
  const episode = parseMessageBody(message?.body ?? '')?.episode
  t.match(pool.list('task')[0]?.[1], {
    name_label: 'Storage resync of SR mirrored on hostA',
    name_description: `Host ${world.hostUuid} resynchronises SR ${world.srUuid}; episode ${episode}`,
    other_config: { 'resync-monitor:episode': episode },
  })
  await notifier.close()
  notifier.note(world.srUuid, [], RESYNCING)
  t.equal(notifier.pending, 0, 'after close it accepts nothing')
  t.strictSame(decodeJournal(world.hostUuid, await readFile(world.journalPath, 'utf8')), { journal: new Map() })
  t.strictSame(world.problems, [])
})

t.test('after a restart the journal and the present state decide what is sent', async t => {
  const world = await pooled(t)
  const restarted = async (before: ResyncNotifier, status = RESYNCING) => {
    await before.close()
    const notifier = await world.start()
    notifier.note(world.srUuid, [], statusOf('unknown'))
    notifier.note(world.srUuid, [], status)
    await allSent(notifier)
    return notifier
  }
  const first = await world.start()
  first.note(world.srUuid, [], { ...RESYNCING, progress: 0.3 })
  await until('the task', () => world.tasks()[0] === 'pending 0.3')
  const second = await restarted(first)
  const asked = world.toolstack.asked.length
  await until('the task is taken up', () => world.toolstack.asked.indexOf('task.set_progress', asked) >= 0)
  t.strictSame(world.messages(), ['0 started'], 'still the same resync')
  t.strictSame(world.tasks(), ['pending 0.3'], 'and the same task, whose progress does not fall')
  const third = await restarted(second, SYNCED)
  t.strictSame(world.messages(), ['0 started', '0 finished'], 'it ended while the notifier was stopped')
  t.match(world.pool.list('message').at(-1)?.[1], { body: /its end was not observed/ })
  t.strictSame(world.tasks(), ['success 1'])
  const fourth = await restarted(third, SYNCED)
  t.strictSame(world.messages().length, 2, 'nothing is sent')
  await restarted(fourth)
  t.strictSame(
    world.messages(),
    ['0 started', '0 finished', '1 started'],
    'a new one started while the notifier was stopped',
  )
})

t.test('during an outage of the toolstack nothing is lost, even over restarts of this program', async t => {
  const world = await pooled(t)
  const { toolstack } = world
  for (const weather of ['refuse', 'hang'] as const) {
    const before = world.messages().length
    toolstack.weather = weather
    for (let round = 0; round < 2; round += 1) {
      const notifier = await world.start()
      for (const status of [RESYNCING, SYNCED, RESYNCING, SYNCED]) notifier.note(world.srUuid, [], status)
      const asked = toolstack.asked.length
      await until('it tries', () => toolstack.asked.length > asked)
      const beganMs = performance.now()
      await notifier.close()
      t.ok(performance.now() - beganMs < 2_000, 'closing does not wait for the toolstack')
      t.ok(notifier.pending > 0)
    }
    toolstack.weather = 'pass'
    const notifier = await world.start()
    await allSent(notifier)
    await notifier.close()
    t.equal(world.messages().length, before + 8)
  }
  t.strictSame(
    world.messages(),
    Array.from({ length: 8 }, (_, index) => [`${index} started`, `${index} finished`]).flat(),
  )
  t.strictSame(world.tasks(), [], 'what is over has no task')
})

t.test('a call that was carried out without an answer is not repeated', async t => {
  const world = await pooled(t)
  // what changes the pool is always carried out, and often not answered
  world.toolstack.weather = method => {
    if (Math.random() < 0.5 && /create|set|add/.test(method)) return 'lose-answer'
    return Math.random() < 0.1 ? 'refuse' : 'pass'
  }
  for (let round = 0; round < 4; round += 1) {
    const notifier = await world.start()
    for (const progress of [0.1, 0.3]) {
      notifier.note(world.srUuid, [], { ...RESYNCING, progress })
      await until('the task', () => world.tasks().at(-1) === `pending ${progress}`)
    }
    notifier.note(world.srUuid, [], SYNCED)
    if (round % 2 === 0) await allSent(notifier)
    await notifier.close()
  }
  world.toolstack.weather = 'pass'
  await allSent(await world.start())
  t.strictSame(
    world.messages(),
    [0, 1, 2, 3].flatMap(index => [`${index} started`, `${index} finished`]),
  )
  t.strictSame(world.tasks(), Array(4).fill('success 1'))
})

t.test('a task that is gone is created again while the resync runs; at its end the task may be missing', async t => {
  const world = await pooled(t)
  const notifier = await world.start()
  const destroyTask = async () => {
    const [ref = ''] = world.pool.list('task').find(([, { status }]) => status === 'pending') ?? []
    const client = new XenApiClient({ clock: machineClock, url: world.url, user: 'root', password: 'right' })
    await client.call('task.set_status', [ref, 'success'])
    await client.call('task.destroy', [ref])
    await client.close()
  }
  notifier.note(world.srUuid, [], { ...RESYNCING, progress: 0.6 })
  await until('the task', () => world.tasks()[0] === 'pending 0.6')
  await destroyTask()
  await until('the task again, though nothing moves', () => world.tasks()[0] === 'pending 0.6')
  notifier.note(world.srUuid, [], statusOf('degraded'))
  await destroyTask()
  notifier.note(world.srUuid, [], SYNCED)
  await allSent(notifier)
  t.strictSame(world.tasks(), [])
  t.strictSame(world.messages(), ['0 started', '0 finished'])
})

t.test('above the limit whole resyncs are dropped, and the next message says how many', async t => {
  const world = await pooled(t)
  world.toolstack.weather = 'refuse'
  const notifier = await world.start({ maxPending: 6 })
  for (let round = 0; round < 20; round += 1) {
    notifier.note(world.srUuid, [], RESYNCING)
    notifier.note(world.srUuid, [], SYNCED)
  }
  t.equal(notifier.pending, 6)
  await notifier.close()
  world.toolstack.weather = method => (method === 'message.create' ? 'lose-answer' : 'pass')
  const again = await world.start({ maxPending: 6 })
  await allSent(again)
  t.strictSame(
    world.messages(),
    [0, 1, 2].flatMap(index => [`${index} started`, `${index} finished`]),
  )
  const omitted = world.pool.list('message').map(([, { body }]) => parseMessageBody(body)?.omitted)
  t.strictSame(omitted, [17, 0, 0, 0, 0, 0])
  t.match(
    world.pool.list('message')[0]?.[1].body,
    /17 more resyncs started and finished while the toolstack could not be reached/,
  )
})

t.test(
  'an SR that the toolstack refuses is reported and delays no other SR; when it is no longer watched it is forgotten',
  async t => {
    const world = await pooled(t)
    const notifier = await world.start()
    for (const status of [RESYNCING, SYNCED, RESYNCING]) notifier.note('no-such-sr', [], status)
    notifier.note(world.srUuid, [], RESYNCING)
    await until('the task of the other', () => world.tasks()[0] === 'pending 0.1')
    t.equal(notifier.pending, 3)
    t.strictSame(world.problems, [{ code: 'refused', text: 'SR no-such-sr: UUID_INVALID(SR, no-such-sr)' }])
    notifier.retain([world.srUuid])
    await allSent(notifier)
    t.equal(world.problems.length, 1, 'reported once')
    t.strictSame(world.messages(), ['0 started'])
    notifier.retain([])
    await allSent(notifier)
    t.strictSame(world.tasks(), ['cancelled 0.1'], 'the end is not observed')
    t.strictSame(world.messages(), ['0 started'], 'so no end is sent')
  },
)

/** Longer than a test waits. */
const HOUR = { firstRetryMs: 3_600_000, lastRetryMs: 3_600_000 }

t.test('while one SR is refused, events of another SR are sent at once', async t => {
  const world = await pooled(t)
  const notifier = await world.start({ pace: { ...PACE, ...HOUR } })
  notifier.note('no-such-sr', [], RESYNCING)
  await until('it is refused', () => world.problems.length > 0)
  const asked = world.toolstack.asked.length
  notifier.note('no-such-sr', [], SYNCED)
  notifier.note(world.srUuid, [], RESYNCING)
  await until('the task of the other', () => world.tasks()[0] === 'pending 0.1')
  t.strictSame(world.messages(), ['0 started'])
  notifier.note(world.srUuid, [], SYNCED)
  await until('its end', () => world.tasks()[0] === 'success 1' && notifier.pending === 2)
  t.equal(world.toolstack.asked.slice(asked).filter(method => method === 'message.get').length, 2, 'it keeps its pause')
})

t.test('an SR whose calls get no answer delays no other SR', async t => {
  const world = await pooled(t)
  world.toolstack.weather = (_method, params) => (params.includes('unanswered') ? 'hang' : 'pass')
  const before = await world.start()
  // in the journal it comes first, after every restart too
  for (const sr of ['unanswered', world.srUuid]) before.note(sr, [], RESYNCING)
  await before.close()
  const notifier = await world.start()
  await until('the other message is sent', () => world.messages().length === 1)
  for (const sr of ['unanswered', world.srUuid]) notifier.note(sr, [], SYNCED)
  await until('its end', () => world.messages().length === 2 && notifier.pending === 2)
  t.strictSame(world.messages(), ['0 started', '0 finished'])
})

t.test('while the pool does not answer all SRs wait, except for one attempt of a new event', async t => {
  const world = await pooled(t)
  const other = world.pool.get('SR', world.pool.addSr({}))?.uuid ?? ''
  const notifier = await world.start({ pace: { ...PACE, ...HOUR } })
  world.toolstack.weather = 'refuse'
  notifier.note(world.srUuid, [], RESYNCING)
  await until('it tries', () => world.toolstack.asked.length > 0)
  await sleep(20)
  for (const status of [SYNCED, RESYNCING, SYNCED]) notifier.note(world.srUuid, [], status)
  await sleep(20)
  t.equal(world.toolstack.asked.length, 1, 'what has failed is not new')
  world.toolstack.weather = 'pass'
  notifier.note(other, [], RESYNCING)
  await until('the other message is sent', () => world.messages(other).length === 1)
  t.strictSame(world.messages(), [])
})

t.test('two SRs and two hosts have separate messages and tasks', async t => {
  const world = await pooled(t)
  const other = world.pool.get('SR', world.pool.addSr({ name_label: 'SR Recovering' }))?.uuid ?? ''
  const a = await world.start()
  const b = await world.start({ host: { uuid: 'b', name: 'hostB' }, journalPath: `${world.journalPath}.b` })
  for (const notifier of [a, b]) {
    for (const sr of [world.srUuid, other]) notifier.note(sr, [], RESYNCING)
  }
  await until('their tasks', () => world.tasks().filter(task => task === 'pending 0.1').length === 4)
  t.strictSame(
    world.pool
      .list('task')
      .map(([, { name_label }]) => name_label)
      .toSorted(),
    ['SR Recovering on hostA', 'SR Recovering on hostB', 'mirrored on hostA', 'mirrored on hostB'].map(
      what => `Storage resync of SR ${what}`,
    ),
  )
  a.note(other, [], SYNCED)
  b.note(world.srUuid, [], SYNCED)
  await Promise.all([allSent(a), allSent(b)])
  for (const uuid of [world.srUuid, other]) t.equal(world.messages(uuid).length, 3)
  t.strictSame(world.tasks().toSorted(), ['pending 0.1', 'pending 0.1', 'success 1', 'success 1'])
})

t.test('a journal that cannot be used is renamed; if it cannot be written nothing is sent', async t => {
  const world = await pooled(t)
  await writeFile(world.journalPath, '{"schema":')
  const notifier = await world.start()
  t.match(world.problems, [
    { code: 'journal-broken', text: `${world.journalPath}: it is not JSON; perhaps it was truncated` },
  ])
  await notifier.close()
  const journalPath = join(world.journalPath, 'below-a-file')
  await writeFile(world.journalPath, '')
  const unable = await world.start({ journalPath })
  t.match(world.problems[1], { code: 'journal-broken', text: /is not a directory/ })
  unable.note(world.srUuid, [], RESYNCING)
  await until('it is reported', () => world.problems.length > 2)
  t.match(world.problems[2], { code: 'journal-unwritable', text: /below-a-file: / })
  await sleep(5 * PACE.lastRetryMs)
  t.equal(world.problems.length, 3, 'once')
  t.strictSame(world.toolstack.asked, [])
  await rm(world.journalPath)
  await allSent(unable)
  t.strictSame(world.messages(), ['0 started'])
})

t.test('a message that the toolstack could not write is sent again', async t => {
  const { pool: stock, url, sr } = await connected(t)
  let full = true
  const world = await behindWeather(t, url)
  world.rewrite = (method, answer) =>
    method === 'message.create' && full ? answer.replace(/"result":"[^"]*"/, '"result":"OpaqueRef:NULL"') : answer
  const client = new XenApiClient({ clock: machineClock, url: world.url, user: 'root', password: 'right' })
  t.teardown(() => client.close())
  const problems: string[] = []
  const srUuid = stock.get('SR', sr)?.uuid ?? ''
  const notifier = await ResyncNotifier.open({
    clock: machineClock,
    client,
    host: { uuid: 'a', name: 'a' },
    journalPath: join(t.testdir(), 'journal.json'),
    pace: PACE,
    onProblem: ({ text }) => problems.push(text),
  })
  t.teardown(() => notifier.close())
  notifier.note(srUuid, [], RESYNCING)
  await until('the problem', () => problems.length > 0)
  full = false
  await allSent(notifier)
  t.match(problems, [/MESSAGE_NOT_WRITTEN/])
})

/** The program of a host's agent, to be killed: it is loaded and waits for its first line. */
function agentPrograms(t: TearsDown, args: readonly string[]) {
  const program = join(import.meta.dirname, 'notifying-agent.ts')
  // what was compiled once is not compiled again by each of them
  const env = { PATH: process.env.PATH, NODE_COMPILE_CACHE: join(t.testdir(), 'compiled') }
  return () => {
    const child = spawn(process.execPath, [program, ...args], { env, stdio: ['pipe', 'pipe', 'inherit'] })
    child.stdin.on('error', () => undefined)
    const words = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const ended = once(child, 'exit')
    return {
      say: (state: SyncState) => child.stdin.write(`${state}\n`),
      line: async () => (await words.next()).value,
      kill: () => {
        child.kill('SIGKILL')
        return ended
      },
      end: () => {
        child.stdin.end()
        return ended
      },
    }
  }
}

const KILLS = 20

t.test('killed repeatedly at any moment: each resync has one start, one end and one task', async t => {
  const world = await pooled(t)
  const begin = agentPrograms(t, [world.url, world.journalPath, world.hostUuid, world.srUuid])
  t.strictSame(await begin().end(), [0, null], 'without commands it exits with 0')
  const journaled = new Set<string>()
  const random = (below: number) => Math.floor(Math.random() * below)
  let state: SyncState = 'synced'
  let next = begin()
  for (let round = 0; round < KILLS; round += 1) {
    const agent = next
    next = begin()
    t.equal(await agent.line(), 'ready')
    agent.say('unknown')
    agent.say(state)
    for (let changes = random(4); changes >= 0; changes -= 1) {
      state = (['resyncing', 'synced', 'degraded', 'resyncing'] as const)[random(4)] ?? 'synced'
      agent.say(state)
      await callsOrPeace(world, random(14))
    }
    await agent.kill()
    for (const episode of await episodesIn(world)) journaled.add(episode)
  }
  t.equal(await next.line(), 'ready')
  next.say('synced')
  t.strictSame(await next.end(), [0, null])

  const spoken = world.pool.list('message').map(([, { body }]) => parseMessageBody(body))
  const episodes = new Set(spoken.map(each => each?.episode))
  t.strictSame(
    world.messages(),
    Array.from(episodes, (_, index) => [`${index} started`, `${index} finished`]).flat(),
    'each once, in order',
  )
  t.strictSame(journaled.difference(episodes), new Set(), 'everything in the journal was sent')
  const tasks = world.pool.list('task').map(([, record]) => record)
  t.equal(new Set(tasks.map(({ name_description }) => name_description)).size, tasks.length, 'one task at most')
  t.ok(tasks.every(({ status }) => status === 'success'))
  t.ok(journaled.size > 0)
  t.comment(
    `${KILLS} kills, ${journaled.size} resyncs seen in the journal, ${episodes.size} sent, ${tasks.length} tasks`,
  )
})

/** Waits until this many calls have reached the toolstack, or until no more arrive. */
async function callsOrPeace({ toolstack }: Awaited<ReturnType<typeof pooled>>, calls: number): Promise<void> {
  const enough = toolstack.asked.length + calls
  for (let seen = toolstack.asked.length, quiet = 0; toolstack.asked.length < enough && quiet < 10; quiet += 1) {
    await sleep(Math.random() * 10)
    if (toolstack.asked.length > seen) quiet = 0
    seen = toolstack.asked.length
  }
}

/** The episodes in the journal on disk. The file is complete, whenever its writer was killed. */
async function episodesIn({ journalPath, hostUuid, srUuid }: Awaited<ReturnType<typeof pooled>>) {
  const text = await readFile(journalPath, 'utf8').catch(() => null)
  if (text === null) return []
  const decoded = decodeJournal(hostUuid, text)
  if ('problem' in decoded) throw new Error(decoded.problem)
  const kept = decoded.journal.get(srUuid)
  return [...(kept?.outbox ?? []).map(({ episode }) => episode), ...(kept?.open ? [kept.open.id] : [])]
}
