import t from 'tap'
import { describeRefusedCall, RefusedCalls } from '../../src/updater/refused-calls.ts'
import { NOW, pool } from '../allowed-operations/pool-of-three.ts'
import { VirtualClock } from '../platform/time/virtual-clock.ts'

const refused = (changes: object = {}) => ({
  method: 'host.reboot',
  host: 'a',
  user: 'ada',
  error: ['CLUSTERED_SR_DEGRADED', 'sr'],
  reasons: [],
  ...changes,
})

function counted() {
  const time = new VirtualClock()
  const told: string[] = []
  const calls = new RefusedCalls({
    timers: time,
    tell: ({ method, host, user, error }, count) => told.push(`${count} ${method} ${host} ${user} ${error.join(' ')}`),
  })
  return { time, calls, told }
}

t.test('the first call of a kind is told at once, those that follow together, and none twice', t => {
  const { time, calls, told } = counted()
  calls.add(refused())
  t.strictSame(told.splice(0), ['1 host.reboot a ada CLUSTERED_SR_DEGRADED sr'])
  for (let index = 0; index < 10_000; index += 1) calls.add(refused({ error: ['CLUSTERED_SR_DEGRADED', `sr${index}`] }))
  for (const other of [{ user: 'bob' }, { host: 'b' }, { host: null }, { method: 'host.shutdown' }, { error: ['X'] }]) {
    calls.add(refused(other))
  }
  t.equal(told.splice(0).length, 5, 'each other kind')
  time.advance(60_000)
  t.strictSame(told.splice(0), ['10000 host.reboot a ada CLUSTERED_SR_DEGRADED sr9999'])
  calls.add(refused())
  t.strictSame(told, [], 'it goes on')
  time.advance(60_000)
  t.equal(told.splice(0).length, 1)
  time.advance(60_000)
  t.strictSame(told, [], 'and is over')
  calls.add(refused())
  t.equal(told.splice(0).length, 1, 'so the next one is told at once')
  calls.add(refused())
  calls.close()
  t.equal(told.length, 1, 'what was not told is told at the end')
  t.end()
})

t.test('many kinds in one minute cost a bounded number of lines', t => {
  const { time, calls, told } = counted()
  for (let index = 0; index < 5_000; index += 1) calls.add(refused({ host: `h${index}` }))
  t.equal(told.length, 101)
  time.advance(60_000)
  t.equal(told.length, 102)
  t.match(told.at(-1), /^4899 /)
  t.end()
})

t.test('in words', t => {
  const of = { at: NOW, pool: pool() }
  t.equal(
    describeRefusedCall({ ...refused(), ...of, count: 1 }),
    'host.reboot of host-a by ada is refused: CLUSTERED_SR_DEGRADED sr',
  )
  const reason = { code: 'host-not-live', host: 'b', sr: 'sr', clearedBy: 'operator' } as const
  t.equal(
    describeRefusedCall({ ...refused({ reasons: [reason, reason, reason, reason] }), ...of, host: null, count: 7 }),
    'host.reboot by ada is refused (7 calls in a minute, this is the last one): CLUSTERED_SR_DEGRADED sr: SR uuid-sr: host-b is down (needs an operator); SR uuid-sr: host-b is down (needs an operator); SR uuid-sr: host-b is down (needs an operator) and 1 more',
  )
  t.end()
})
