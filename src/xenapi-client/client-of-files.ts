import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import type { Clock } from '../platform/time/clock.ts'
import { XenApiClient } from './client.ts'
import { FINGERPRINT } from './endpoint.ts'

/** SHA-256 of a certificate, as `openssl x509 -fingerprint -sha256` prints it. */
export const fingerprint = z.string().regex(FINGERPRINT, 'must be 32 pairs of hex digits, with colons between them')

/** A toolstack and its credentials, as a configuration names them. */
export interface ConfiguredToolstack {
  readonly url: string
  readonly socket?: string | undefined
  readonly user: string
  /** A file that contains only the password. Absent: a unix socket that asks for none. */
  readonly passwordFile?: string | undefined
  /** A file with certificates (PEM). */
  readonly caFile?: string | undefined
  readonly fingerprints?: readonly string[] | undefined
}

/** @throws Error naming the file that cannot be read, TypeError naming the option that cannot be used */
export async function clientOf(toolstack: ConfiguredToolstack, clock: Clock): Promise<XenApiClient> {
  const { url, socket, user, passwordFile, caFile, fingerprints } = toolstack
  const password = passwordFile === undefined ? '' : await readFile(passwordFile, 'utf8')
  return new XenApiClient({
    clock,
    url,
    user,
    password: password.replace(/\r?\n$/, ''),
    ...(socket === undefined ? {} : { socketPath: socket }),
    ...(caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') }),
    ...(fingerprints === undefined ? {} : { fingerprint256: fingerprints }),
  })
}
