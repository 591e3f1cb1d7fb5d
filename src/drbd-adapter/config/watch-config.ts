import { basename, join } from 'node:path'
import { watch } from 'chokidar'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import {
  CONFIG_FILES,
  CONFIG_FOLDERS,
  type ConfiguredVolumes,
  DEFAULT_SETTLE_MS,
  DrbdConfigReader,
} from './read-config.ts'

export interface DrbdConfigOptions {
  /** The directory that stands for `/`. */
  readonly root: string
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly pace?: Partial<DrbdConfigPace>
}

/** Milliseconds. */
export interface DrbdConfigPace {
  /** Time since its last change after which a file counts as complete: editors truncate a file first, and LINSTOR writes many in a row. */
  readonly settleMs: number
  /** Interval of reads without a file event: some file systems have none, and included files are not watched. */
  readonly rereadEveryMs: number
  /** The same while a file cannot be read, which makes SRs unknown. */
  readonly doubtedEveryMs: number
  /** Timeout of reading all files. After that the configuration is doubted until the read ends. */
  readonly readTimeoutMs: number
}

const DEFAULT_CONFIG_PACE: DrbdConfigPace = {
  settleMs: DEFAULT_SETTLE_MS,
  rereadEveryMs: 60_000,
  doubtedEveryMs: 5_000,
  readTimeoutMs: 10_000,
}

const HANGING = 'reading the DRBD configuration files hangs'

/**
 * Yields the configured volumes at once and after each change, until `signal` aborts. A file event only triggers a read of
 * everything.
 */
export async function* watchDrbdConfig(options: DrbdConfigOptions): AsyncGenerator<ConfiguredVolumes, void> {
  const { root, clock, signal } = options
  const pace = { ...DEFAULT_CONFIG_PACE, ...options.pace }
  const reader = new DrbdConfigReader(root, clock, pace.settleMs)
  let wake = new AbortController()
  const onFileEvent = () => wake.abort()
  const watched = [...CONFIG_FILES, ...CONFIG_FOLDERS].map(path => join(root, path))
  // Ignored by name, without a stat: otherwise each temporary file would need a watch of its own.
  const isOther = (path: string) => !watched.includes(path) && !/\.(?:res|conf)$/.test(basename(path))
  const watcher = watch(watched, { ignoreInitial: true, ignored: isOther })
  watcher.on('all', onFileEvent).on('error', onFileEvent)
  try {
    let lastYielded = ''
    let known: ConfiguredVolumes = { volumes: [], problems: [], doubt: HANGING }
    while (!signal.aborted) {
      wake = new AbortController()
      const reading = reader.read()
      const isLate = await isLaterThan(clock, pace.readTimeoutMs, reading, signal)
      if (signal.aborted) return
      if (isLate) {
        lastYielded = HANGING
        yield { ...known, doubt: HANGING }
        await Promise.race([reading, aborted(signal)])
        if (signal.aborted) return
      }
      const configured = await reading
      known = configured
      const text = JSON.stringify(configured)
      if (text !== lastYielded) yield configured
      lastYielded = text
      const everyMs = configured.doubt === null ? pace.rereadEveryMs : pace.doubtedEveryMs
      if (!reader.isUnsettled) await sleep(clock, everyMs, AbortSignal.any([signal, wake.signal]))
      await sleep(clock, pace.settleMs, signal)
    }
  } finally {
    await watcher.close()
  }
}

/** True if `work` has not settled after `ms`, or if `signal` aborts before that. */
async function isLaterThan(clock: Clock, ms: number, work: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  const settled = new AbortController()
  const waiting = AbortSignal.any([signal, settled.signal])
  const isLate = await Promise.race([work.then(() => false), sleep(clock, ms, waiting).then(() => true)])
  settled.abort()
  return isLate
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
