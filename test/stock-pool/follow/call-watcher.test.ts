import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { CallWatcher } from '../../../src/stock-pool/follow/call-watcher.ts'
import type { CallFields } from '../../../src/stock-pool/follow/pool-cache.ts'

const GOING = { 'OpaqueRef:task': 'reboot' }

/** A watcher whose clock stands still except in its pauses, and a toolstack in which `b` is disabled and goes down. */
function watcherOf(options: { readonly suspects?: readonly string[]; readonly onCall?: () => void } = {}) {
  const calls: string[] = []
  const seen: [string, CallFields][] = []
  const pool = { version: 0, isBlocked: false }
  let nowMs = 0
  const watcher = new CallWatcher({
    clock: {
      now: () => nowMs,
      steadyNow: () => nowMs,
      after: (delayMs, step) => {
        const timer = setImmediate(() => {
          nowMs += delayMs
          step()
        })
        return () => clearImmediate(timer)
      },
    },
    client: {
      call: async method => {
        calls.push(method)
        options.onCall?.()
        if (method === 'host.get_current_operations') return GOING
        return {
          b: { enabled: false, current_operations: GOING, allowed_operations: ['enable'] },
          a: { enabled: true, current_operations: {} },
        }
      },
    },
    suspects: () => options.suspects ?? [],
    isBlocked: () => pool.isBlocked,
    version: () => pool.version,
    read: (host, fields) => seen.push([host, fields]),
  })
  return { watcher, calls, seen, pool }
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn()
}

t.test('after a call that may disable a host it finds every disabled host, before an event names it', async t => {
  const { watcher, calls, seen, pool } = watcherOf()
  watcher.callsBegan(['host.disable'])
  await until(() => seen.length > 1)
  t.strictSame(seen[0], ['b', { enabled: false, current_operations: GOING, allowed_operations: ['enable'] }])
  t.ok(seen.every(([host]) => host === 'b'))
  t.strictSame(new Set(calls), new Set(['host.get_all_records_where']))
  pool.isBlocked = true
  await watcher.close()
})

t.test('after another call it reads the hosts that are known as disabled, for a limited time', async t => {
  const { watcher, calls, seen } = watcherOf({ suspects: ['c'] })
  watcher.callsBegan(['host.reboot'])
  await until(() => seen.length > 1)
  t.strictSame(seen[0], ['c', { current_operations: GOING }])
  let before = -1
  await until(() => {
    const hasEnded = before === calls.length
    before = calls.length
    return hasEnded && calls.length > 100
  })
  t.strictSame(new Set(calls), new Set(['host.get_current_operations']))
  await watcher.close()
})

t.test('it makes no call if no host is disabled, or if reboots are blocked', async t => {
  const { watcher, calls, pool } = watcherOf()
  watcher.callsBegan(['host.reboot'])
  await watcher.close()
  const blocked = watcherOf({ suspects: ['c'] })
  blocked.pool.isBlocked = true
  blocked.watcher.callsBegan(['host.disable'])
  await blocked.watcher.close()
  t.strictSame([...calls, ...blocked.calls], [])
  t.equal(pool.version, 0)
})

t.test('an answer is dropped if an event has come meanwhile, because the event may be newer', async t => {
  const { watcher, calls, seen, pool } = watcherOf({
    suspects: ['c'],
    onCall: () => {
      if (calls.length < 3) pool.version += 1
    },
  })
  watcher.callsBegan(['host.reboot'])
  await until(() => seen.length > 0)
  t.equal(calls.length, 3)
  await watcher.close()
})
