import { isDeepStrictEqual } from 'node:util'
import { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { ProcessPool } from '../../platform/file-reader/process-pool.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { ConfiguredArrays } from './parse-md-config.ts'
import { readMdConfig } from './read-md-config.ts'

export interface MdConfigWatchOptions {
  /** The directory that stands for `/`. */
  readonly root: string
  readonly clock: Clock
  /** Ends the watch. */
  readonly signal: AbortSignal
  /** The processes that read files; absent: one of its own. */
  readonly pool?: ProcessPool
  readonly pace?: Partial<MdConfigPace>
}

/** Milliseconds. */
interface MdConfigPace {
  readonly rereadEveryMs: number
  /** A difference is told when it is still there after so long. */
  readonly settleMs: number
  /** How long the files may take to be read. */
  readonly readTimeoutMs: number
}

/** So few files are cheaper to read than to have watched, and read they are right after any kind of change. */
const DEFAULT_PACE: MdConfigPace = { rereadEveryMs: 8_000, settleMs: 1_000, readTimeoutMs: 4_000 }

/**
 * Tells which arrays are configured: at once, and then whenever that is different. `mdadm --detail --scan >mdadm.conf` empties
 * the file before it writes it, so what was read is told when a second reading finds the same; and while a file cannot be
 * read, nothing is taken back, and that it cannot be is told at once. An array must not go unmissed for either.
 */
export async function* watchMdConfig(options: MdConfigWatchOptions): AsyncGenerator<ConfiguredArrays, void> {
  const { root, clock, signal } = options
  const pace = { ...DEFAULT_PACE, ...options.pace }
  const files = new FileReader({
    clock,
    timeoutMs: pace.readTimeoutMs,
    retryAfterMs: pace.rereadEveryMs,
    signal,
    pool: options.pool,
  })
  let told = await readMdConfig(root, files)
  if (signal.aborted) return
  yield told
  for (;;) {
    await sleep(clock, pace.rereadEveryMs, signal)
    const seen = keepUnread(told, await readMdConfig(root, files))
    if (signal.aborted) return
    if (isDeepStrictEqual(seen, told)) continue
    if (seen.doubt === null) {
      await sleep(clock, pace.settleMs, signal)
      const again = keepUnread(told, await readMdConfig(root, files))
      if (signal.aborted) return
      if (!isDeepStrictEqual(again, seen)) continue
    }
    told = seen
    yield told
  }
}

/** What was read, with the arrays that were told before if it may lack some. */
function keepUnread(told: ConfiguredArrays, read: ConfiguredArrays): ConfiguredArrays {
  if (read.doubt === null) return read
  return {
    ...read,
    arrays: [...read.arrays, ...lackingIn(read.arrays, told.arrays)],
    incomparable: [...read.incomparable, ...lackingIn(read.incomparable, told.incomparable)],
  }
}

function lackingIn<Item>(items: readonly Item[], wanted: readonly Item[]): Item[] {
  return wanted.filter(each => !items.some(item => isDeepStrictEqual(item, each)))
}
