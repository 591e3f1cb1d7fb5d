import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { followDrbd } from '../../../src/drbd-adapter/follow/follow-drbd.ts'
import type { DrbdSourcePace } from '../../../src/drbd-adapter/follow/pace.ts'
import type { DrbdUpdate } from '../../../src/drbd-adapter/follow/pending-update.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'

/** The steps of scripted-drbdsetup.ts. After the last one it exits 0. */
export type Step =
  | { readonly print: string }
  /** Prints the current content of the file. */
  | { readonly file: string }
  | { readonly repeat: string; readonly times: number }
  | { readonly complain: string }
  /** Waits until a file of this name appears in the folder. */
  | { readonly await: string }
  /** Appends one byte to a file of this name in the folder. */
  | { readonly mark: string }
  | { readonly exit: number }
  | { readonly die: NodeJS.Signals }
  /** `deaf`: ignores SIGTERM too; `after` is printed once it does. */
  | { readonly hang: true | 'deaf'; readonly after?: string }

export interface Script {
  /** For `events2`. */
  readonly events: readonly Step[]
  /** For `events2 --now`. */
  readonly now: readonly Step[]
}

const TOOL = join(import.meta.dirname, 'scripted-drbdsetup.ts')
/** Starts fast: without the test runner's hooks, and with a compile cache. */
const FAST_START = [
  '-u',
  'NODE_OPTIONS',
  `NODE_COMPILE_CACHE=${join(import.meta.dirname, '../../../.tap/compile-cache')}`,
]

const FIXTURES = join(import.meta.dirname, '../../fixtures')

/** A host with a DRBD module and a simulated drbdsetup that runs a script. */
export class ScriptedHost {
  readonly root: string
  readonly drbdsetup: readonly [string, ...string[]]

  constructor(root: string, script: Script, version: '8.4.11' | '9.2.18' = '9.2.18') {
    this.root = root
    this.drbdsetup = ['env', ...FAST_START, process.execPath, TOOL, root]
    this.loadModule(version)
    this.play(script)
  }

  loadModule(version: '8.4.11' | '9.2.18' = '9.2.18'): void {
    mkdirSync(join(this.root, 'sys/module/drbd'), { recursive: true })
    this.write('sys/module/drbd/version', `${version}\n`)
  }

  /** Sets the script of the next starts. */
  play(script: Script): void {
    this.write('script.json', JSON.stringify(script))
  }

  /** Writes atomically. */
  write(path: string, text: string): void {
    mkdirSync(join(this.root, path, '..'), { recursive: true })
    writeFileSync(join(this.root, `${path}.new`), text)
    renameSync(join(this.root, `${path}.new`), join(this.root, path))
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path))
  }

  /** Number of `{ mark: 'dumped' }` steps that ran. */
  get dumpsRead(): number {
    return this.has('dumped') ? readFileSync(join(this.root, 'dumped')).length : 0
  }

  /** Process ids of all starts. */
  get processes(): number[] {
    return this.#starts().map(([pid]) => Number(pid))
  }

  /** The arguments of each start. */
  get commands(): string[] {
    return this.#starts().map(([, ...command]) => command.join(' '))
  }

  /** Children that still exist, including zombies. */
  get living(): string[] {
    return this.#starts().flatMap(([pid = '']) => {
      try {
        return [readFileSync(`/proc/${pid}/stat`, 'utf8')]
      } catch {
        return []
      }
    })
  }

  isLiving(pid: number): boolean {
    return existsSync(`/proc/${pid}`)
  }

  #starts(): string[][] {
    try {
      const lines = readFileSync(join(this.root, 'starts.txt'), 'utf8').trimEnd().split('\n')
      return lines.map(line => line.split(' '))
    } catch {
      return []
    }
  }
}

/** Short delays; periodic actions are disabled unless a test sets them. */
export const PACE = {
  moduleEveryMs: 5,
  unloadedEveryMs: 5,
  firstRetryMs: 5,
  lastRetryMs: 20,
  progressEveryMs: 3_600_000,
  awayEveryMs: 3_600_000,
  confirmEveryMs: 3_600_000,
  checkTimeoutMs: 20_000,
  verifyEveryMs: 3_600_000,
  verifyEveryMsPerMirror: 0,
  confirmAfterMs: 20,
}

/** Follows until `enough` returns true, which is called after each update and every 20 ms. Returns the updates. */
export async function follow(
  { root, drbdsetup }: Pick<ScriptedHost, 'root' | 'drbdsetup'>,
  enough: (updates: readonly DrbdUpdate[]) => boolean,
  pace: Partial<DrbdSourcePace> = {},
): Promise<DrbdUpdate[]> {
  const stop = new AbortController()
  const updates: DrbdUpdate[] = []
  let isEnough = false
  const check = () => {
    isEnough ||= enough(updates)
    if (isEnough) stop.abort()
  }
  const checking = setInterval(check, 20)
  const deadline = setTimeout(() => stop.abort(), 30_000)
  const options = { drbdsetup, root, clock: machineClock, signal: stop.signal, pace: { ...PACE, ...pace } }
  for await (const update of followDrbd(options)) {
    updates.push(update)
    check()
  }
  clearInterval(checking)
  clearTimeout(deadline)
  if (!isEnough) throw new Error(`the expected updates did not come: ${JSON.stringify(updates).slice(0, 1000)}`)
  return updates
}

/** Reads a recording. */
export function recording(path: string): string {
  return readFileSync(join(FIXTURES, path), 'utf8')
}

/** Splits a recorded stream into its initial dump and the lines after it. */
export function dumpOf(stream: string): { readonly dump: string; readonly rest: string } {
  const end = stream.indexOf('\n', stream.indexOf('exists -')) + 1
  return { dump: stream.slice(0, end), rest: stream.slice(end) }
}
