import t from 'tap'
import { KNOWN_PEERS_KEY } from '../../src/allowed-operations/pool/known-peers.ts'
import { POLL_EVERY_MS, watchedPool } from './watched-pool.ts'

t.test('the peers in the last list of a host are known after a restart, while the host is down', async t => {
  const peersOf = ['hostD', 'hostC', 'hostB']
  const list = (index: number) => [
    {
      state: 'synced',
      count: 1,
      quorum: false,
      replicas: [
        { peer: 'self', current: true },
        { peer: peersOf[index], current: true, connected: true },
      ],
    },
  ]
  const pool = await watchedPool(t, {
    policy: { kind: 'placement' },
    answer: async index => pool.report(index, 'synced', { mirrorList: list(index) }),
  })
  const d = pool.embedded.addHost({ hostname: 'hostD', live: true, enabled: false })
  const e = pool.embedded.addHost({ hostname: 'hostE', live: true, enabled: false })
  const reasons = (ref: string) => {
    const verdict = pool.updater().verdicts().hosts.get(ref)?.reboot
    return verdict?.reasons.map(({ code }) => code).join(' ')
  }
  t.match(reasons(e), /no-report/, 'before the first report no host is known')
  pool.updater().start()
  await pool.time.advanceAsync(POLL_EVERY_MS)
  t.equal(reasons(e), '')
  t.equal(reasons(d), 'holder-without-report')
  const [hostA = ''] = pool.hosts
  const pbd = () => pool.embedded.list('PBD').find(([, { host }]) => host === hostA)?.[1]
  t.equal(pbd()?.other_config[KNOWN_PEERS_KEY], '["hostD"]', 'in the database, and so in the state file')
  const written = pbd()
  await pool.time.advanceAsync(3 * POLL_EVERY_MS)
  t.equal(pbd(), written, 'written only when it changes')
  pool.embedded.hostLeft(hostA)
  await pool.restart()
  await pool.time.advanceAsync(POLL_EVERY_MS)
  t.equal(reasons(d), 'replicas-unknown')
  t.equal(reasons(e), '')
  await pool.client.call('PBD.set_other_config', [pool.embedded.get('host', hostA)?.PBDs[0], {}])
  await pool.time.advanceAsync(1)
  t.equal(reasons(e), 'replicas-unknown', 'without the stored names it may be any host')
})
