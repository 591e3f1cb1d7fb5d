import { X509Certificate } from 'node:crypto'
import { Agent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isIPv6 } from 'node:net'
import { PinnedAgent } from './pinned-agent.ts'

/** The address of a toolstack, and how its certificate is checked. */
export interface XenApiEndpoint {
  /**
   * `http://host[:port]` or `https://host[:port]`. With a socket only its scheme and port count, to reach the coordinator if the host
   * behind the socket is not the coordinator.
   */
  readonly url: string
  /** A unix socket with plain HTTP, such as xapi's own (`/var/lib/xcp/xapi`). */
  readonly socketPath?: string
  /** For https: the certificates (PEM) of the authorities that are accepted. Default: the authorities that Node trusts. */
  readonly ca?: string
  /**
   * For https, instead of a CA: the SHA-256 of the toolstack's certificate, as `openssl x509 -fingerprint -sha256` prints it. Each host
   * of a pool has its own certificate, so a client that follows the coordinator needs the fingerprints of all hosts.
   */
  readonly fingerprint256?: string | readonly string[]
}

/** A validated endpoint. */
export interface CheckedEndpoint {
  readonly url: URL
  readonly socketPath: string | undefined
  readonly ca: string | undefined
  /** In the form of Node's `X509Certificate.fingerprint256`; `null`: the signature of a certificate is checked. */
  readonly pins: ReadonlySet<string> | null
}

export const FINGERPRINT = /^([0-9a-f]{2}:){31}[0-9a-f]{2}$/i
/** How a slave names its coordinator: a host name or an IPv4 address. */
const HOSTNAME = /^[a-z0-9]([a-z0-9.-]{0,252}[a-z0-9])?$/i

/** @throws TypeError naming the option that is wrong. An option that would silently protect nothing is wrong too. */
export function checkEndpoint({ url: text, socketPath, ca, fingerprint256 }: XenApiEndpoint): CheckedEndpoint {
  if (!URL.canParse(text)) throw new TypeError(`url: ${JSON.stringify(text)} is not a URL`)
  const url = new URL('/jsonrpc', text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TypeError(`url: only http: and https: are supported, not ${url.protocol}`)
  }
  if (url.username !== '' || url.password !== '') throw new TypeError('url: use the options user and password')
  if (socketPath === '') throw new TypeError('socketPath: is empty')
  if (url.protocol === 'http:' && ca !== undefined) throw new TypeError('ca: an http: URL has no certificate to check')
  if (url.protocol === 'http:' && fingerprint256 !== undefined) {
    throw new TypeError('fingerprint256: an http: URL has no certificate to check')
  }
  if (ca !== undefined && fingerprint256 !== undefined) {
    throw new TypeError('ca and fingerprint256: use one of them')
  }
  if (ca !== undefined) checkPem(ca)
  return { url, socketPath, ca, pins: fingerprint256 === undefined ? null : checkPins(fingerprint256) }
}

/** The endpoint with the same scheme, port and certificates at another address; `null` if the text is not an address. */
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

/** Node accepts a text without a certificate as a CA that signed nothing. Every handshake would then fail without an explanation. */
function checkPem(ca: string): void {
  try {
    new X509Certificate(ca)
  } catch (cause) {
    throw new TypeError('ca: must be a certificate in PEM', { cause })
  }
}

function checkPins(fingerprints: string | readonly string[]): ReadonlySet<string> {
  const pins = typeof fingerprints === 'string' ? [fingerprints] : fingerprints
  if (pins.length === 0) throw new TypeError('fingerprint256: the list is empty, so no certificate would be accepted')
  for (const pin of pins) {
    if (!FINGERPRINT.test(pin)) {
      throw new TypeError(
        `fingerprint256: ${JSON.stringify(pin)} is not 32 pairs of hex digits with colons between them`,
      )
    }
  }
  return new Set(pins.map(pin => pin.toUpperCase()))
}
