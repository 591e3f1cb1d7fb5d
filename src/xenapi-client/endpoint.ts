import { X509Certificate } from 'node:crypto'
import { Agent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isIPv6 } from 'node:net'
import { PinnedAgent } from './pinned-agent.ts'

/** Where XenAPI is served, and how it proves that it is the one. */
export interface XenApiEndpoint {
  /**
   * `http://host[:port]` or `https://host[:port]`. With a socket it says only how to reach the coordinator, if the one
   * behind the socket is none.
   */
  readonly url: string
  /** A unix socket to go through, such as xapi's own on its host (`/var/lib/xcp/xapi`). What is spoken there is plain HTTP. */
  readonly socketPath?: string
  /** For https: the certificates (PEM) of those who may sign the toolstack's. Default: those that Node trusts. */
  readonly ca?: string
  /**
   * For https, instead of a CA: SHA-256 of the toolstack's certificate, as `openssl x509 -fingerprint -sha256` prints it.
   * Each host of a pool has a certificate of its own, so a client that is to follow the coordinator needs all of theirs.
   */
  readonly fingerprint256?: string | readonly string[]
}

/** An endpoint that was looked through. */
export interface CheckedEndpoint {
  readonly url: URL
  readonly socketPath: string | undefined
  readonly ca: string | undefined
  /** In the form of Node's `X509Certificate.fingerprint256`; `null`: certificates are judged by their signatures. */
  readonly pins: ReadonlySet<string> | null
}

const FINGERPRINT = /^([0-9a-f]{2}:){31}[0-9a-f]{2}$/i
/** What a slave may say of its coordinator: a name or an address of version 4. */
const HOSTNAME = /^[a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?$/i

/** @throws TypeError naming the option that cannot be used. What would silently protect nothing is refused as well. */
export function checkEndpoint({ url: text, socketPath, ca, fingerprint256 }: XenApiEndpoint): CheckedEndpoint {
  if (!URL.canParse(text)) throw new TypeError(`url: ${JSON.stringify(text)} is no URL`)
  const url = new URL('/jsonrpc', text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`url: only http: and https: are supported, not ${url.protocol}`)
  }
  if (url.username !== '' || url.password !== '') throw new TypeError('url: user and password are options of their own')
  if (socketPath === '') throw new TypeError('socketPath: is empty')
  if (url.protocol === 'http:' && ca !== undefined) throw new TypeError('ca: an http: URL has no certificate to check')
  if (url.protocol === 'http:' && fingerprint256 !== undefined) {
    throw new TypeError('fingerprint256: an http: URL has no certificate to check')
  }
  if (ca !== undefined && fingerprint256 !== undefined) {
    throw new TypeError('ca and fingerprint256: give one of them, a pin alone decides')
  }
  if (ca !== undefined) checkPem(ca)
  return { url, socketPath, ca, pins: fingerprint256 === undefined ? null : checkPins(fingerprint256) }
}

/** The same scheme, port and proofs at the address that a slave names; `null` if it is no address. */
export function endpointAt(endpoint: CheckedEndpoint, address: string): CheckedEndpoint | null {
  if (!isIPv6(address) && !HOSTNAME.test(address)) return null
  const url = new URL(endpoint.url)
  url.hostname = isIPv6(address) ? `[${address}]` : address
  return { ...endpoint, url, socketPath: undefined }
}

const KEPT = { keepAlive: true, maxSockets: 8 }

/** Connections to an endpoint, kept between calls, which check its certificate as its options say. */
export function connectionsTo({ url, socketPath, ca, pins }: CheckedEndpoint): Agent {
  if (socketPath !== undefined || url.protocol === 'http:') return new Agent(KEPT)
  if (pins !== null) return new PinnedAgent(pins, KEPT)
  // Explicit, because the environment can turn Node's default off (NODE_TLS_REJECT_UNAUTHORIZED).
  return new HttpsAgent({ ...KEPT, rejectUnauthorized: true, ...(ca === undefined ? {} : { ca }) })
}

/** Node takes text without any certificate for a CA that signed nothing: every handshake would fail, and nothing say why. */
function checkPem(ca: string): void {
  try {
    new X509Certificate(ca)
  } catch (cause) {
    throw new TypeError('ca: is no certificate in PEM', { cause })
  }
}

function checkPins(fingerprints: string | readonly string[]): ReadonlySet<string> {
  const pins = typeof fingerprints === 'string' ? [fingerprints] : fingerprints
  if (pins.length === 0) throw new TypeError('fingerprint256: no certificate would do')
  for (const pin of pins) {
    if (!FINGERPRINT.test(pin)) {
      throw new TypeError(
        `fingerprint256: ${JSON.stringify(pin)} is not 32 pairs of hex digits with colons between them`,
      )
    }
  }
  return new Set(pins.map(pin => pin.toUpperCase()))
}
