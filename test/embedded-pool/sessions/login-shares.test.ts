/** Public reports describe servers that one address locks all users out of. Here only that address has to wait. */
import t from 'tap'
import { VirtualClock } from '../../platform/time/virtual-clock.ts'
import { Peer } from '../peer.ts'
import { PASSWORD, servedPool, until } from '../pool-under-test.ts'

const LOGIN = 'session.login_with_password'
const login = (password: string, id = 1) => ({ method: LOGIN, params: ['root', password], id })

t.test('an address that sends wrong passwords does not lock out other addresses', async t => {
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
  // the clock stands still, so refusals last for the whole test
  await until(() => answered === 3)
  t.strictSame(await attacker.ask(LOGIN, 'root', PASSWORD), ['TOO_BUSY'], 'this address has to wait')
  t.match(await new Peer(t, port, '127.0.0.3').ask(LOGIN, 'root', PASSWORD), /^OpaqueRef:/)
  t.strictSame(await new Peer(t, port, '127.0.0.2').ask(LOGIN, 'root', PASSWORD), ['TOO_BUSY'], 'on any connection')
  time.advance(1_000)
  await Promise.all(guesses)
  t.match(await attacker.ask(LOGIN, 'root', PASSWORD), /^OpaqueRef:/)
})

t.test(
  '400 wrong passwords of one address and a correct one of another address are all checked and answered',
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

t.test('every login in a batch counts', async t => {
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
  t.equal(answers.split('TOO_BUSY').length - 1, 8, 'the correct password is refused too')
})

t.test('headers do not change the address of a client', async t => {
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
