import { once } from 'node:events'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { until } from './until.ts'

const CONNECT_TIMEOUT_MS = 20_000
/** The driver waits this much longer than the guest, which kills a script that takes too long. */
const GRACE_MS = 20_000

export interface ShellResult {
  /** 137 for a script that was killed because it took too long. */
  readonly code: number
  /** stdout and stderr. */
  readonly output: string
}

/** A script in a guest failed, or the guest went away while it ran. */
export class ShellFailure extends Error {}

/**
 * A root shell in a guest. Scripts and their output go through the share; the serial port only carries the number of the script and
 * its exit code. So scripts may be long, and many may run at once.
 */
export class GuestShell {
  readonly #directory: string
  readonly #waiting = new Map<string, (code: number | null) => void>()
  #socket: Socket | null = null
  #count = 0
  #rest = ''
  #isReady = false

  /** @param share the directory that the guest mounts as /out */
  constructor(share: string) {
    this.#directory = join(share, 'sh')
    mkdirSync(this.#directory, { recursive: true })
  }

  /** The guest reads its serial port. What was sent before is lost. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Connects to qemu's socket for the guest's serial port. @throws NotInTime */
  async open(path: string): Promise<void> {
    this.close()
    const socket = await until(
      `${path} answers`,
      async () => {
        const opened = connect(path)
        await once(opened, 'connect')
        return opened
      },
      CONNECT_TIMEOUT_MS,
    )
    this.#socket = socket
    this.#rest = ''
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#read(text))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      if (this.#socket === socket) this.close()
    })
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = null
    this.#isReady = false
    for (const end of this.#waiting.values()) end(null)
    this.#waiting.clear()
  }

  /** Runs a script of /bin/sh. @throws ShellFailure if the guest is off, boots, goes off, or does not answer */
  async run(script: string, timeoutMs: number): Promise<ShellResult> {
    if (this.#socket === null) throw new ShellFailure('the guest is off')
    // Not awaited, because that would delay a caller that asks several guests.
    if (!this.#isReady) throw new ShellFailure('the guest boots')
    this.#count += 1
    const id = String(this.#count)
    const file = join(this.#directory, id)
    writeFileSync(file, `${script}\n`)
    const { promise, resolve } = Promise.withResolvers<number | null>()
    const timer = setTimeout(() => resolve(null), timeoutMs + GRACE_MS)
    this.#waiting.set(id, resolve)
    this.#socket.write(`${id} ${Math.ceil(timeoutMs / 1000)}\n`)
    const code = await promise
    clearTimeout(timer)
    this.#waiting.delete(id)
    if (code === null) throw new ShellFailure(`the guest has gone or does not answer: ${script}`)
    const output = readFileSync(`${file}.out`, 'utf8')
    rmSync(file)
    rmSync(`${file}.out`)
    return { code, output }
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) {
      if (/^@ready\r?$/.test(line)) this.#isReady = true
      const [, id = '', code] = /^@done (\d+) (\d+)\r?$/.exec(line) ?? []
      this.#waiting.get(id)?.(Number(code))
    }
  }
}
