import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { encodeOverride, OVERRIDE_KEY } from '../../../src/allowed-operations/pool/override.ts'
import { withoutChange } from '../../../src/embedded-pool/database/without-change.ts'
import { ask, askText, login, servedPool, until } from '../pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'pool-failed-'))
t.teardown(() => rmSync(folder, { recursive: true }))

const REFUSED = ['INTERNAL_ERROR', 'the state of the pool cannot be written']

/** A pool of two hosts, one of which is down, and one object of each class that a call may name. */
async function brokenPool(t: { teardown(end: () => Promise<void>): void }) {
  const stateFile = join(folder, `pool-${Math.random()}`)
  const bugs: unknown[] = []
  const ordered: string[] = []
  const { pool, url } = await servedPool(t, {
    stateFile,
    stateDelayMs: 86_400_000,
    gate: { claim: () => ({ ok: true }) },
    machines: { goDown: host => ordered.push(host) },
    enableDelayMs: 86_400_000,
    onBug: bug => bugs.push(bug),
  })
  const { hosts, sr } = pool.seed(['a', 'b'])
  const [a, b] = hosts
  if (a === undefined || b === undefined) throw new Error('expected two hosts')
  const session = await login(url)
  const call = (method: string, ...params: readonly unknown[]) => ask(url, method, session, ...params)
  await call('host.disable', b.ref, false)
  pool.hostLeft(b.ref)
  // the host is back and about to be enabled
  pool.hostReturned(a.ref, { bootTimeMs: 0 })
  const empty = await askText(url, 'SR.introduce', session, 'e', 'empty', '', 'linstor', '', true)
  const spare = await askText(url, 'SR.introduce', session, 's', 'spare', '', 'linstor', '', true)
  const loose = await askText(url, 'PBD.create', session, { host: a.ref, SR: spare, device_config: {} })
  const message = await askText(url, 'message.create', session, 'M', 3, 'SR', 'e', 'body')
  for (const [cls, ref] of [['pool', pool.ref] as const, ['host', a.ref] as const, ['SR', sr] as const]) {
    await call(`${cls}.add_tags`, ref, 'there')
    await call(`${cls}.add_to_other_config`, ref, 'there', 'value')
  }
  await call('SR.add_to_sm_config', sr, 'there', 'value')
  await pool.saved()
  const state = () => {
    const tables = (['pool', 'host', 'host_metrics', 'SR', 'PBD', 'message'] as const).map(cls => [
      cls,
      Object.fromEntries(pool.list(cls).map(([ref, record]) => [ref, JSON.parse(JSON.stringify(record))])),
    ])
    return { tables, hosts: pool.poolSnapshot().hosts, memory: /"hosts":(\{.*\})\}$/.exec(onDisk())?.[1] }
  }
  const onDisk = () => readFileSync(stateFile, 'utf8').trimEnd()
  return { pool, url, call, a, b, sr, empty, spare, loose, message, stateFile, state, bugs, ordered }
}

t.test('the writes of every method are undone if the state file cannot be written', async t => {
  const broken = await brokenPool(t)
  const { pool, call, a, b, sr, empty, loose, message, stateFile, state } = broken
  const metrics = pool.get('host', a.ref)?.metrics
  const maps = (cls: string, ref: string | undefined, field = 'other_config') => [
    [`${cls}.add_to_${field}`, ref, 'new', 'v'],
    [`${cls}.remove_from_${field}`, ref, 'there'],
    [`${cls}.set_${field}`, ref, { other: 'v' }],
  ]
  const names = (cls: string, ref: string) => [
    [`${cls}.set_name_label`, ref, 'n'],
    [`${cls}.set_name_description`, ref, 'n'],
    [`${cls}.set_tags`, ref, ['x']],
    [`${cls}.add_tags`, ref, 'x'],
    [`${cls}.remove_tags`, ref, 'there'],
  ]
  const calls = [
    ...maps('pool', pool.ref),
    ...maps('host', a.ref),
    ...maps('host_metrics', metrics),
    ...maps('SR', sr),
    ...maps('SR', sr, 'sm_config'),
    ...names('pool', pool.ref),
    ...names('host', a.ref),
    ...names('SR', sr),
    ['pool.set_default_SR', pool.ref, sr],
    ['host.set_power_on_mode', a.ref, 'wake-on-lan', {}],
    ['host.set_hostname_live', a.ref, 'other'],
    ['PBD.set_device_config', a.pbd, { x: 'y' }],
    ['host.disable', a.ref, false],
    ['host.enable', a.ref],
    ['host.restart_agent', a.ref],
    ['host.destroy', b.ref],
    ['host.reboot', a.ref],
    ['host.shutdown', a.ref],
    ['SR.introduce', 'n', 'new', '', 'linstor', '', true],
    ['SR.forget', empty],
    ['PBD.create', { host: a.ref, SR: empty, device_config: {} }],
    ['PBD.destroy', loose],
    ['PBD.plug', loose],
    ['PBD.unplug', a.pbd],
    ['message.create', 'M', 3, 'SR', 'e', 'body'],
    ['message.destroy', message],
  ] as const
  const before = state()
  mkdirSync(`${stateFile}.new`)
  for (const [method, ...params] of calls) {
    t.strictSame(await call(String(method), ...params), REFUSED, String(method))
    t.strictSame(state(), before, `${method} has changed nothing`)
  }
  const all = await Promise.all(calls.map(([method, ...params]) => call(String(method), ...params)))
  t.notOk(all.includes(''), 'no call succeeds')
  t.strictSame(state(), before, 'concurrent calls change nothing either')
  t.strictSame(broken.ordered, [], 'no host got an order')
  rmSync(`${stateFile}.new`, { recursive: true })
  await pool.saved()
  t.strictSame(state(), before, 'the file does not contain any of it later')
  t.strictSame(broken.bugs, [])

  const tried = new Set(calls.map(([method]) => String(method)))
  const changing = (await ask(broken.url, 'system.listMethods')) as string[]
  const left = changing.filter(
    name => !tried.has(name) && !/^Async\.|\.get(_|$)|^(event|session|system|task)\./.test(name),
  )
  t.strictSame(left.toSorted(), NOT_KEPT, 'the other methods that write do not wait for the disk')
})

/** Methods that do not wait for the disk: heartbeats, task data, and methods without a lasting change. */
const NOT_KEPT = [
  'PBD.add_to_other_config',
  'PBD.remove_from_other_config',
  'PBD.set_other_config',
  'SR.scan',
  'SR.update',
  'host.assert_can_evacuate',
  'host.call_plugin',
  'host.clear_order',
  'host.evacuate',
  'host.power_on',
  'host.tickle_heartbeat',
  'pool.designate_new_master',
  'pool.hello',
]

t.test('a disk that hangs and then fails: the writes in between are undone, and no host gets an order', async t => {
  const { pool, call, a, stateFile, ordered, state } = await brokenPool(t)
  const before = state()
  const override = encodeOverride({
    reason: 'swap',
    by: 'ada',
    createdMs: Date.now(),
    expiresMs: Date.now() + 60_000,
  })
  if (!('text' in override)) throw new Error(override.problem)
  // opening a FIFO for writing hangs until a reader opens it; then fsync fails
  await execa('mkfifo', [`${stateFile}.new`])
  const first = call('host.add_to_other_config', a.ref, OVERRIDE_KEY, override.text)
  await until(() => pool.poolSnapshot().overrides.length === 1)
  const reboot = call('host.reboot', a.ref)
  const second = call('pool.set_name_label', pool.ref, 'later')
  await until(() => pool.get('pool', pool.ref)?.name_label === 'later')
  // writes of hosts in between must not be undone
  await call('PBD.add_to_other_config', a.pbd, 'resync-monitor', '{}')
  openSync(`${stateFile}.new`, 'r+')
  t.strictSame(await Promise.all([first, reboot, second]), [REFUSED, REFUSED, REFUSED])
  t.strictSame(ordered, [])
  rmSync(`${stateFile}.new`)
  t.equal(pool.get('PBD', a.pbd)?.other_config['resync-monitor'], '{}')
  await call('PBD.remove_from_other_config', a.pbd, 'resync-monitor')
  t.strictSame(state(), before)
  await pool.saved()
  t.notMatch(readFileSync(stateFile, 'utf8'), /swap|later/)
  t.equal(await call('pool.set_name_label', pool.ref, 'now'), '', 'later calls are kept again')
})

t.test('undo of a change keeps later changes of others', t => {
  const before = { map: { a: '1', b: '2' }, list: ['x'], flag: true, same: 'same' }
  const after = { ...before, map: { a: '1', b: '3', c: '4' }, list: ['x', 'y'], flag: false }
  t.strictSame(withoutChange(after, before, after), before)
  const since = { ...after, map: { ...after.map, b: '5', d: '6' }, list: ['z'], same: 'other' }
  t.strictSame(withoutChange(since, before, after), {
    map: { a: '1', b: '5', d: '6' },
    list: ['z'],
    flag: true,
    same: 'other',
  })
  t.end()
})
