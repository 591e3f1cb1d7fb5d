import type { Guest } from './guest.ts'

const SCRIPTS = '/opt/resync-monitor/plugin/volume/org.xen.xapi.storage.resync-monitor'

/** Calls a script of the volume plugin in a guest, as a toolstack does. @throws ShellFailure with the script's error */
export async function callStorageScript(
  guest: Guest,
  method: string,
  params: Readonly<Record<string, unknown>>,
): Promise<unknown> {
  return JSON.parse(await guest.sh(`cd /; ${SCRIPTS}/${method} --json <<'END'\n${JSON.stringify(params)}\nEND`))
}

/** The health of an attached SR by SR.stat: `Healthy` or `Recovering`. @throws ShellFailure */
export async function storageHealth(guest: Guest, uri: unknown): Promise<string> {
  const { health } = (await callStorageScript(guest, 'SR.stat', { dbg: 'hil', sr: uri })) as {
    health: [string, string]
  }
  return health[0]
}
