import t from 'tap'
import { VirtualClock } from '../../platform/time/virtual-clock.ts'
import { ask, askText, firstOf, login, servedPool } from '../pool-under-test.ts'

t.test('get_all_records_where accepts the expressions of stock xapi', async t => {
  const { pool, url, bugs } = await servedPool(t)
  const { hosts, sr } = pool.seed(['a', 'b', 'c'])
  const [a, b, c] = hosts.map(({ ref }) => ref)
  if (a === undefined || b === undefined || c === undefined) throw new Error('expected three hosts')
  const session = await login(url)
  await ask(url, 'host.disable', session, b)
  const where = (expression: string) => ask(url, 'host.get_all_where', session, expression)
  const cases: readonly (readonly [expression: string, found: readonly string[]])[] = [
    ['true', [a, b, c]],
    ['false', []],
    ['field "hostname" = "b"', [b]],
    ['\t"b"=field "hostname"\n', [b]],
    ['field "name__label" = "c"', [c]],
    ['field "name_label" = "c"', [c]],
    ['field "enabled" = "true"', [a, c]],
    [`field "_ref" = "${a}"`, [a]],
    ['field "hostname" = field "name__label"', [a, b, c]],
    ['field "hostname" = "a" or field "hostname" = "b"', [a, b]],
    ['field "enabled" = "true" and not field "hostname" = "a"', [c]],
    ['not (field "hostname" = "a" or field "hostname" = "b")', [c]],
    ['not field "hostname" = "a" and false', [a, b, c]],
    ['true or true and false', []],
  ]
  for (const [expression, found] of cases) t.strictSame(await where(expression), found, expression)
  t.strictSame(await ask(url, 'SR.get_all_records_where', session, 'field "clustered" = "true"'), {
    [sr]: pool.get('SR', sr),
  })

  const broken = (expression: string) =>
    `Db_filter.Expression_error(${JSON.stringify(expression)}, Parsing.Parse_error)`
  for (const wrong of [
    '',
    'yes',
    'field',
    'field "hostname"',
    'field "hostname" =',
    'field "hostname" = b',
    'true true',
    'true and',
    '(true',
    'true)',
    'not',
    '"open',
    `${'('.repeat(60)}true${')'.repeat(60)}`,
  ]) {
    t.strictSame(await where(wrong), ['INTERNAL_ERROR', broken(wrong)], wrong)
  }
  t.match(await where('not '.repeat(15_000)), ['INTERNAL_ERROR', /^Db_filter/])
  t.strictSame(await where('field "color" = "red"'), [
    'INTERNAL_ERROR',
    'Db_exn.DBCache_NotFound("missing field", "color", "")',
  ])
  t.strictSame(await where('field "constructor" = ""'), [
    'INTERNAL_ERROR',
    'Db_exn.DBCache_NotFound("missing field", "constructor", "")',
  ])
  t.strictSame(await where('field "tags" = "()"'), ['INTERNAL_ERROR', 'tags is a list or a map'])
  t.strictSame(bugs, [])
})

t.test('host.restart_agent moves agent_start_time, and repeated heartbeats do not move it back', async t => {
  const time = new VirtualClock()
  const { pool, url } = await servedPool(t, { clock: time })
  const host = firstOf(pool.seed(['a']).hosts).ref
  const session = await login(url)
  const agentStart = () => pool.get('host', host)?.other_config.agent_start_time
  const tickle = (seconds: number) =>
    ask(url, 'host.tickle_heartbeat', session, host, { boot_time: '1795363200.', agent_start_time: `${seconds}.` })
  await tickle(1_795_363_201)
  t.equal(agentStart(), '1795363201.')
  time.advance(90_000)
  t.equal(await ask(url, 'host.restart_agent', session, host), '')
  t.equal(agentStart(), '1795363290.')
  await tickle(1_795_363_201)
  t.equal(agentStart(), '1795363290.')
  await tickle(1_795_363_400)
  t.equal(agentStart(), '1795363400.', 'a new start time in a heartbeat counts')
  pool.hostLeft(host)
  t.strictSame(await ask(url, 'host.restart_agent', session, host), ['HOST_OFFLINE', host])
})

t.test('calls that have nothing to do still check their parameters', async t => {
  const { pool, url } = await servedPool(t)
  const { hosts, sr } = pool.seed(['a', 'b'])
  const [a, b] = hosts.map(({ ref }) => ref)
  const session = await login(url)
  for (const method of ['SR.scan', 'SR.update']) {
    t.equal(await ask(url, method, session, sr), '')
    t.strictSame(await ask(url, method, session, a), ['HANDLE_INVALID', 'SR', a])
    const task = await askText(url, `Async.${method}`, session, sr)
    t.equal(pool.get('task', task)?.status, 'success')
  }
  t.equal(await ask(url, 'pool.designate_new_master', session, a), '', 'the host is the coordinator already')
  t.match(await ask(url, 'pool.designate_new_master', session, b), ['OPERATION_NOT_ALLOWED'])
  const id = Number(await ask(url, 'event.get_current_id', session))
  await ask(url, 'pool.set_name_label', session, pool.ref, 'changed')
  const after = Number(await ask(url, 'event.get_current_id', session))
  t.ok(after > id)
  const token = await askText(url, 'event.inject', session, 'pool', pool.ref)
  t.match(await ask(url, 'event.from', session, ['pool'], token, 0), { events: [{ id: after + 1 }] })
})
