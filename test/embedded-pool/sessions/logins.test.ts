import t from 'tap'
import type { FailedLogins } from '../../../src/embedded-pool/sessions/login-brake.ts'
import { VirtualClock } from '../../platform/time/virtual-clock.ts'
import { ask, login, PASSWORD, servedPool, until } from '../pool-under-test.ts'

t.test('answers to wrong passwords are delayed and limited, and failed logins are reported in summary', async t => {
  const time = new VirtualClock()
  const reports: FailedLogins[] = []
  const { pool, url } = await servedPool(t, {
    clock: time,
    failedLoginDelayMs: 1_000,
    maxFailedLogins: 2,
    reportFailedLoginsEveryMs: 60_000,
    onFailedLogins: failed => reports.push(failed),
  })
  const answers: unknown[] = []
  const guess = (user: string) =>
    ask(url, 'session.login_with_password', user, 'guess').then(answer => answers.push(answer))
  const first = guess('ann')
  await until(() => reports.length === 1)
  t.match(await login(url), /^OpaqueRef:/, 'a correct password is answered immediately')
  const second = guess('root')
  const right = () => ask(url, 'session.login_with_password', 'root', PASSWORD)
  const deadline = Date.now() + 10_000
  let answer = await right()
  while (typeof answer === 'string' && Date.now() < deadline) answer = await right()
  t.strictSame(answer, ['TOO_BUSY'], 'while two wrong ones wait, no further password is checked')
  t.strictSame(answers, [], 'no answer before the delay is over')
  time.advance(999)
  t.strictSame(answers, [])
  time.advance(1)
  await Promise.all([first, second])
  t.strictSame(answers, [
    ['SESSION_AUTHENTICATION_FAILED', 'ann', 'Authentication failure'],
    ['SESSION_AUTHENTICATION_FAILED', 'root', 'Authentication failure'],
  ])
  t.match(await login(url), /^OpaqueRef:/, 'logins work again')

  t.strictSame(reports, [{ count: 1, user: 'ann', address: '127.0.0.1' }])
  time.advance(59_000)
  t.match(reports, [{}, { user: 'root' }])
  t.ok((reports[1]?.count ?? 0) >= 2, 'the wrong password and the unchecked ones')
  time.advance(60_000)
  time.advance(60_000)
  t.equal(reports.length, 2)
  const last = guess('bob')
  await until(() => reports.length === 3)
  const unheard = guess('eve')
  await until(() => {
    time.advance(1_000)
    return answers.length === 4
  })
  await Promise.all([last, unheard])
  await pool.close()
  t.strictSame(reports.slice(2), [
    { count: 1, user: 'bob', address: '127.0.0.1' },
    { count: 1, user: 'eve', address: '127.0.0.1' },
  ])
})

t.test('endSessionsOf ends the sessions of users and their waiting calls', async t => {
  const { pool, url } = await servedPool(t, { authenticate: () => true })
  const of = async (user: string) => String(await ask(url, 'session.login_with_password', user, ''))
  const [ann, ann2, bob] = [await of('ann'), await of('ann'), await of('bob')]
  const token = String(await ask(url, 'event.inject', ann, 'pool', pool.ref))
  const next = String(Reflect.get(Object(await ask(url, 'event.from', ann, ['pool'], token, 0)), 'token'))
  const waiting = ask(url, 'event.from', ann, ['pool'], next, 30)
  await ask(url, 'pool.get_all', bob)
  pool.endSessionsOf(new Set(['ann', 'nobody']))
  t.strictSame(await waiting, ['SESSION_INVALID', ann])
  t.strictSame(await ask(url, 'pool.get_all', ann2), ['SESSION_INVALID', ann2])
  t.strictSame(await ask(url, 'pool.get_all', bob), [pool.ref])
})
