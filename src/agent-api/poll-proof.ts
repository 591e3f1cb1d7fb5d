import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * How an agent proves that an answer to a poll is its own. Anything may answer at its address: another process may have taken
 * the port first. The agent makes a key at each start and hands it to its pool in its authenticated session, with a hello and
 * with each heartbeat (`poll_key` in `stuff`). The updater sends a nonce with each poll; the answer carries an HMAC-SHA256 over
 * the nonce, the host, the SR and the text of the report.
 *
 * The key is kept in memory only, on both sides. No method of either side returns it.
 */
export interface PolledAbout {
  /** UUID of the host that answers. */
  readonly host: string
  /** UUID of the SR. */
  readonly sr: string
  readonly nonce: string
}

const BYTES = 32
const HEX = /^[0-9a-f]{64}$/

/** 64 hex digits, of a key or of a nonce. */
export function newPollSecret(): string {
  return randomBytes(BYTES).toString('hex')
}

/** Whether a text can be a key or a nonce. */
export function isPollSecret(text: unknown): text is string {
  return typeof text === 'string' && HEX.test(text)
}

/** The proof for the text of a report: 64 hex digits. */
export function pollProof(key: string, { host, sr, nonce }: PolledAbout, report: string): string {
  return createHmac('sha256', Buffer.from(key, 'hex'))
    .update(JSON.stringify([nonce, host, sr, report]))
    .digest('hex')
}

/** Whether a proof is the right one. */
export function isPollProof(proof: string, key: string, about: PolledAbout, report: string): boolean {
  if (!HEX.test(proof)) return false
  return timingSafeEqual(Buffer.from(proof, 'hex'), Buffer.from(pollProof(key, about, report), 'hex'))
}
