import { execFile } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { AgentSocket } from '../../src/agent/agent-socket.ts'
import { type PoolAnswers, PoolRefusal } from '../../src/agent-api/pool-methods.ts'
import { SyncEvents } from '../../src/agent-api/sync-events.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { answersOf, folderOf, plugged, type Tap } from './plugin-under-test.ts'

export const XAPI_PLUGIN = resolve(import.meta.dirname, '../../plugin/xapi-plugins/resync-monitor')
export const SCRIPTS = resolve(import.meta.dirname, '../../plugin/volume/org.xen.xapi.storage.resync-monitor')

const refused = async () => {
  throw new PoolRefusal('noToolstack', 'no toolstack is configured')
}
export const NO_POOL: PoolAnswers = {
  gate: refused,
  canReboot: refused,
  setOverride: refused,
  clearOverride: refused,
  clearOrder: refused,
}

export interface Outcome {
  readonly code: number | string | null | undefined
  readonly stdout: string
  readonly stderr: string
}

/** An agent for the scripts, and the environment with its socket. */
export async function answeringScripts(t: Tap) {
  const folder = folderOf(t)
  const path = join(folder, 'agent.sock')
  const { host, plugin, folder: stateDirectory, files, call } = await plugged(t)
  const socket = new AgentSocket({
    clock: machineClock,
    answers: answersOf(new Map()),
    events: new SyncEvents(),
    onBug: bug => host.bugs.push(bug),
    own: { plugin, pool: NO_POOL },
  })
  await socket.listen({ path })
  t.teardown(() => socket.close())
  const env = { RESYNC_MONITOR_SOCKET: path, RESYNC_MONITOR_STATE_DIRECTORY: stateDirectory }
  return { host, plugin, folder, files, env, call, close: () => socket.close() }
}

/** Runs a script as xapi-storage-script does: `--json`, the arguments on stdin, then end of file. */
export function run(method: string, params: unknown, env: Readonly<Record<string, string>>): Promise<Outcome> {
  return start([join(SCRIPTS, method), '--json'], JSON.stringify(params), env)
}

/** @param input `null`: stdin never ends */
export function start(
  [file = '', ...args]: readonly string[],
  input: string | null,
  env: Readonly<Record<string, string>>,
): Promise<Outcome> {
  return new Promise(done => {
    const options = { env: { PATH: process.env.PATH, ...env } }
    const child = execFile(file, args, options, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : error.code, stdout, stderr }),
    )
    child.stdin?.on('error', () => undefined)
    if (input !== null) child.stdin?.end(input)
  })
}

/** Checks the shape of a failure: one document with all keys that xapi-storage-script requires. */
export function failure(t: Test, { code, stdout }: Outcome): { code: string; params: string[] } {
  const answer = JSON.parse(stdout)
  t.not(code, 0)
  t.strictSame(Object.keys(answer), ['code', 'params', 'backtrace'])
  t.ok(answer.params.every((param: unknown) => typeof param === 'string'))
  t.match(answer.backtrace, { error: String, files: [], lines: [] })
  return answer
}

/** A folder to use as PATH, with the programs that the script needs. */
export function pathWith(t: Tap, programs: Readonly<Record<string, string>>): string {
  const folder = folderOf(t)
  for (const [name, content] of Object.entries(programs)) {
    writeFileSync(join(folder, name), content)
    chmodSync(join(folder, name), 0o755)
  }
  return folder
}
