import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/**
 * The proof that an answer to a poll comes from the agent of a host. Another process may have taken the agent's port. At each start the
 * agent makes a key and sends it to its pool in its authenticated session, with the hello and with each heartbeat (`poll_key` in
 * `stuff`). The updater sends a nonce with each poll; the answer contains an HMAC-SHA256 over the nonce, the host, the SR and the text
 * of the report.
 *
 * Both sides keep the key in memory only. No method returns it.
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

/** Makes a key or a nonce: 64 hex digits. */
export function newPollSecret(): string {
  return randomBytes(BYTES).toString('hex')
}

/** Whether a text can be a key or a nonce. */
export function isPollSecret(text: unknown): text is string {
  return typeof text === 'string' && HEX.test(text)
}

/** Returns the proof for the text of a report: 64 hex digits. */
export function pollProof(key: string, { host, sr, nonce }: PolledAbout, report: string): string {
  return createHmac('sha256', Buffer.from(key, 'hex'))
    .update(JSON.stringify([nonce, host, sr, report]))
    .digest('hex')
}

/** Whether a proof is correct. Compares in constant time. */
export function isPollProof(proof: string, key: string, about: PolledAbout, report: string): boolean {
  if (!HEX.test(proof)) return false
  return timingSafeEqual(Buffer.from(proof, 'hex'), Buffer.from(pollProof(key, about, report), 'hex'))
}
