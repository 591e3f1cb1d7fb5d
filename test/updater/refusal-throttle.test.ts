import t from 'tap'
import type { RefusedCall } from '../../src/updater/decision-events.ts'
import { describeEvent } from '../../src/updater/describe-event.ts'
import { RefusalThrottle } from '../../src/updater/refusal-throttle.ts'
import { NOW, pool } from '../allowed-operations/pool-of-three.ts'
import { VirtualClock } from '../platform/time/virtual-clock.ts'

const refused = (changes: Partial<RefusedCall> = {}): RefusedCall => ({
  method: 'host.reboot',
  host: 'a',
  user: 'ada',
  error: ['CLUSTERED_SR_DEGRADED', 'sr'],
  reasons: [],
  isDecision: true,
  ...changes,
})

function counted() {
  const time = new VirtualClock()
  const reported: string[] = []
  const throttle = new RefusalThrottle({
    timers: time,
    report: ({ method, host, user, error }, count) =>
      reported.push(`${count} ${method} ${host} ${user} ${error.join(' ')}`),
  })
  return { time, throttle, reported }
}

t.test('the first call of a kind is reported at once, those that follow together, and none twice', t => {
  const { time, throttle, reported } = counted()
  throttle.add(refused())
  t.strictSame(reported.splice(0), ['1 host.reboot a ada CLUSTERED_SR_DEGRADED sr'])
  for (let index = 0; index < 10_000; index += 1)
    throttle.add(refused({ error: ['CLUSTERED_SR_DEGRADED', `sr${index}`] }))
  const others: readonly Partial<RefusedCall>[] = [
    { user: 'bob' },
    { host: 'b' },
    { host: null },
    { method: 'host.shutdown' },
    { error: ['X'] },
  ]
  for (const other of others) throttle.add(refused(other))
  t.equal(reported.splice(0).length, 5, 'each other kind')
  time.advance(60_000)
  t.strictSame(reported.splice(0), ['10000 host.reboot a ada CLUSTERED_SR_DEGRADED sr9999'])
  throttle.add(refused())
  t.strictSame(reported, [], 'the interval goes on')
  time.advance(60_000)
  t.equal(reported.splice(0).length, 1)
  time.advance(60_000)
  t.strictSame(reported, [], 'the interval has ended')
  throttle.add(refused())
  t.equal(reported.splice(0).length, 1, 'so the next one is reported at once')
  throttle.add(refused())
  throttle.close()
  t.equal(reported.length, 1, 'close reports the rest')
  t.end()
})

t.test('many kinds in one minute cost a bounded number of lines', t => {
  const { time, throttle, reported } = counted()
  for (let index = 0; index < 5_000; index += 1) throttle.add(refused({ host: `h${index}` }))
  t.equal(reported.length, 101)
  time.advance(60_000)
  t.equal(reported.length, 102)
  t.match(reported.at(-1), /^4899 /)
  t.end()
})

t.test('the sentence about a refused call', t => {
  const of = { code: 'call-refused', at: NOW, pool: pool() } as const
  t.equal(
    describeEvent({ ...refused(), ...of, count: 1 }, 0),
    'host.reboot of host-a by ada is refused: CLUSTERED_SR_DEGRADED sr',
  )
  const reason = { code: 'host-not-live', host: 'b', sr: 'sr', clearedBy: 'operator' } as const
  t.equal(
    describeEvent({ ...refused({ reasons: [reason, reason, reason, reason] }), ...of, host: null, count: 7 }, 0),
    'host.reboot by ada is refused (7 calls in a minute, this is the last one): CLUSTERED_SR_DEGRADED sr: SR uuid-sr: host-b is down (needs an operator); SR uuid-sr: host-b is down (needs an operator); SR uuid-sr: host-b is down (needs an operator) and 1 more',
  )
  t.end()
})
