import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const PROGRAM = join(import.meta.dirname, '../../../bin/resync-monitor.js')
const DEADLINE_MS = 30_000

/** Waits until `condition` returns something other than `null`, `undefined` or `false`. Throws when that takes too long. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
): Promise<Exclude<T, null | undefined | false>> {
  const deadline = Date.now() + DEADLINE_MS
  for (;;) {
    const value = await condition()
    if (value !== null && value !== undefined && value !== false) return value as Exclude<T, null | undefined | false>
    if (Date.now() > deadline) throw new Error(`not within ${DEADLINE_MS} ms: ${what}`)
    await sleep(10)
  }
}

interface TearsDown {
  teardown(end: () => unknown): void
}

/** A daemon of this program as a process of its own. */
export class DaemonProcess {
  readonly #child: ChildProcess
  #stderr = ''

  constructor(t: TearsDown, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [PROGRAM, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...asUsersHaveIt(process.env), ...env },
    })
    this.#child.stderr?.on('data', chunk => {
      this.#stderr += chunk
    })
    t.teardown(() => this.end('SIGKILL'))
  }

  /** What it has logged so far. */
  get log(): string {
    return this.#stderr
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Ends it and returns its exit code or the signal. */
  async end(signal: NodeJS.Signals): Promise<number | string | null> {
    if (!this.hasEnded) {
      this.#child.kill(signal)
      await once(this.#child, 'close')
    }
    return this.#child.exitCode ?? this.#child.signalCode
  }

  /** Waits until it ends by itself. */
  async ended(): Promise<number | string | null> {
    if (!this.hasEnded) await once(this.#child, 'close')
    return this.#child.exitCode ?? this.#child.signalCode
  }

  /** Process ids of what it has started. */
  children(): number[] {
    const tasks = `/proc/${this.#child.pid}/task`
    if (!existsSync(tasks)) return []
    return readdirSync(tasks).flatMap(task =>
      readFileSync(join(tasks, task, 'children'), 'utf8')
        .trim()
        .split(/\s+/)
        .filter(Boolean)
        .map(Number),
    )
  }
}

/**
 * Without what the test runner puts into its children: its own listeners for signals would hide how the program deals with
 * them.
 */
function asUsersHaveIt(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const entries = Object.entries(env)
  return Object.fromEntries(entries.filter(([name]) => !/^(NODE_OPTIONS|NODE_V8_COVERAGE|_?TAP.*)$/.test(name)))
}
