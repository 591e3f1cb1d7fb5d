import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { claim } from '../../../src/allowed-operations/claim.ts'
import { decide } from '../../../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY } from '../../../src/allowed-operations/pool/gate-policy.ts'
import { StateFile, type StateFileError } from '../../../src/embedded-pool/database/state-file.ts'
import { EmbeddedPool } from '../../../src/embedded-pool/embedded-pool.ts'
import type { PoolOptions } from '../../../src/embedded-pool/pool-options.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { encodeReport } from '../../../src/sync-query/report/report-encode.ts'
import { VirtualClock } from '../../platform/time/virtual-clock.ts'
import { ask, askText, firstOf, login, oneAtATime, patientMachines, servedPool, until } from '../pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'pool-state-'))
t.teardown(() => rmSync(folder, { recursive: true }))

let files = 0
function newPath(): string {
  files += 1
  return join(folder, `pool-${files}`)
}

/** A pool without a server. */
function poolOf(options: Partial<PoolOptions> & { readonly stateFile: string }) {
  return new EmbeddedPool({
    clock: machineClock,
    gate: oneAtATime,
    machines: patientMachines,
    authenticate: () => true,
    ...options,
  })
}

t.test('a restart restores the pool, and event tokens stay valid', async t => {
  const stateFile = newPath()
  const { pool, url } = await servedPool(t, { stateFile })
  const { hosts, sr } = pool.seed(['a', 'b', 'c'], { type: 'linstor' })
  const [a, b, c] = hosts
  if (a === undefined || b === undefined || c === undefined) throw new Error('expected three hosts')
  const session = await login(url)
  await ask(url, 'pool.add_to_other_config', session, pool.ref, '__proto__', 'an ordinary key')
  const srUuid = pool.get('SR', sr)?.uuid
  const message = await askText(url, 'message.create', session, 'RESYNC_STARTED', 3, 'SR', srUuid, 'body "quoted"\n')
  await askText(url, 'task.create', session, 'a task', '')
  await ask(url, 'host.disable', session, a.ref)
  await ask(url, 'host.reboot', session, a.ref)
  pool.hostLeft(c.ref)
  pool.setAllowedOperations(b.ref, ['reboot', 'shutdown'])
  const token = await askText(url, 'event.inject', session, 'pool', pool.ref)
  await pool.close()
  t.equal(statSync(stateFile).mode & 0o777, 0o600, 'only the owner may read the file')

  const again = await servedPool(t, { stateFile })
  t.equal(again.pool.ref, pool.ref)
  for (const cls of ['pool', 'host_metrics', 'SR', 'PBD', 'message'] as const) {
    t.strictSame(again.pool.list(cls), pool.list(cls), cls)
  }
  t.strictSame(
    again.pool.list('host'),
    pool.list('host').map(([ref, host]) => [ref, { ...host, current_operations: {}, allowed_operations: [] }]),
    'hosts, without current_operations of ended tasks and with empty allowed_operations',
  )
  t.strictSame(again.pool.list('task'), [])
  t.match(again.pool.poolSnapshot().hosts, [
    { leaving: true, live: true },
    { leaving: false, live: true },
    { leaving: false, live: false, liveSinceMs: null },
  ])
  t.strictSame(await ask(again.url, 'host.get_all', session), ['SESSION_INVALID', session])
  const session2 = await login(again.url)
  const batch = await ask(again.url, 'event.from', session2, ['message', 'host'], token, 0)
  t.match(batch, {
    events: [
      { class: 'message', operation: 'mod', ref: message },
      { class: 'host', operation: 'mod', ref: a.ref },
      { class: 'host', operation: 'mod', ref: b.ref },
      { class: 'host', operation: 'mod', ref: c.ref },
    ],
  })
  t.ok(String(Reflect.get(Object(batch), 'token')) > token)
  again.pool.removeHost(c.ref)
  t.match(await ask(again.url, 'event.from', session2, ['host'], token, 0), {
    events: [{ operation: 'mod' }, { operation: 'mod' }, { operation: 'del', ref: c.ref }],
  })
})

t.test('after a restart no host may reboot before every host has sent a report', async t => {
  const time = new VirtualClock()
  const stateFile = newPath()
  const gate: PoolOptions['gate'] = {
    claim: (snapshot, wanted) => claim(snapshot, DEFAULT_POLICY, time.nowMs, wanted),
  }
  const options = { stateFile, gate, clock: time }
  const first = await servedPool(t, options)
  const { hosts, sr } = first.pool.seed(['a', 'b'])
  const push = async (url: string, session: string, { ref, pbd }: (typeof hosts)[number]) => {
    const at = new Date(time.nowMs).toISOString()
    const about = { schema: 1 as const, host: ref, sr, bootId: '5a5c', seq: 1, at, state: 'synced' as const, since: at }
    const mirrors = { synced: 1, resyncing: 0, degraded: 0, unknown: 0 }
    const figures = { outOfSyncBytes: 0, progress: null, etaSeconds: null, reasons: [] }
    await ask(url, 'PBD.remove_from_other_config', session, pbd, 'resync-monitor')
    await ask(
      url,
      'PBD.add_to_other_config',
      session,
      pbd,
      'resync-monitor',
      encodeReport({ ...about, mirrors, ...figures }),
    )
  }
  const mayReboot = ({ pool }: typeof first) =>
    Array.from(decide(pool.poolSnapshot(), DEFAULT_POLICY, time.nowMs).values(), ({ reboot }) => reboot.allowed)
  const session = await login(first.url)
  for (const host of hosts) await ask(first.url, 'host.disable', session, host.ref)
  time.advance(1_000)
  for (const host of hosts) await push(first.url, session, host)
  t.strictSame(mayReboot(first), [true, true])
  await first.pool.close()

  time.advance(1_000)
  const second = await servedPool(t, options)
  t.match(second.pool.poolSnapshot(), { hosts: [{ live: true }, { live: true }], reports: [] })
  t.strictSame(mayReboot(second), [false, false])
  const again = await login(second.url)
  time.advance(1_000)
  await push(second.url, again, firstOf(hosts))
  t.strictSame(mayReboot(second), [false, false])
  for (const host of hosts) await push(second.url, again, host)
  t.strictSame(mayReboot(second), [true, true])
})

t.test(
  'a host gets its order only when the state file contains it; if the file cannot be written no host gets one',
  async t => {
    const home = newPath()
    mkdirSync(home)
    const stateFile = join(home, 'state')
    const problems: string[] = []
    const inFile: boolean[] = []
    const { pool, url } = await servedPool(t, {
      stateFile,
      stateDelayMs: 86_400_000,
      machines: {
        goDown: host => inFile.push(new RegExp(`"${host}":{"toldAtMs":\\d`).test(readFileSync(stateFile, 'utf8'))),
      },
      onStateProblem: ({ message }) => problems.push(message),
    })
    const [a, b] = pool.seed(['a', 'b']).hosts
    if (a === undefined || b === undefined) throw new Error('expected two hosts')
    const session = await login(url)
    await ask(url, 'host.disable', session, a.ref)
    await ask(url, 'host.disable', session, b.ref)
    t.equal(await ask(url, 'host.reboot', session, a.ref), '')
    t.strictSame(inFile, [true])
    pool.hostReturned(a.ref, { bootTimeMs: 0 })

    rmSync(home, { recursive: true })
    const refused = ['INTERNAL_ERROR', 'the state of the pool cannot be written']
    t.strictSame(await ask(url, 'host.reboot', session, b.ref), refused)
    t.strictSame(inFile, [true], 'the host got no order')
    t.match(pool.poolSnapshot().hosts[1], { leaving: false, currentOperations: [] })
    t.strictSame(await ask(url, 'pool.set_other_config', session, pool.ref, {}), refused)
    t.strictSame(await ask(url, 'PBD.set_other_config', session, b.pbd, {}), '', 'a report does not wait for the disk')
    t.match(problems, [/^state file .*pool-\d+\/state: .* does not exist/, /does not exist/])

    mkdirSync(home)
    t.strictSame(await ask(url, 'pool.set_other_config', session, pool.ref, {}), '')
    t.strictSame(await ask(url, 'host.reboot', session, b.ref), '')
    t.strictSame(inFile, [true, true])
  },
)

t.test('writes are batched, do not overlap and are retried, and close makes the last one', async t => {
  const time = new VirtualClock()
  const path = newPath()
  const problems: StateFileError[] = []
  let text = 'first'
  let encoded = 0
  const encode = () => {
    encoded += 1
    return text
  }
  const file = new StateFile({ path, encode, clock: time, delayMs: 200, onProblem: problem => problems.push(problem) })
  await file.saved()
  t.equal(encoded, 0, 'nothing changed')
  for (let change = 0; change < 10; change += 1) file.changed()
  time.advance(199)
  t.equal(encoded, 0)
  time.advance(1)
  await file.saved()
  t.equal(encoded, 1, 'one write for ten changes')

  file.changed()
  const before = file.saved()
  text = 'second'
  file.changed()
  await Promise.all([before, file.saved(), file.saved(), file.saved()])
  t.equal(encoded, 3, 'callers during a write share the next one')
  t.equal(readFileSync(path, 'utf8'), 'second')

  rmSync(path)
  mkdirSync(join(path, 'obstacle'), { recursive: true })
  file.changed()
  time.advance(200)
  await until(() => problems.length === 1)
  t.match(problems, [{ name: 'StateFileError', path }])
  await t.rejects(file.saved(), { name: 'StateFileError' })
  rmSync(path, { recursive: true })
  await until(() => {
    time.advance(1_000)
    return encoded > 5
  })
  await file.saved()
  t.equal(readFileSync(path, 'utf8'), 'second')

  text = 'last'
  file.changed()
  await file.close()
  t.equal(readFileSync(path, 'utf8'), 'last')
  file.changed()
  time.advance(86_400_000)
  t.equal(readFileSync(path, 'utf8'), 'last', 'no write after close')
  const lost = new StateFile({
    path: join(path, 'x'),
    encode,
    clock: machineClock,
    delayMs: 5,
    onProblem: () => undefined,
  })
  lost.changed()
  await t.resolves(lost.close(), 'close resolves although the last write failed')
})

t.test('a pool that cannot write its state does not serve', async t => {
  const home = newPath()
  t.throws(() => poolOf({ stateFile: join(home, 'state') }), { name: 'StateFileError', message: /does not exist/ })
  mkdirSync(home)
  const pool = poolOf({ stateFile: join(home, 'state') })
  t.teardown(() => pool.close())
  rmSync(home, { recursive: true })
  await t.rejects(pool.listen({ port: 0 }), { name: 'StateFileError' })
})

t.test('a pool that is killed at any moment restarts with everything that it acknowledged', async t => {
  const stateFile = newPath()
  const acknowledged = new Set<string>()
  let attempts = 0
  let ordered: string | null = null
  for (let round = 0; round < 5; round += 1) {
    const child = execa('node', [join(import.meta.dirname, 'pool-with-state-file.ts'), stateFile], { reject: false })
    const [line] = await once(child.stdout, 'data')
    const url = String(line).trim()
    const session = await login(url)
    const pool = firstOf(Object.keys(Object(await ask(url, 'pool.get_all_records', session))))
    const kept = Object.keys(Object(await ask(url, 'pool.get_other_config', session, pool)))
    t.strictSame(
      [...acknowledged].filter(key => !kept.includes(key)),
      [],
      `${kept.length} of ${attempts} are there`,
    )
    const host = firstOf(Object.keys(Object(await ask(url, 'host.get_all_records', session))))
    if (ordered !== null) {
      t.strictSame(await ask(url, 'host.reboot', session, host), ['OTHER_OPERATION_IN_PROGRESS', 'host', ordered])
    }
    await ask(url, 'host.disable', session, host)
    if (round === 2) {
      t.equal(await ask(url, 'host.reboot', session, host), '')
      ordered = host
    }
    setTimeout(() => child.kill('SIGKILL'), Math.random() * 60)
    try {
      for (;;) {
        attempts += 1
        const key = `k${attempts}`
        if ((await ask(url, 'pool.add_to_other_config', session, pool, key, 'v')) === '') acknowledged.add(key)
      }
    } catch {
      // the process was killed during the call
    }
    await child
  }
  t.ok(acknowledged.size > 0)
})
