/** One user or one address cannot delay the heartbeats of hosts and the calls of others. */
import t from 'tap'
import type { Role } from '../../../src/embedded-pool/sessions/roles.ts'
import { Peer } from '../peer.ts'
import { firstOf, servedPool } from '../pool-under-test.ts'

const ROLE_OF: Readonly<Record<string, Role>> = { reader: 'read-only', agents: 'host-agent', root: 'pool-admin' }

interface Tap {
  teardown(end: () => unknown): void
}

/** A pool of 64 hosts. One of them sends heartbeats, from its own address or from the address of the others. */
async function attackedPool(t: Tap, hostAddress = '127.0.0.1') {
  const served = await servedPool(t, { authenticate: user => ROLE_OF[user] ?? false, eventBatchMs: 50 })
  const { hosts, sr } = served.pool.seed(Array.from({ length: 64 }, (_, index) => `host${index}`))
  const { ref, pbd } = firstOf(hosts)
  const host = new Peer(t, served.port, hostAddress)
  const session = await host.login('agents')
  const beat = () => host.ask('host.tickle_heartbeat', session, ref, {})
  /** Writes a report to the PBD, as an agent does. */
  const report = async (text: string) => {
    await host.ask('PBD.remove_from_other_config', session, pbd, 'resync-monitor')
    return host.ask('PBD.add_to_other_config', session, pbd, 'resync-monitor', text)
  }
  return {
    ...served,
    hosts,
    sr,
    pbd,
    session,
    beat,
    report,
    peer: (address: string) => new Peer(t, served.port, address),
  }
}

t.test(
  'a reader with 50 event.from calls of 1 000 subscriptions and batches of event.inject delays no host',
  async t => {
    const { pool, hosts, pbd, beat, report, peer } = await attackedPool(t)
    t.strictSame(await beat(), {})
    const reader = peer('127.0.0.1')
    const session = await reader.login('reader')
    const token = String(await reader.ask('event.inject', session, 'pool', pool.ref))
    const refs = hosts.flatMap(({ ref, pbd }) => [`host/${ref}`, `pbd/${pbd}`])
    const classes = [...refs, ...Array.from({ length: 1_000 - refs.length }, (_, index) => `vdi/OpaqueRef:${index}`)]
    let isOver = false
    const follow = async () => {
      while (!isOver) await reader.ask('event.from', session, classes, token, 30)
    }
    const following = Array.from({ length: 50 }, follow)
    let answeredBatches = 0
    const batch = Array(100).fill({ method: 'event.inject', params: [session, 'PBD', pbd], id: 1 })
    const inject = async () => {
      for (let left = 15; left > 0; left -= 1) {
        await reader.post(batch)
        answeredBatches += 1
      }
    }
    const injecting = Promise.all(Array.from({ length: 8 }, inject))
    let mostInBetween = 0
    for (let round = 0; round < 10; round += 1) {
      const before = answeredBatches
      t.strictSame(await beat(), {})
      t.equal(await report(`report ${round}`), '')
      mostInBetween = Math.max(mostInBetween, answeredBatches - before)
    }
    await injecting
    isOver = true
    await pool.close()
    await Promise.all(following)
    t.ok(mostInBetween <= 3 * 16, `three calls of a host waited for ${mostInBetween} batches of 100`)
  },
)

t.test('1 500 slow requests without login lock out neither a host nor a user, from any address', async t => {
  for (const hostAddress of ['127.0.0.1', '127.0.0.2']) {
    const { beat, peer } = await attackedPool(t, hostAddress)
    t.strictSame(await beat(), {})
    const stranger = peer('127.0.0.2')
    const starts = [
      '',
      'POST /jsonrpc HTTP/1.1\r\nhost',
      'POST /jsonrpc HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{',
    ]
    for (let round = 0; round < 15; round += 1) {
      await Promise.all(Array.from({ length: 100 }, (_, index) => stranger.open(starts[index % 3] ?? '')))
    }
    t.strictSame(await beat(), {}, 'on an open connection')
    const another = peer(hostAddress)
    t.match(await another.login('agents'), /^OpaqueRef:/, 'on a new connection')
    t.match(await peer('127.0.0.3').login('root'), /^OpaqueRef:/)
  }
})

t.test('a user with too many connections closes its own ones', async t => {
  const { beat, peer, session } = await attackedPool(t)
  t.strictSame(await beat(), {})
  const user = peer('127.0.0.3')
  const own = await user.login('root')
  t.match(await user.ask('host.get_all', own), { length: 64 })
  const reader = peer('127.0.0.4')
  const readers = await reader.login('reader')
  const body = JSON.stringify({ method: 'pool.get_all', params: [readers], id: 1 })
  const text = `POST /jsonrpc HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  for (let round = 0; round < 12; round += 1) {
    await Promise.all(Array.from({ length: 100 }, () => reader.open(text)))
  }
  t.strictSame(await beat(), {})
  t.match(await user.ask('host.get_all', own), { length: 64 })
  t.ok(session)
})

t.test('readers that wait for events do not use the connections and calls of hosts', async t => {
  const { pool, hosts, peer } = await attackedPool(t)
  const admin = peer('127.0.0.2')
  const sessions = await Promise.all(Array.from({ length: 5 }, () => admin.login('root')))
  const token = String(await admin.ask('event.inject', sessions[0], 'pool', pool.ref))
  const next = String(Reflect.get(Object(await admin.ask('event.from', sessions[0], ['pool'], token, 0)), 'token'))
  const waiting = sessions.flatMap(each =>
    Array.from({ length: 50 }, () => admin.ask('event.from', each, ['pool'], next, 30)),
  )
  const busy = () => admin.ask('event.from', sessions[0], ['sr'], next, 0)
  while (JSON.stringify(await busy()) !== '["TOO_BUSY"]') await new Promise(resolve => setTimeout(resolve, 5))
  const agents = await Promise.all(
    hosts.map(async ({ ref }) => {
      const agent = peer('127.0.0.3')
      const session = await agent.login('agents')
      await agent.ask('host.tickle_heartbeat', session, ref, {})
      return agent.ask('event.from', session, ['sr'], next, 0)
    }),
  )
  t.match(
    agents,
    hosts.map(() => ({ events: [] })),
  )
  await pool.close()
  await Promise.all(waiting)
})

t.test('the changes of a read-only user are limited per time', async t => {
  const { pool, beat, peer } = await attackedPool(t)
  const reader = peer('127.0.0.2')
  const session = await reader.login('reader')
  const answers: unknown[] = []
  for (let round = 0; round < 15; round += 1) {
    const batch = Array(100).fill({ method: 'event.inject', params: [session, 'pool', pool.ref], id: 1 })
    const answer = await reader.post(batch)
    answers.push(...(Array.isArray(answer) ? answer : []))
  }
  const refused = answers.filter(answer => JSON.stringify(answer).includes('TOO_BUSY')).length
  t.ok(refused > 0 && refused <= 500, `${refused} of 1 500`)
  t.match(await reader.ask('pool.get_all', session), [pool.ref], 'it can still read')
  t.strictSame(await beat(), {})
})
