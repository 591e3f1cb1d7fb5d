import { isDeepStrictEqual } from 'node:util'
import { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { ProcessPool } from '../../platform/file-reader/process-pool.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import type { ConfiguredArrays } from './parse-md-config.ts'
import { readMdConfig } from './read-md-config.ts'

export interface MdConfigWatchOptions {
  /** The directory that is used as `/`. */
  readonly root: string
  readonly clock: Clock
  /** Ends the watch. */
  readonly signal: AbortSignal
  /** The processes that read files. Absent: the watch starts its own. */
  readonly pool?: ProcessPool
  readonly pace?: Partial<MdConfigPace>
}

/** Milliseconds. */
interface MdConfigPace {
  readonly rereadEveryMs: number
  /** A change is published if a second reading after this time shows it, too. */
  readonly settleMs: number
  /** Timeout for reading the files. */
  readonly readTimeoutMs: number
}

/** Polling a few files is cheap, and unlike a watch it notices every kind of change. */
const DEFAULT_PACE: MdConfigPace = { rereadEveryMs: 8_000, settleMs: 1_000, readTimeoutMs: 4_000 }

/**
 * Publishes the configured arrays at once, and then whenever they change. No configured array may be lost on the way:
 * `mdadm --detail --scan >mdadm.conf` empties the file before it writes it, so a change counts when a second reading shows it, too. While
 * a file cannot be read, the arrays that were known stay, and the doubt is published at once.
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
  let published = await readMdConfig(root, files)
  if (signal.aborted) return
  yield published
  for (;;) {
    await sleep(clock, pace.rereadEveryMs, signal)
    const seen = keepUnread(published, await readMdConfig(root, files))
    if (signal.aborted) return
    if (isDeepStrictEqual(seen, published)) continue
    if (seen.doubt === null) {
      await sleep(clock, pace.settleMs, signal)
      const again = keepUnread(published, await readMdConfig(root, files))
      if (signal.aborted) return
      if (!isDeepStrictEqual(again, seen)) continue
    }
    published = seen
    yield published
  }
}

/** What was read. If it may be incomplete, the arrays that were published before are kept. */
function keepUnread(published: ConfiguredArrays, read: ConfiguredArrays): ConfiguredArrays {
  if (read.doubt === null) return read
  return {
    ...read,
    arrays: [...read.arrays, ...lackingIn(read.arrays, published.arrays)],
    incomparable: [...read.incomparable, ...lackingIn(read.incomparable, published.incomparable)],
  }
}

function lackingIn<Item>(items: readonly Item[], wanted: readonly Item[]): Item[] {
  return wanted.filter(each => !items.some(item => isDeepStrictEqual(item, each)))
}
