import t from 'tap'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import { GatedPool } from '../../src/coordinator/gated-pool.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'
import { settle } from '../platform/time/virtual-clock.ts'

t.test('a task and its progress cause no computation, because no rule uses tasks', async t => {
  let computed = 0
  const gated = new GatedPool({
    clock: machineClock,
    settings: { policy: DEFAULT_POLICY, pollEveryMs: 3_600_000, pollTimeoutMs: 3_600_000 },
    machines: { goDown: () => undefined },
    authenticate: () => true,
    plugins: () => new Promise(() => undefined),
    pollReport: () => new Promise(() => undefined),
  })
  gated.subscribe({
    recomputed: () => {
      computed += 1
    },
  })
  t.teardown(() => gated.close())
  const { hosts } = gated.pool.seed(['hostA'])
  const { host, port } = await gated.pool.listen({ port: 0 })
  const client = new XenApiClient({ clock: machineClock, url: `http://${host}:${port}`, user: 'root', password: '' })
  t.teardown(() => client.close())
  gated.start()
  const task = await client.call('task.create', ['resync', ''])
  await client.call('task.set_progress', [task, 0.5])
  await settle()
  t.equal(computed, 1, 'at the start')
  await client.call('host.disable', [hosts[0]?.ref])
  await settle()
  t.equal(computed, 2, 'at a change that matters')
})
