import { execFileSync } from 'node:child_process'
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Test } from 'tap'
import { followMd, type MdSourceOptions, type MdUpdate } from '../../../src/mdraid-adapter/follow/follow-md.ts'
import { foregroundClock } from '../../../src/platform/time/clock.ts'
import type { MdArray } from '../../../src/sync-query/judge/md.ts'
import { judged, type Recorded } from '../parse/recorded.ts'

/** A directory like the `/` of a host, whose files change while they are read. */
export class MdHost {
  readonly root: string
  readonly #releases: (() => void)[] = []

  /** @param moment the first state of the kernel; absent: the md module is not loaded */
  constructor(t: Test, moment?: Recorded) {
    // Not tap's testdir: that is removed while reads in it may still hang.
    this.root = mkdtempSync(join(tmpdir(), 'md-host-'))
    for (const folder of ['proc', 'sys/block/sda']) mkdirSync(this.path(folder), { recursive: true })
    t.teardown(() => {
      for (const release of this.#releases) release()
      // Retries, because a process that is still ending may create a file.
      rmSync(this.root, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 })
    })
    if (moment !== undefined) this.show(moment)
  }

  path(path: string): string {
    return join(this.root, path)
  }

  /** Replaces the text of a file atomically, as the kernel does. */
  write(path: string, text: string): void {
    const file = this.path(path)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(`${this.root}/new`, text)
    renameSync(`${this.root}/new`, file)
  }

  /** A file of an array in sysfs. */
  writeSys(path: string, text: string): void {
    this.write(`sys/block/${path}`, text)
  }

  remove(path: string): void {
    rmSync(this.path(path), { recursive: true, force: true })
  }

  /** Replaces /proc/mdstat and sysfs by those of a recorded moment. */
  show({ mdstat, files }: Recorded): void {
    if (mdstat === undefined) this.remove('proc/mdstat')
    else this.write('proc/mdstat', mdstat)
    const names = new Set(Object.keys(files).map(path => path.split('/')[0] ?? ''))
    for (const old of readdirSync(this.path('sys/block'))) if (!names.has(old)) this.remove(`sys/block/${old}`)
    for (const name of names) {
      const folder = `sys/block/${name}/md`
      mkdirSync(this.path(folder), { recursive: true })
      for (const old of readdirSync(this.path(folder))) {
        if (!Object.keys(files).some(path => path.startsWith(`${name}/md/${old}`))) this.remove(`${folder}/${old}`)
      }
    }
    for (const [path, text = ''] of Object.entries(files)) this.writeSys(path, text)
  }

  /** Makes reads of a file hang until the returned function replaces it by `text`. */
  hang(path: string): (text: string) => void {
    const file = this.path(path)
    rmSync(file, { force: true })
    execFileSync('/bin/sh', ['-c', 'mkfifo "$0"', file])
    let hanging = true
    const release = (text: string) => {
      if (!hanging) return
      hanging = false
      // Opening a pipe for both never blocks. A reader that waits to open it continues, and reads the end when it is closed.
      const pipe = openSync(file, constants.O_RDWR | constants.O_NONBLOCK)
      this.write(path, text)
      closeSync(pipe)
    }
    this.#releases.push(() => release(''))
    return release
  }

  /** A shell script that replaces mdadm. `$HERE` is its folder. */
  mdadm(script: string): readonly [string, string] {
    this.write('mdadm.sh', `HERE=${this.root}\n${script}\n`)
    return ['/bin/sh', this.path('mdadm.sh')]
  }
}

/** A followed source with its updates. */
export class Followed {
  readonly updates: MdUpdate[] = []
  /** Number of complete readings. */
  readings = 0
  readonly #arrays = new Map<string, MdArray>()
  readonly #stop = new AbortController()
  readonly #ended: Promise<void>

  constructor(t: Test, options: Omit<MdSourceOptions, 'clock' | 'signal'>) {
    const now = () => {
      this.readings += 1
      return this.readings
    }
    const pace = { busyEveryMs: 5, idleEveryMs: 5, absentEveryMs: 5, wholeEveryMs: 5, restMs: 1, ...options.pace }
    this.#ended = this.#follow(
      followMd({ ...options, pace, clock: { ...foregroundClock, now }, signal: this.#stop.signal }),
    )
    t.teardown(() => this.stop())
  }

  /** The last published judgement of each array, in a few words. */
  get judged(): readonly string[] {
    const arrays = [...this.#arrays.values()].sort((a, b) => a.name.localeCompare(b.name))
    return judged({ arrays, problems: [], understood: true })
  }

  get doubt(): string | null | undefined {
    return this.updates.at(-1)?.doubt
  }

  get problems(): readonly string[] {
    return this.updates.flatMap(({ problems }) => problems.map(({ device, code }) => `${device} ${code}`))
  }

  async until(isSo: (followed: this) => boolean): Promise<void> {
    await until(
      () => isSo(this),
      () => `${isSo}: ${JSON.stringify({ judged: this.judged, doubt: this.doubt, problems: this.problems })}`,
    )
  }

  /** Waits for `times` more complete readings, so that every change is published. */
  async untilReadAgain(times = 3): Promise<void> {
    const enough = this.readings + times
    await this.until(({ readings }) => readings >= enough)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  async #follow(source: AsyncIterable<MdUpdate>): Promise<void> {
    for await (const update of source) {
      for (const name of update.removed) this.#arrays.delete(name)
      for (const array of update.changed) this.#arrays.set(array.name, array)
      this.updates.push(update)
    }
  }
}

const DEADLINE_MS = 20_000

export async function until(isSo: () => boolean, what: () => string = isSo.toString): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`timed out waiting for: ${what()}`)
    await sleep(2)
  }
}
