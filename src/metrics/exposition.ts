/** A part of what a scrape is answered. Its metrics are in no other part. */
export interface Exposition {
  /** Prometheus' text format, version 0.0.4. */
  render(): Promise<string>
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
