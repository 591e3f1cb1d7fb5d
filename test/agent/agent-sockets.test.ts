import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { AgentSockets } from '../../src/agent/agent-sockets.ts'
import { AgentClient } from '../../src/agent-api/agent-client.ts'
import { PoolRefusal } from '../../src/agent-api/pool-methods.ts'
import { SyncEvents } from '../../src/agent-api/sync-events.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { answersOf, plugged, type Tap } from '../volume-plugin/plugin-under-test.ts'

const DEADLINE_MS = 30_000

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`)
    await sleep(10)
  }
}

async function socketsOf(t: Tap) {
  // A socket's path has at most 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'sockets-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const { plugin } = await plugged(t)
  const refuse = async () => {
    throw new PoolRefusal('noToolstack', 'no toolstack is configured')
  }
  const problems: string[] = []
  const bugs: unknown[] = []
  const sockets = new AgentSockets({
    clock: machineClock,
    answers: answersOf(new Map()),
    events: new SyncEvents(),
    own: {
      plugin,
      pool: { gate: refuse, canReboot: refuse, setOverride: refuse, clearOverride: refuse, clearOrder: refuse },
    },
    onProblem: text => problems.push(text),
    onBug: bug => bugs.push(bug),
  })
  t.teardown(() => sockets.close())
  const path = join(folder, 'agent.sock')
  return { sockets, path, problems, bugs }
}

const answers = (address: string) =>
  new AgentClient(address).call('SR.list', {}, AbortSignal.timeout(DEADLINE_MS)).then(
    () => true,
    () => false,
  )

async function ticks(sockets: AgentSockets): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    sockets.tick()
    await sleep(5)
  }
}

t.test('a socket whose file was removed is created again, and that is reported', async t => {
  const { sockets, path, problems, bugs } = await socketsOf(t)
  await sockets.listenAt(path)
  sockets.tick()
  t.ok(await answers(path))
  t.strictSame(problems, [])
  rmSync(path)
  t.notOk(await answers(path))
  await until('it answers again', () => {
    sockets.tick()
    return answers(path)
  })
  t.strictSame(problems, [`${path} was removed: it was created again`])
  t.strictSame(bugs, [])
})

t.test(
  'another file in the place of the socket stays there and is reported once; the socket returns when the file is gone',
  async t => {
    const { sockets, path, problems, bugs } = await socketsOf(t)
    await sockets.listenAt(path)
    rmSync(path)
    writeFileSync(path, 'not a socket')
    await ticks(sockets)
    t.strictSame(problems, [`${path} was replaced, and cannot be created again: ${path} exists and is no socket`])
    rmSync(path)
    const other = await socketsOf(t)
    await other.sockets.listenAt(path)
    await ticks(sockets)
    t.match(problems[1], /cannot be created again: another process listens at/)
    t.equal(problems.length, 2)
    await sockets.close()
    t.ok(existsSync(path), 'the socket of another agent is not removed')
    t.ok(await answers(path))
    await sockets.listenAt(`${path}.2`)
    rmSync(`${path}.2`)
    await until('it answers again', () => {
      sockets.tick()
      return answers(`${path}.2`)
    })
    t.strictSame(bugs, [])
  },
)

t.test('a move to another network address at the same port; if that fails the previous address stays', async t => {
  const { sockets } = await socketsOf(t)
  const port = await freePort()
  const url = (host: string) => `http://${host}:${port}`
  await sockets.listenOn({ host: '127.0.0.1', port })
  t.ok(await answers(url('127.0.0.1')))
  await sockets.listenOn({ host: '0.0.0.0', port })
  t.ok(await answers(url('127.0.0.2')), 'all addresses instead of one')
  await sockets.listenOn({ host: '127.0.0.1', port })
  t.ok(await answers(url('127.0.0.1')))
  t.notOk(await answers(url('127.0.0.2')), 'one address again')

  const otherServer = createServer().listen(port, '127.0.0.3')
  await once(otherServer, 'listening')
  t.teardown(() => otherServer.close())
  await t.rejects(sockets.listenOn({ host: '0.0.0.0', port }), { code: 'EADDRINUSE' })
  t.ok(await answers(url('127.0.0.1')))
  await t.rejects(sockets.listenOn({ host: '192.0.2.1', port }), { code: 'EADDRNOTAVAIL' })
  t.ok(await answers(url('127.0.0.1')))
  await sockets.listenOn(undefined)
  t.notOk(await answers(url('127.0.0.1')))
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0)
  await once(server, 'listening')
  const at = server.address()
  await new Promise(resolve => server.close(resolve))
  return typeof at === 'object' && at !== null ? at.port : 0
}
