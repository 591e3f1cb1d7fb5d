/** The datetime that xapi uses for "never": its Date.epoch. */
export const EPOCH = '19700101T00:00:00Z'

/** Formats Unix time in milliseconds as a XenAPI datetime: `20261122T16:00:00Z`, whole seconds, UTC. */
export function xapiDateTime(atMs: number): string {
  return new Date(atMs).toISOString().replaceAll('-', '').replace(/\.\d+/, '')
}

/** Formats Unix time in milliseconds as host.other_config does: whole seconds, printed as an OCaml float, `1795363200.`. */
export function xapiEpochSeconds(atMs: number): string {
  return `${Math.floor(atMs / 1000)}.`
}
