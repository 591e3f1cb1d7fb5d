import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { HostOperationGate } from '../../../src/embedded-pool/hosts/host-operation-gate.ts'
import { ask, firstOf, login, servedPool } from '../pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'pool-claims-'))
t.teardown(() => rmSync(folder, { recursive: true }))

/** Allows one of two hosts to reboot at a time. */
const othersStay: HostOperationGate = {
  claim: (pool, { host, operation }) => {
    const away = pool.hosts.find(one => one.ref !== host && (one.leaving || !one.live))
    if (operation !== 'reboot' || away === undefined) return { ok: true }
    return { ok: false, error: ['OTHER_OPERATION_IN_PROGRESS', 'host', away.ref] }
  },
}

t.test('a host that returns while its claim is written is not taken down by that claim', async t => {
  const ordered: string[] = []
  const { pool, url, bugs } = await servedPool(t, {
    gate: othersStay,
    machines: { goDown: host => ordered.push(host) },
    stateFile: join(folder, 'returns'),
  })
  const [a, b] = pool.seed(['a', 'b']).hosts.map(({ ref }) => ref)
  await pool.saved()
  const session = await login(url)
  // the host has crashed and sends its hello while the claim is synced
  const stop = pool.subscribe(({ cls, ref }) => {
    if (cls !== 'host' || ref !== a) return
    stop()
    queueMicrotask(() => pool.hostReturned(ref, { bootTimeMs: Date.now() - 30_000 }))
  })
  t.strictSame(await ask(url, 'host.reboot', session, a), ['HOST_OFFLINE', a])
  t.strictSame(ordered, [])
  t.match(firstOf(pool.poolSnapshot().hosts), { ref: a, live: true, leaving: false, currentOperations: [] })
  t.equal(await ask(url, 'host.reboot', session, b), '')
  t.strictSame(ordered, [b], 'only one host got an order')
  t.strictSame(bugs, [])
})

t.test('two concurrent reboots of one host that cannot be written leave nothing behind', async t => {
  const stateFile = join(folder, 'unwritable')
  const { pool, url } = await servedPool(t, { gate: othersStay, stateFile, stateDelayMs: 86_400_000 })
  const host = firstOf(pool.seed(['a']).hosts).ref
  await pool.saved()
  const session = await login(url)
  mkdirSync(`${stateFile}.new`)
  t.match(await Promise.all([ask(url, 'host.reboot', session, host), ask(url, 'host.reboot', session, host)]), [
    ['INTERNAL_ERROR', 'the state of the pool cannot be written'],
    [/^(INTERNAL_ERROR|OTHER_OPERATION_IN_PROGRESS)$/],
  ])
  t.match(firstOf(pool.poolSnapshot().hosts), { leaving: false, currentOperations: [] })
  t.strictSame(await ask(url, 'host.tickle_heartbeat', session, host, {}), {}, 'no order is left')
  rmSync(`${stateFile}.new`, { recursive: true })
  t.equal(await ask(url, 'host.reboot', session, host), '')
})
