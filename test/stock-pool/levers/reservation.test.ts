import t from 'tap'
import {
  encodeReservation,
  MAX_RESERVATION_MS,
  reservationInForce,
} from '../../../src/stock-pool/levers/reservation.ts'

const NOW = Date.UTC(2026, 11, 1)
const RESERVATION = { host: '0f0e0d0c-0b0a-4908-8706-050403020100', by: 'root', expiresMs: NOW + 60_000 }

t.test('a stored reservation is read back until it expires', async t => {
  const text = encodeReservation(RESERVATION)
  t.strictSame(reservationInForce(text, NOW), RESERVATION)
  t.equal(reservationInForce(text, RESERVATION.expiresMs), null)
  t.equal(reservationInForce(undefined, NOW), null)
})

t.test('a reservation that lasts too long is not in force', async t => {
  const lasting = (ms: number) => encodeReservation({ ...RESERVATION, expiresMs: NOW + ms })
  t.not(reservationInForce(lasting(MAX_RESERVATION_MS), NOW - 60_000), null, 'the clock of its writer may be ahead')
  t.equal(reservationInForce(lasting(MAX_RESERVATION_MS), NOW - 60_001), null)
})

t.test('a text that is cut at any byte is no reservation', async t => {
  const text = encodeReservation(RESERVATION)
  for (let end = 0; end < text.length; end += 1) t.equal(reservationInForce(text.slice(0, end), NOW), null)
  for (const other of ['null', '[]', '{"schema":2}', text.replace('"schema":1', '"schema":2'), 'x'.repeat(2_000)]) {
    t.equal(reservationInForce(other, NOW), null)
  }
})
