import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { serveReads } from './serve-reads.ts'

/** One thing to read: a file of at most so many bytes, or with -1 the names in a directory. */
export type ReadStep = readonly [path: string, limit: number]

/** What came of a step: the text, the names, or the code of the error (`EFBIG`: it is larger than the limit). */
export type ReadResult = { readonly text: string } | { readonly names: readonly string[] } | { readonly code: string }

interface Job {
  readonly steps: readonly ReadStep[]
  readonly results: ReadResult[]
  readonly settle: () => void
}

/** The least that it needs: the heap of this process is no example. */
const FLAGS = ['--max-old-space-size=32', '--max-semi-space-size=1', '--no-warnings']

/**
 * A process that reads files. While a read hangs in the kernel it hangs with it, and this process goes on: unlike a thread, it
 * can be left behind, and does not keep this process from ending.
 */
export class ReadingProcess {
  /** Settles when it is gone, whatever ended it. */
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

  /** Settles when it has started, or is gone. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** What of the present job was read so far. */
  get results(): readonly ReadResult[] {
    return this.#job?.results ?? []
  }

  /** Reads one thing after the other; one job at a time. @returns fewer results than steps where it has ended on the way */
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

  /** Ends it. One that waits in the kernel ends when the kernel lets it, and nobody waits for it. */
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
      const said: unknown = JSON.parse(line)
      if (said === 'ready') this.#ready.resolve()
      else this.#add(said)
    }
  }

  #add(said: unknown): void {
    const job = this.#job
    if (job === null || !Array.isArray(said)) return
    const [value, code]: unknown[] = said
    if (typeof value === 'string') job.results.push({ text: value })
    else if (Array.isArray(value)) job.results.push({ names: value.map(String) })
    else job.results.push({ code: String(code) })
    if (job.results.length === job.steps.length) job.settle()
  }
}
