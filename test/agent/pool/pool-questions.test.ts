import { createServer } from 'node:http'
import t from 'tap'
import { PoolQuestions } from '../../../src/agent/pool/pool-questions.ts'
import { PoolRefusal } from '../../../src/agent-api/pool-methods.ts'
import { DEFAULT_POLICY } from '../../../src/allowed-operations/pool/gate-policy.ts'
import { OVERRIDE_KEY } from '../../../src/allowed-operations/pool/override.ts'
import { GatedPool, type GatedPoolOptions } from '../../../src/coordinator/gated-pool.ts'
import { answerPlugin } from '../../../src/coordinator/pool-plugins.ts'
import { EmbeddedPool } from '../../../src/embedded-pool/embedded-pool.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { XenApiClient } from '../../../src/xenapi-client/client.ts'

const HOUR_S = 3_600

interface Tap {
  teardown(end: () => unknown): void
}

/** As long as a loaded machine may need. */
const soon = () => AbortSignal.timeout(30_000)

const refused = (kind: string, message: RegExp) => ({ name: 'PoolRefusal', kind, message })

const POOL_OPTIONS: Pick<GatedPoolOptions, 'machines' | 'pollReport' | 'authenticate'> = {
  machines: { goDown: () => undefined },
  pollReport: () => new Promise(() => undefined),
  authenticate: (user, password) => password === 'secret' && (user === 'agents' ? 'host-agent' : 'pool-admin'),
}

/** An embedded pool of three hosts with one SR and without reports, and the questions of its first host. */
async function poolOf(t: Tap, now = Date.now) {
  const gated = new GatedPool({
    ...POOL_OPTIONS,
    clock: machineClock,
    settings: { policy: DEFAULT_POLICY, pollEveryMs: 60_000, pollTimeoutMs: 1_000 },
    plugins: (call, gate) => answerPlugin(call, gate, () => undefined),
  })
  t.teardown(() => gated.close())
  const { hosts, sr } = gated.pool.seed(['hostA', 'hostB', 'hostC'])
  const uuids = hosts.map(({ ref }) => gated.pool.get('host', ref)?.uuid ?? '')
  const { port } = await gated.pool.listen({ port: 0 })
  const client = clientOf(t, port)
  const questionsOf = (index: number) => new PoolQuestions(uuids[index] ?? '', { ...machineClock, now }, { client })
  return { pool: gated.pool, gated, hosts, sr, uuids, client, questions: questionsOf(0), questionsOf }
}

function clientOf(t: Tap, port: number): XenApiClient {
  const client = new XenApiClient({
    clock: machineClock,
    url: `http://127.0.0.1:${port}`,
    user: 'agents',
    password: 'secret',
  })
  t.teardown(() => client.close())
  return client
}

t.test('the role host-agent may make every call of an agent, and no others', async t => {
  const { questions, client, hosts, pool } = await poolOf(t)
  const host = hosts[1]?.ref
  await t.rejects(questions.clearOrder('hostB', 'it stays', soon()), refused('refused', /the host has no order/))
  const other = ['host.reboot', 'host.shutdown', 'host.disable', 'host.enable', 'host.destroy', 'host.power_on']
  for (const method of other) await t.rejects(client.call(method, [host]), { code: 'RBAC_PERMISSION_DENIED' }, method)
  for (const [method, ...params] of [
    ['host.add_to_other_config', host, 'boot_time', '1.'],
    ['host.set_other_config', host, {}],
    ['PBD.add_to_other_config', hosts[1]?.pbd, 'resync-monitor:peers', 'x'],
    ['PBD.set_other_config', hosts[1]?.pbd, {}],
    ['PBD.unplug', hosts[1]?.pbd],
    ['pool.add_to_other_config', pool.ref, 'rolling_upgrade_in_progress', 'true'],
    ['host.call_plugin', host, 'resync-monitor', 'override', {}],
  ] as const) {
    await t.rejects(client.call(method, params), { code: 'RBAC_PERMISSION_DENIED' }, method)
  }
})

t.test('a host reaches the gate through the coordinator', async t => {
  const { questions, questionsOf, uuids, sr, pool, hosts } = await poolOf(t)
  const answer = await questions.gate(soon())
  t.match(answer, { coordinator: { uuid: uuids[0] }, hosts: [{ uuid: uuids[0] }, {}, {}] })
  const srUuid = pool.get('SR', sr)?.uuid
  t.match(answer.hosts[0]?.reasons[0], { code: 'no-report', sr: { uuid: srUuid, name: 'mirrored' }, since: String })
  t.strictSame(
    (await questionsOf(1).gateOfThisHost(soon())).hosts.map(({ uuid }) => uuid),
    [uuids[1]],
  )
  t.equal(await questions.isCoordinator(soon()), true)
  t.equal(await questionsOf(1).isCoordinator(soon()), false)
  t.match(await questions.canReboot(['hostA', 'hostB'], soon()), {
    canReboot: false,
    hosts: [{ name: 'hostA' }, { name: 'hostB' }],
    error: ['CLUSTERED_SR_DEGRADED', srUuid],
  })
  await t.rejects(questions.canReboot(['nobody'], soon()), refused('invalid', /no host of the pool is called nobody/))

  pool.hostLeft(hosts[0]?.ref ?? '')
  const gate = await questionsOf(1).gate(soon())
  t.match(gate.hosts[0], { live: false }, 'the gate answers although the coordinator, as a host, is down')
})

t.test('an override is written, reported, replaced and removed', async t => {
  const { questions, pool, hosts, uuids } = await poolOf(t)
  const stored = () => pool.get('host', hosts[1]?.ref ?? '')?.other_config[OVERRIDE_KEY]
  const request = { host: 'hostB', reason: 'disk swap "4711"', by: 'ada', expiresInSeconds: HOUR_S }
  const override = await questions.setOverride(request, soon())
  t.match(override, { reason: 'disk swap "4711"', by: 'ada', inForce: true })
  const leftMs = Date.parse(override.expiresAt) - Date.now()
  t.ok(leftMs > HOUR_S * 900 && leftMs <= HOUR_S * 1_000)
  t.match(JSON.parse(stored() ?? ''), {
    schema: 1,
    reason: 'disk swap "4711"',
    by: 'ada',
    expiresAt: override.expiresAt,
  })
  const [, second] = (await questions.gate(soon())).hosts
  t.strictSame(second?.override, override)
  t.match(second?.operations, { reboot: ['HOST_NOT_DISABLED'] }, 'storage no longer blocks it')
  t.match(await questions.canReboot(['hostB'], soon()), { canReboot: true })

  t.match(await questions.setOverride({ ...request, host: uuids[1] ?? '', reason: 'again' }, soon()), {
    reason: 'again',
  })
  t.match(stored(), /again/)
  await questions.clearOverride('hostB', soon())
  t.equal(stored(), undefined)
  await questions.clearOverride('hostB', soon())

  for (const expiresInSeconds of [0, -1, 25 * HOUR_S, 1e300, Number.NaN]) {
    await t.rejects(
      questions.setOverride({ ...request, expiresInSeconds }, soon()),
      refused('invalid', /24 hours at most|expected/),
      String(expiresInSeconds),
    )
  }
  await t.rejects(questions.setOverride({ ...request, host: 'nobody' }, soon()), refused('invalid', /nobody/))
  await t.rejects(questions.clearOverride('nobody', soon()), refused('invalid', /nobody/))
  await t.rejects(questions.clearOrder('hostB', 'it stays', soon()), refused('refused', /the host has no order/))
  t.equal(stored(), undefined, 'nothing was written')
})

t.test('if two hosts have one name, neither gets an override', async t => {
  const { questions, pool } = await poolOf(t)
  pool.addHost({ hostname: 'hostB' })
  const request = { host: 'hostB', reason: 'r', by: 'b', expiresInSeconds: 60 }
  await t.rejects(questions.setOverride(request, soon()), refused('invalid', /several hosts are called hostB/))
  await t.rejects(questions.canReboot(['hostB'], soon()), refused('invalid', /several hosts are called hostB/))
})

t.test('an override written by a clock that is ahead is not in force yet, and the answer says so', async t => {
  const { questions } = await poolOf(t, () => Date.now() + 10 * 60_000)
  const override = await questions.setOverride({ host: 'hostB', reason: 'r', by: 'b', expiresInSeconds: 60 }, soon())
  t.equal(override.inForce, false)
})

t.test('without an answer of the pool the error has the cause', async t => {
  const without = new PoolQuestions('h', machineClock, { client: null })
  const noToolstack = refused('noToolstack', /no toolstack is configured/)
  await t.rejects(without.gate(soon()), noToolstack)
  await t.rejects(without.canReboot(['a'], soon()), noToolstack)
  await t.rejects(without.clearOverride('a', soon()), noToolstack)

  const away = new PoolQuestions('h', machineClock, { client: clientOf(t, 1) })
  await t.rejects(away.gate(soon()), refused('toolstackUnreachable', /the toolstack cannot be reached: .*/))

  const answers: ({ result: string } | { error: [string, ...string[]] })[] = []
  const pool = new EmbeddedPool({
    ...POOL_OPTIONS,
    clock: machineClock,
    gate: { claim: () => ({ ok: true }) },
    plugins: async () => answers.pop() ?? { error: ['XENAPI_MISSING_PLUGIN', 'resync-monitor'] },
  })
  t.teardown(() => pool.close())
  const { port } = await pool.listen({ port: 0 })
  const client = clientOf(t, port)
  const questions = new PoolQuestions('h', machineClock, { client })
  await t.rejects(questions.gate(soon()), refused('noGate', /the pool has no coordinator/))
  pool.addHost({ hostname: 'hostA' })
  await t.rejects(questions.gate(soon()), refused('noGate', /the coordinator has no plugin/))
  const cases = [
    [{ error: ['XENAPI_PLUGIN_FAILURE', 'gate', 'NoGate', 'no updater'] }, 'noGate', /no gate answers .* no updater/],
    [{ error: ['XENAPI_PLUGIN_FAILURE', 'gate', 'UnknownFunction', 'old'] }, 'noGate', /old/],
    [{ error: ['XENAPI_PLUGIN_FAILURE', 'gate', 'OSError', 'broken'] }, 'refused', /could not answer: broken/],
    [{ error: ['INTERNAL_ERROR', 'bug'] }, 'refused', /the toolstack refused: INTERNAL_ERROR/],
    [{ result: 'no JSON' }, 'refused', /does not understand/],
    [{ result: '{"at":"","coordinator":null,"hosts":[{"uuid":"x"}]}' }, 'refused', /does not understand/],
  ] as const
  for (const [answer, kind, text] of cases) {
    answers.push('error' in answer ? { error: [answer.error[0], ...answer.error.slice(1)] } : answer)
    await t.rejects(questions.gate(soon()), refused(kind, text), JSON.stringify(answer))
  }
  const request = { host: 'hostA', reason: 'r', by: 'b', expiresInSeconds: 60 }
  const noReader = /no guard acts; the coordinator has no plugin .*; the override was not written/
  await t.rejects(questions.setOverride(request, soon()), refused('noGate', noReader))
  t.notOk(OVERRIDE_KEY in (pool.list('host')[0]?.[1].other_config ?? {}), 'nobody would read it')
  answers.push({ result: 'no JSON' }, { result: 'no JSON' })
  t.match(await questions.setOverride(request, soon()), { inForce: false }, 'a gate of another version reads it')
  t.ok(new PoolRefusal('noGate', 'text').error === null)
})

t.test('a pool of an earlier version has no host.clear_order, and the refusal says so', async t => {
  const answers = new Map<unknown, object>([
    ['session.login_with_password', { result: 'session' }],
    ['host.get_all_records', { result: { 'OpaqueRef:b': { uuid: 'b', hostname: 'hostB', name_label: 'hostB' } } }],
  ])
  const server = createServer(async (request, response) => {
    const chunks = await request.toArray()
    const { id, method } = JSON.parse(Buffer.concat(chunks).toString())
    const unknown = { error: { code: 1, message: 'MESSAGE_METHOD_UNKNOWN', data: [method] } }
    response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(answers.get(method) ?? unknown) }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const at = server.address()
  const client = clientOf(t, typeof at === 'object' && at !== null ? at.port : 0)
  const questions = new PoolQuestions('h', machineClock, { client })
  await t.rejects(questions.clearOrder('hostB', 'it stays', soon()), refused('refused', /an earlier version/))
})
