/** A part of the answer to a scrape. No other part has the same metrics. */
export interface Exposition {
  /** Renders Prometheus' text format, version 0.0.4. */
  render(): Promise<string>
}

export const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'
