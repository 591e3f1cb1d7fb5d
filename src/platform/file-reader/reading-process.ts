import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { serveReads } from './serve-reads.ts'

/** One read: a file with a limit in bytes, or with the limit -1 the names in a directory. */
export type ReadStep = readonly [path: string, limit: number]

/** The result of a step: the text, the names, or the code of the error (`EFBIG`: larger than the limit). */
export type ReadResult = { readonly text: string } | { readonly names: readonly string[] } | { readonly code: string }

interface Job {
  readonly steps: readonly ReadStep[]
  readonly results: ReadResult[]
  readonly settle: () => void
}

/** The process needs little memory. */
const FLAGS = ['--max-old-space-size=32', '--max-semi-space-size=1', '--no-warnings']

/**
 * A child process that reads files. It hangs while a read hangs in the kernel. Unlike a thread it can be abandoned, and does not prevent
 * this process from ending.
 */
export class ReadingProcess {
  /** Resolves when the process has ended for any reason. */
  readonly gone: Promise<void>
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #ready = Promise.withResolvers<void>()
  #rest = ''
  #job: Job | null = null
  #isGone = false

  constructor() {
    const { NODE_OPTIONS: _, NODE_COMPILE_CACHE: __, ...env } = process.env
    this.#child = spawn(process.execPath, [...FLAGS, '-e', `(${serveReads.toString()})()`], {
      cwd: '/',
      env,
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    this.gone = new Promise(resolve => {
      const end = () => {
        this.#isGone = true
        this.#ready.resolve()
        this.#job?.settle()
        resolve()
      }
      this.#child.once('exit', end).once('error', end)
    })
    this.#child.stdin.on('error', () => undefined)
    this.#child.stdout.setEncoding('utf8')
    this.#child.stdout.on('data', (text: string) => this.#take(text))
  }

  get isGone(): boolean {
    return this.#isGone
  }

  /** Resolves when the process has started or ended. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** The results of the present job so far. */
  get results(): readonly ReadResult[] {
    return this.#job?.results ?? []
  }

  /** Runs the steps one after the other; one job at a time. @returns fewer results than steps if the process ended meanwhile */
  read(steps: readonly ReadStep[]): Promise<readonly ReadResult[]> {
    const results: ReadResult[] = []
    if (this.#isGone || steps.length === 0) return Promise.resolve(results)
    return new Promise(resolve => {
      const settle = () => {
        this.#job = null
        resolve(results)
      }
      this.#job = { steps, results, settle }
      this.#child.stdin.write(`${JSON.stringify(steps)}\n`)
    })
  }

  /** Kills the process. A process that hangs in the kernel ends later; it is not waited for. */
  end(): void {
    this.#child.kill('SIGKILL')
    this.#child.stdin.destroy()
    this.#child.stdout.destroy()
    this.#child.unref()
  }

  #take(text: string): void {
    const lines = `${this.#rest}${text}`.split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      const message: unknown = JSON.parse(line)
      if (message === 'ready') this.#ready.resolve()
      else this.#add(message)
    }
  }

  #add(message: unknown): void {
    const job = this.#job
    if (job === null || !Array.isArray(message)) return
    const [value, code]: unknown[] = message
    if (typeof value === 'string') job.results.push({ text: value })
    else if (Array.isArray(value)) job.results.push({ names: value.map(String) })
    else job.results.push({ code: String(code) })
    if (job.results.length === job.steps.length) job.settle()
  }
}
