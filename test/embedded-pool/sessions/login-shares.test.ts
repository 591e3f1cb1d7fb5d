/** Public reports of servers that one address locks everybody out of: here only that address waits. */
import t from 'tap'
import { VirtualClock } from '../../platform/time/virtual-clock.ts'
import { Peer } from '../peer.ts'
import { PASSWORD, servedPool, until } from '../pool-under-test.ts'

const LOGIN = 'session.login_with_password'
const login = (password: string, id = 1) => ({ method: LOGIN, params: ['root', password], id })

t.test('an address that sends wrong passwords keeps no other address out', async t => {
  const time = new VirtualClock()
  const { port } = await servedPool(t, { clock: time, failedLoginDelayMs: 1_000 })
  const attacker = new Peer(t, port, '127.0.0.2')
  let answered = 0
  const guesses = Array.from({ length: 4 }, () =>
    attacker.post(Array(100).fill(login('guess'))).then(answer => {
      answered += 1
      return answer
    }),
  )
  // time stands still: what was refused is refused for as long as this test likes
  await until(() => answered === 3)
  t.strictSame(await attacker.ask(LOGIN, 'root', PASSWORD), ['TOO_BUSY'], 'this one has to wait')
  t.match(await new Peer(t, port, '127.0.0.3').ask(LOGIN, 'root', PASSWORD), /^OpaqueRef:/)
  t.strictSame(await new Peer(t, port, '127.0.0.2').ask(LOGIN, 'root', PASSWORD), ['TOO_BUSY'], 'by any connection')
  time.advance(1_000)
  await Promise.all(guesses)
  t.match(await attacker.ask(LOGIN, 'root', PASSWORD), /^OpaqueRef:/)
})

t.test(
  'four hundred wrong passwords from one address are checked and answered, and a right one from another is too',
  async t => {
    const { port } = await servedPool(t, { failedLoginDelayMs: 200 })
    const attacker = new Peer(t, port, '127.0.0.2')
    let isOver = false
    const guess = async () => {
      while (!isOver) await attacker.ask(LOGIN, 'root', 'guess')
    }
    const guessing = Array.from({ length: 100 }, guess)
    for (let round = 0; round < 5; round += 1) {
      t.match(await new Peer(t, port, '127.0.0.3').ask(LOGIN, 'root', PASSWORD), /^OpaqueRef:/)
    }
    isOver = true
    await Promise.all(guessing)
  },
)

t.test('a batch counts as many logins as it holds', async t => {
  const time = new VirtualClock()
  const { port } = await servedPool(t, { clock: time, failedLoginDelayMs: 1_000, maxFailedLogins: 3 })
  const attacker = new Peer(t, port, '127.0.0.2')
  let asked = false
  const batch = attacker.post([...Array(10).fill(login('guess')), login(PASSWORD)]).then(answer => {
    asked = true
    return answer
  })
  await until(() => {
    time.advance(1_000)
    return asked
  })
  const answers = JSON.stringify(await batch)
  t.equal(answers.split('SESSION_AUTHENTICATION_FAILED').length - 1, 3)
  t.equal(answers.split('TOO_BUSY').length - 1, 8, 'the right one among them too')
})

t.test('no header makes an address another one', async t => {
  const time = new VirtualClock()
  const { port } = await servedPool(t, { clock: time, failedLoginDelayMs: 1_000, maxFailedLogins: 2 })
  const attacker = new Peer(t, port, '127.0.0.2')
  const headers = (index: number) => ({
    'x-forwarded-for': `192.0.2.${index}`,
    forwarded: `for=192.0.2.${index}`,
    'x-real-ip': `192.0.2.${index}`,
  })
  let answered = 0
  const guesses = Array.from({ length: 8 }, (_, index) =>
    attacker.post(login('guess'), headers(index)).then(() => {
      answered += 1
    }),
  )
  await until(() => answered === 6)
  t.match(await attacker.post(login(PASSWORD), headers(99)), { error: ['TOO_BUSY'] })
  time.advance(1_000)
  await Promise.all(guesses)
})
