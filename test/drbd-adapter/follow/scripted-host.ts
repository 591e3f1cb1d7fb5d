import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { followDrbd } from '../../../src/drbd-adapter/follow/follow-drbd.ts'
import type { DrbdSourcePace } from '../../../src/drbd-adapter/follow/pace.ts'
import type { DrbdUpdate } from '../../../src/drbd-adapter/follow/pending-update.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'

/** What scripted-drbdsetup.ts does, one after the other. At the end of its steps it exits 0. */
export type Step =
  | { readonly print: string }
  /** Prints what the file holds at that moment. */
  | { readonly file: string }
  | { readonly repeat: string; readonly times: number }
  | { readonly complain: string }
  /** Waits until a file of this name appears in the folder. */
  | { readonly await: string }
  /** Leaves a file of this name in the folder, one byte longer each time. */
  | { readonly mark: string }
  | { readonly exit: number }
  | { readonly die: NodeJS.Signals }
  /** `deaf`: does not take SIGTERM either; `after` is printed when that is so. */
  | { readonly hang: true | 'deaf'; readonly after?: string }

export interface Script {
  /** The answer to `events2`. */
  readonly events: readonly Step[]
  /** The answer to `events2 --now`. */
  readonly now: readonly Step[]
}

const TOOL = join(import.meta.dirname, 'scripted-drbdsetup.ts')
/** Without the test runner's own preparations, and compiled once for all starts. */
const QUICKLY = ['-u', 'NODE_OPTIONS', `NODE_COMPILE_CACHE=${join(import.meta.dirname, '../../../.tap/compile-cache')}`]

const FIXTURES = join(import.meta.dirname, '../../fixtures')

/** A host with a DRBD module and a drbdsetup that does as it is told. */
export class ScriptedHost {
  readonly root: string
  readonly drbdsetup: readonly [string, ...string[]]

  constructor(root: string, script: Script, version: '8.4.11' | '9.2.18' = '9.2.18') {
    this.root = root
    this.drbdsetup = ['env', ...QUICKLY, process.execPath, TOOL, root]
    this.loadModule(version)
    this.play(script)
  }

  loadModule(version: '8.4.11' | '9.2.18' = '9.2.18'): void {
    mkdirSync(join(this.root, 'sys/module/drbd'), { recursive: true })
    this.write('sys/module/drbd/version', `${version}\n`)
  }

  /** What it does from its next start on. */
  play(script: Script): void {
    this.write('script.json', JSON.stringify(script))
  }

  /** At once: no reader sees half of it. */
  write(path: string, text: string): void {
    mkdirSync(join(this.root, path, '..'), { recursive: true })
    writeFileSync(join(this.root, `${path}.new`), text)
    renameSync(join(this.root, `${path}.new`), join(this.root, path))
  }

  has(path: string): boolean {
    return existsSync(join(this.root, path))
  }

  /** How often `{ mark: 'looked' }` was played. */
  get looks(): number {
    return this.has('looked') ? readFileSync(join(this.root, 'looked')).length : 0
  }

  /** Process ids of all starts. */
  get processes(): number[] {
    return this.#starts().map(([pid]) => Number(pid))
  }

  /** What was asked at each start. */
  get questions(): string[] {
    return this.#starts().map(([, ...question]) => question.join(' '))
  }

  /** Children that are still there, be it as zombies. */
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

/** Quick, so that no test waits; what is periodic is as good as never unless a test wants it. */
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

/** Follows until `enough` says so, which is asked after each update and now and then; returns what was told. */
export async function follow(
  { root, drbdsetup }: Pick<ScriptedHost, 'root' | 'drbdsetup'>,
  enough: (told: readonly DrbdUpdate[]) => boolean,
  pace: Partial<DrbdSourcePace> = {},
): Promise<DrbdUpdate[]> {
  const stop = new AbortController()
  const told: DrbdUpdate[] = []
  let isEnough = false
  const ask = () => {
    isEnough ||= enough(told)
    if (isEnough) stop.abort()
  }
  const asking = setInterval(ask, 20)
  const deadline = setTimeout(() => stop.abort(), 30_000)
  const options = { drbdsetup, root, clock: machineClock, signal: stop.signal, pace: { ...PACE, ...pace } }
  for await (const update of followDrbd(options)) {
    told.push(update)
    ask()
  }
  clearInterval(asking)
  clearTimeout(deadline)
  if (!isEnough) throw new Error(`it never came about: ${JSON.stringify(told).slice(0, 1000)}`)
  return told
}

/** The text of a recording. */
export function recording(path: string): string {
  return readFileSync(join(FIXTURES, path), 'utf8')
}

/** The opening dump of a recorded stream, and the lines after it. */
export function dumpOf(stream: string): { readonly dump: string; readonly rest: string } {
  const end = stream.indexOf('\n', stream.indexOf('exists -')) + 1
  return { dump: stream.slice(0, end), rest: stream.slice(end) }
}
