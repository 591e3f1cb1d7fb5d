import { type HttpLimits, HttpServer } from '../platform/http/http-server.ts'
import type { ListenAddress, ListeningAt } from '../platform/http/listen.ts'
import type { Clock } from '../platform/time/clock.ts'
import { CONTENT_TYPE, type Exposition } from './exposition.ts'

export interface MetricsServerOptions {
  readonly parts: readonly Exposition[]
  readonly clock: Clock
  /** Called with errors of this program. */
  readonly onBug: (bug: unknown) => void
  /** How long a rendering is reused for further scrapes. Default 250 ms. */
  readonly reuseForMs?: number
}

const DEFAULT_ADDRESS: ListenAddress = { host: '127.0.0.1', port: 9944 }
const DEFAULT_REUSE_FOR_MS = 250

/** For a few Prometheus servers and an operator with curl. */
const LIMITS: Partial<HttpLimits> = { maxConnections: 16, headersTimeoutMs: 5_000 }

/** Answers `GET /metrics`. Concurrent scrapes share one rendering; at most four renderings run per second. */
export class MetricsServer {
  readonly #options: MetricsServerOptions
  readonly #http: HttpServer
  #rendered: { readonly atMs: number; readonly text: Promise<string> } | null = null

  constructor(options: MetricsServerOptions) {
    this.#options = options
    this.#http = new HttpServer({
      clock: options.clock,
      routes: [
        {
          method: 'GET',
          path: '/metrics',
          answer: async () => ({ status: 200, contentType: CONTENT_TYPE, body: await this.#text() }),
        },
      ],
      onBug: options.onBug,
      limits: LIMITS,
    })
  }

  /** @throws the system's error, such as EADDRINUSE */
  listen(address: ListenAddress = DEFAULT_ADDRESS): Promise<ListeningAt> {
    return this.#http.listen(address)
  }

  /** Stops listening and closes every connection. */
  close(): Promise<void> {
    return this.#http.close()
  }

  #text(): Promise<string> {
    const { clock, reuseForMs = DEFAULT_REUSE_FOR_MS } = this.#options
    const nowMs = clock.steadyNow()
    if (this.#rendered !== null && nowMs - this.#rendered.atMs < reuseForMs) return this.#rendered.text
    const text = this.#render()
    this.#rendered = { atMs: nowMs, text }
    return text
  }

  async #render(): Promise<string> {
    const texts = await Promise.all(this.#options.parts.map(part => part.render()))
    return texts.join('\n')
  }
}
