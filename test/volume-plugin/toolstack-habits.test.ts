import { existsSync, readdirSync, rmSync } from 'node:fs'
import t from 'tap'
import { ATTACH, CREATE, plugged, SR, SYNCED, URI } from './plugin-under-test.ts'

t.test('concurrent calls about one SR all end, and disk and watched SRs agree afterwards', async t => {
  const { call, host, files } = await plugged(t)
  const methods: readonly (readonly [method: string, params: unknown])[] = [
    ['SR.create', CREATE],
    ['SR.attach', ATTACH],
    ['SR.stat', { sr: URI }],
    ['SR.ls', { sr: URI }],
    ['SR.set_name', { sr: URI, new_name: 'z' }],
    ['SR.detach', { sr: URI }],
    ['SR.destroy', { sr: URI }],
    ['SR.probe', { configuration: { sr_uuid: SR } }],
    ['Plugin.diagnostics', {}],
  ]
  const calls = Array.from(
    { length: 450 },
    (_, n) => methods[(n * 5 + (n >> 3)) % methods.length] ?? (['', {}] as const),
  )
  const answers = await Promise.all(calls.map(([method, params]) => call(method, params)))
  for (const [index, { status, answer }] of answers.entries()) {
    const isExpected = status === 200 || ['SR_does_not_exist', 'Sr_not_attached'].includes(answer.code)
    if (!isExpected) t.fail(`${calls[index]?.[0]}: ${JSON.stringify(answer)}`)
  }
  t.equal(answers.filter(({ status }) => status === 200).length > 200, true)
  const isAttached = (await call('SR.stat', { sr: URI })).status === 200
  t.equal(host.watched.length, isAttached ? 1 : 0)
  await call('SR.destroy', { sr: URI })
  t.strictSame(existsSync(files) ? readdirSync(files) : [], [])
  t.strictSame([host.watched, host.bugs, host.problems], [[], [], []])
})

t.test('an SR that is out of sync can be attached, because otherwise the pool could not watch it', async t => {
  const { call, host } = await plugged(t)
  host.statuses.set(SR, { ...SYNCED, state: 'degraded' })
  await call('SR.create', CREATE)
  t.strictSame(await call('SR.attach', ATTACH), { status: 200, answer: URI })
  t.match(await call('SR.stat', { sr: URI }), { status: 200, answer: { health: ['Recovering', /^degraded/] } })
  t.strictSame(await call('SR.ls', { sr: URI }), { status: 200, answer: [] })
})

t.test('a plug that failed at SR.stat, which the toolstack does not undo, can be repeated', async t => {
  const { call, host } = await plugged(t)
  const { status } = host
  host.status = () => {
    throw new Error('broken')
  }
  t.match(await call('SR.attach', ATTACH), { status: 200 })
  t.match(await call('SR.stat', { sr: URI }), { status: 500, answer: { code: 'SR_BACKEND_FAILURE' } })
  host.status = status
  t.match(await call('SR.attach', ATTACH), { status: 200, answer: URI })
  t.match(await call('SR.stat', { sr: URI }), { status: 200, answer: { health: ['Healthy', ''] } })
  t.match(host.watched, { length: 1 })
})

t.test('the toolstack believes that an SR is attached which this host no longer knows', async t => {
  const { call, folder, files } = await plugged(t)
  await call('SR.create', CREATE)
  await call('SR.attach', ATTACH)
  rmSync(files, { recursive: true })
  const again = await plugged(t, folder)
  t.strictSame([again.host.watched, again.host.problems], [[], []])
  const unknown = { status: 400, answer: { code: 'SR_does_not_exist', params: [SR] } }
  for (const method of ['SR.stat', 'SR.ls']) t.match(await again.call(method, { sr: URI }), unknown, method)
  t.strictSame(await again.call('SR.detach', { sr: URI }), { status: 200, answer: null }, 'it can be unplugged')
  t.strictSame(await again.call('SR.attach', ATTACH), { status: 200, answer: URI }, 'and plugged, with all that it was')
  t.match(await again.call('SR.stat', { sr: URI }), { answer: { name: CREATE.name, description: CREATE.description } })
  await again.call('SR.detach', { sr: URI })
  t.strictSame(await again.call('SR.destroy', { sr: URI }), { status: 200, answer: null })
  t.strictSame(await again.call('SR.destroy', { sr: URI }), { status: 200, answer: null })
})

t.test('any method may be called first, without Plugin.Query', async t => {
  const firsts: readonly (readonly [method: string, params: unknown, status: number])[] = [
    ['SR.attach', ATTACH, 200],
    ['SR.create', CREATE, 200],
    ['SR.stat', { sr: URI }, 400],
    ['SR.detach', { sr: URI }, 200],
    ['SR.destroy', { sr: URI }, 200],
    ['SR.probe', { configuration: {} }, 200],
    ['Plugin.ls', {}, 200],
    ['Plugin.diagnostics', {}, 200],
  ]
  for (const [method, params, status] of firsts) {
    const { call } = await plugged(t)
    t.equal((await call(method, params)).status, status, method)
  }
})
