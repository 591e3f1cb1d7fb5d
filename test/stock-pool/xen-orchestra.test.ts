/** The real client of Xen Orchestra plays its rolling reboot against a pool of unmodified toolstacks, without the guard and with it. */

import t from 'tap'
import { createClient, type Xapi } from 'xen-api'
import { describeGuardEvent } from '../../src/coordinator/describe-guard-event.ts'
import { type GuardedPoolOptions, guardedPool, type Tap, until } from './guarded-pool.ts'

/** How a rolling reboot ended. Xen Orchestra never retries: the first error ends it. */
interface RunEnd {
  /** Refs of the hosts that were rebooted and came back. */
  readonly rebooted: readonly string[]
  /** The host whose turn it was, and the error; `null`: all hosts were rebooted. */
  readonly stopped: { readonly host: string; readonly error: readonly unknown[] } | null
}

/**
 * A pool whose hosts come back from each reboot by themselves, out of sync until the test ends their resync. The members `b` and `c` are
 * rebooted: the toolstack of the coordinator runs in the process of the test.
 */
async function poolOfXenOrchestra(t: Tap, options: GuardedPoolOptions = {}) {
  const guarded = await guardedPool(t, options)
  const { pool, states, hostReturns, push, url } = guarded
  const returning = new Set<string>()
  const failures: unknown[] = []
  let mostAway = 0

  /** Refs of the hosts whose replicas are missing, old, or about to be missing because a reboot has been accepted. */
  function away(): readonly string[] {
    return pool.poolSnapshot().hosts.flatMap(({ ref, live, currentOperations }) => {
      const isGoing = currentOperations.some(({ operation }) => operation === 'reboot' || operation === 'shutdown')
      return live !== true || isGoing || states.get(ref) !== 'synced' ? [ref] : []
    })
  }

  /** Xen Orchestra compares whole seconds: the toolstack of a host that is back has started in a later second than the reboot. */
  async function comeBack(host: string): Promise<void> {
    const downAtSecond = Math.floor(Date.now() / 1000)
    await until(t, 'the next second', () => Math.floor(Date.now() / 1000) > downAtSecond)
    hostReturns(host)
    returning.delete(host)
    await push(host, 'resyncing')
  }

  pool.subscribe(({ cls }) => {
    if (cls !== 'host' && cls !== 'host_metrics') return
    mostAway = Math.max(mostAway, away().length)
    for (const { ref, live } of pool.poolSnapshot().hosts) {
      if (live !== false || returning.has(ref)) continue
      returning.add(ref)
      comeBack(ref).catch(failure => failures.push(failure))
    }
  })
  const xenOrchestra = createClient({ url: url.replace('//', '//root:any@'), debounce: 5, eventPollDelay: 1 })
  t.teardown(() => xenOrchestra.disconnect())
  await xenOrchestra.connect()
  await xenOrchestra.objectsFetched
  return {
    ...guarded,
    failures,
    away,
    /** The largest number of hosts that were away at the same moment. */
    mostAway: () => mostAway,
    rollingReboot: (hosts: readonly string[]) => rollingReboot(t, xenOrchestra, hosts),
  }
}

/** The calls and waits of Xen Orchestra's rolling reboot, in its order. */
async function rollingReboot(t: Tap, client: Xapi, hosts: readonly string[]): Promise<RunEnd> {
  const rebooted: string[] = []
  for (const host of hosts) {
    try {
      await rebootOne(t, client, host)
    } catch (error) {
      const { code, params = [] } = Object(error)
      return { rebooted, stopped: { host, error: [code, ...params] } }
    }
    rebooted.push(host)
  }
  return { rebooted, stopped: null }
}

async function rebootOne(t: Tap, client: Xapi, host: string): Promise<void> {
  const isLive = () => Reflect.get(Object(client.getObjectByRef(host)?.$metrics), 'live') === true
  await until(t, 'the host is live', isLive)
  await client.call('host.assert_can_evacuate', host)
  await client.call('host.disable', host)
  await client.callAsync('host.evacuate', host)
  const rebootedAtSecond = secondOf(String(await client.call('host.get_servertime', host)))
  await client.callAsync('host.reboot', host)
  await until(t, 'the host is enabled by a newer toolstack', () => {
    const record = client.getObjectByRef(host)
    const startedAtSecond = Number(Reflect.get(Object(record?.other_config), 'agent_start_time'))
    return record?.enabled === true && startedAtSecond > rebootedAtSecond
  })
  await until(t, 'the host is live again', isLive)
}

/** `20261201T04:17:26Z` in seconds since 1970. */
function secondOf(serverTime: string): number {
  return Date.parse(serverTime.replace(/^(\d{4})(\d\d)(\d\d)/, '$1-$2-$3')) / 1000
}

t.test('without the guard Xen Orchestra reboots the second host while the first one resynchronises', async t => {
  const { b, c, away, mostAway, states, rollingReboot, failures, problems } = await poolOfXenOrchestra(t, {
    isGuarded: false,
  })
  t.strictSame(await rollingReboot([b, c]), { rebooted: [b, c], stopped: null }, 'the run succeeds')
  t.equal(states.get(b), 'resyncing', 'b has been out of sync since its return')
  t.equal(mostAway(), 2, 'c was down while b had no copy of the newest data')
  t.strictSame(away(), [b, c], 'the only copy in sync is that of the coordinator')
  t.strictSame([...failures, ...problems], [], 'no call of the guard or of a host has failed')
})

t.test('with the guard the run stops at the second host, and the guard names the first one', async t => {
  const { sr, b, c, pool, call, push, events, guard, tasks, field, ...play } = await poolOfXenOrchestra(t)
  for (const [host, name] of [
    [b, 'hostB'],
    [c, 'hostC'],
  ] as const) {
    await call('host.set_name_label', host, name)
  }
  await until(t, 'the guard knows the names', () => {
    const names = guard?.port.read().pool.hosts.map(({ nameLabel }) => nameLabel) ?? []
    return names.includes('hostB') && names.includes('hostC')
  })
  const before = events.length
  t.strictSame(await play.rollingReboot([b, c]), {
    rebooted: [b],
    stopped: { host: c, error: ['CLUSTERED_SR_DEGRADED', sr] },
  })
  t.strictSame(play.away(), [b], 'b resynchronises, and c runs')
  t.match(pool.get('host', c), { enabled: false }, 'Xen Orchestra leaves the host disabled')
  t.strictSame(
    tasks().map(([, { name_description }]) => name_description),
    [sr],
    'one task blocks',
  )
  await until(t, 'clients see that c may not reboot', () => !field(c).includes('reboot'))
  const reasons = guard?.updater.verdicts().hosts.get(c)?.reboot.reasons ?? []
  t.ok(reasons.length > 0 && reasons.every(({ host }) => host === b), 'the gate blocks c because of b alone')
  const logged = () =>
    events.slice(before).map(event => describeGuardEvent(event, ref => pool.get('host', ref)?.name_label ?? ref))
  await until(t, 'the log says that b is out of sync', () => logged().some(line => line.includes('hostB not-synced')))
  const log = logged()
  t.match(log[0], /no host of the pool may reboot or shut down: hostB /, 'the log names the host that is the cause')
  t.ok(
    log.every(line => !line.includes('hostC')),
    'the log names no other host',
  )

  await push(b, 'synced')
  await until(t, 'clients see that c may reboot', () => field(c).includes('reboot'))
  t.strictSame(await play.rollingReboot([c]), { rebooted: [c], stopped: null }, 'the operator starts it again')
  t.strictSame(play.away(), [c], 'now c resynchronises')
  t.equal(play.mostAway(), 1, 'at no moment were two hosts down, going down or out of sync')
  t.strictSame([...play.failures, ...play.problems], [], 'no call of the guard or of a host has failed')
})

t.test('with a hold the run completes over all hosts, with never two of them away', async t => {
  const { b, c, pool, push, states, isBlocked, ...play } = await poolOfXenOrchestra(t, {
    holdReturningHosts: true,
    // The hold is placed a second after the acceptance.
    times: { shutdownAfterMs: 3_000 },
  })
  const resyncs = (async () => {
    for (const host of [b, c]) {
      await until(t, 'the host is back and resynchronises', () => states.get(host) === 'resyncing')
      const isPlugged = () => pool.list('PBD').every(([, { currently_attached }]) => currently_attached)
      await until(t, 'its PBDs are plugged', isPlugged)
      await new Promise(resolve => setTimeout(resolve, 300))
      t.equal(pool.get('host', host)?.enabled, false, 'the host is held')
      t.equal(isBlocked(), true)
      await push(host, 'synced')
    }
  })()
  t.strictSame(await play.rollingReboot([b, c]), { rebooted: [b, c], stopped: null })
  await resyncs
  t.equal(play.mostAway(), 1, 'at no moment were two hosts down, going down or out of sync')
  t.strictSame([...play.failures, ...play.problems], [], 'no call of the guard or of a host has failed')
})
