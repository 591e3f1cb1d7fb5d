import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { newMessage } from '../../../src/embedded-pool/database/new-record.ts'
import { encodeState } from '../../../src/embedded-pool/database/state-codec.ts'
import { EmbeddedPool } from '../../../src/embedded-pool/embedded-pool.ts'
import { UNKNOWN_HOST } from '../../../src/embedded-pool/hosts/host-memory.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { askText, firstOf, login, oneAtATime, patientMachines, post, servedPool } from '../pool-under-test.ts'

t.test('a number that a record cannot contain is refused, and the state file stays readable', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'pool-numbers-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const stateFile = join(folder, 'pool')
  const { pool, url, bugs } = await servedPool(t, { stateFile })
  const host = pool.get('host', firstOf(pool.seed(['a']).hosts).ref)
  const session = await login(url)
  const task = await askText(url, 'task.create', session, 'label', '')
  // sent as text, because JSON.stringify would write null
  const call = (method: string, params: string) => post(url, `{"method":"${method}","params":["${session}",${params}]}`)
  const cases: readonly (readonly [method: string, params: string, error: readonly string[] | null])[] = [
    ['message.create', `"N",1e999,"Host","${host?.uuid}",""`, ['FIELD_TYPE_ERROR', 'priority']],
    ['message.create', `"N",-1e999,"Host","${host?.uuid}",""`, ['FIELD_TYPE_ERROR', 'priority']],
    ['message.create', `"N",1.5,"Host","${host?.uuid}",""`, ['FIELD_TYPE_ERROR', 'priority']],
    ['message.create', `"N",1e300,"Host","${host?.uuid}",""`, ['FIELD_TYPE_ERROR', 'priority']],
    ['message.create', `"N",3,"Host","${host?.uuid}",""`, null],
    ['task.set_progress', `"${task}",1e999`, ['FIELD_TYPE_ERROR', 'progress']],
    ['event.from', '["host"],"",1e999', ['FIELD_TYPE_ERROR', 'timeout']],
  ]
  for (const [method, params, error] of cases) t.match(await call(method, params), { error }, `${method} ${params}`)
  for (const [given, kept] of [
    ['0.25', 0.25],
    ['7', 1],
    ['-1e300', 0],
  ] as const) {
    t.match(await call('task.set_progress', `"${task}",${given}`), { error: null })
    t.equal(pool.get('task', task)?.progress, kept, 'progress is between 0 and 1')
  }
  await pool.close()
  t.match(readFileSync(stateFile, 'utf8'), /"priority":3/)
  const again = new EmbeddedPool({
    clock: machineClock,
    gate: oneAtATime,
    machines: patientMachines,
    authenticate: () => true,
    stateFile,
  })
  t.equal(again.list('message').length, 1)
  await again.close()
  t.strictSame(bugs, [])
})

t.test('a state with a non-finite number is not written, because it would be unreadable', async t => {
  const tables = {
    pool: new Map(),
    host: new Map(),
    host_metrics: new Map(),
    SR: new Map(),
    PBD: new Map(),
    message: new Map(),
  }
  const message = newMessage({ uuid: 'u', priority: Number.POSITIVE_INFINITY })
  t.throws(
    () => encodeState({ generation: 1, tables: { ...tables, message: new Map([['m', message]]) }, hosts: new Map() }),
    { message: 'priority is Infinity, which JSON cannot represent' },
  )
  const memory = { ...UNKNOWN_HOST, toldAtMs: Number.NaN }
  t.throws(() => encodeState({ generation: 1, tables, hosts: new Map([['h', memory]]) }), {
    message: 'toldAtMs is NaN, which JSON cannot represent',
  })
})
