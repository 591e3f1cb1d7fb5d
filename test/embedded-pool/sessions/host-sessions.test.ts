import t from 'tap'
import type { Role } from '../../../src/embedded-pool/sessions/roles.ts'
import { Peer } from '../peer.ts'
import { servedPool } from '../pool-under-test.ts'

const LOGIN = 'session.login_with_password'

async function poolOfHosts(t: { teardown(end: () => Promise<void>): void }, count: number) {
  const role = (user: string): Role => (user === 'agents' ? 'host-agent' : 'pool-admin')
  const served = await servedPool(t, { authenticate: role })
  const { hosts } = served.pool.seed(Array.from({ length: count }, (_, index) => `host${index}`))
  return { ...served, hosts }
}

t.test('logins never end sessions that carry heartbeats, not even those of the same user', async t => {
  const { hosts, port, pool } = await poolOfHosts(t, 64)
  const agent = new Peer(t, port, '127.0.0.2')
  const beats: (readonly [session: string, host: string])[] = []
  for (const { ref } of hosts) {
    const session = await agent.login('agents')
    t.equal(await agent.ask('pool.hello', session, pool.get('host', ref)?.uuid, '192.0.2.1'), 'ok')
    beats.push([session, ref])
  }
  for (const address of ['127.0.0.2', '127.0.0.3']) {
    const reader = new Peer(t, port, address)
    for (const user of ['agents', 'root', 'a', 'b', 'c', 'd']) {
      for (let round = 0; round < 2; round += 1) {
        await reader.post(Array(100).fill({ method: LOGIN, params: [user, 'x'], id: 1 }))
      }
    }
  }
  const answers = await Promise.all(
    beats.map(([session, host]) => agent.ask('host.tickle_heartbeat', session, host, {})),
  )
  t.strictSame(
    answers,
    beats.map(() => ({})),
  )
})

t.test('logins at one address do not end sessions of the same user at another address', async t => {
  const { port } = await poolOfHosts(t, 1)
  const [here, there] = [new Peer(t, port, '127.0.0.2'), new Peer(t, port, '127.0.0.3')]
  const idle = await here.login('root')
  for (let round = 0; round < 4; round += 1) {
    await there.post(Array(100).fill({ method: LOGIN, params: ['root', 'x'], id: 1 }))
  }
  t.match(await here.ask('host.get_all', idle), [/^OpaqueRef:/])
})

t.test('only the newest sessions of a host are protected; older ones and those of a removed host are not', async t => {
  const { hosts, pool, port } = await poolOfHosts(t, 2)
  const [kept, gone] = hosts.map(({ ref }) => ref)
  const agent = new Peer(t, port, '127.0.0.2')
  const beating = async (host: unknown) => {
    const session = await agent.login('agents')
    t.strictSame(await agent.ask('host.tickle_heartbeat', session, host, {}), {})
    return session
  }
  const old = await beating(kept)
  const later = [await beating(kept), await beating(kept), await beating(kept)]
  const ofGone = await beating(gone)
  pool.removeHost(gone ?? '')
  for (let round = 0; round < 2; round += 1) {
    await agent.post(Array(100).fill({ method: LOGIN, params: ['agents', 'x'], id: 1 }))
  }
  t.strictSame(await agent.ask('pool.get_all', old), ['SESSION_INVALID', old])
  t.strictSame(await agent.ask('pool.get_all', ofGone), ['SESSION_INVALID', ofGone])
  for (const session of later) t.match(await agent.ask('pool.get_all', session), [pool.ref])
})
