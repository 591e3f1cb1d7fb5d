import { basename, join } from 'node:path'
import { watch } from 'chokidar'
import { pause } from '../../platform/time/pause.ts'
import {
  CONFIG_FILES,
  CONFIG_FOLDERS,
  type ConfiguredVolumes,
  DEFAULT_REST_MS,
  DrbdConfigReader,
} from './read-config.ts'

export interface DrbdConfigOptions {
  /** The directory that stands for `/`. */
  readonly root: string
  readonly signal: AbortSignal
  readonly pace?: Partial<DrbdConfigPace>
}

/** Milliseconds. */
export interface DrbdConfigPace {
  /** How long a file must have rested: editors empty a file first, and LINSTOR writes many in a row. */
  readonly restMs: number
  /** How often to look even if nothing was told: some file systems tell nothing, and included files are not watched. */
  readonly rereadEveryMs: number
  /** The same while something could not be read, which leaves SRs unknown. */
  readonly doubtedEveryMs: number
  /** How long all files may take to be read; what they name is doubted after that, until they are. */
  readonly readTimeoutMs: number
}

const DEFAULT_PACE: DrbdConfigPace = {
  restMs: DEFAULT_REST_MS,
  rereadEveryMs: 60_000,
  doubtedEveryMs: 5_000,
  readTimeoutMs: 10_000,
}

const HANGING = 'reading the files of its configuration hangs'

/**
 * Tells which volumes are configured: at once, and then whenever that is something else, until `signal` is aborted. A file
 * event is only a hint to read everything again.
 */
export async function* watchDrbdConfig(options: DrbdConfigOptions): AsyncGenerator<ConfiguredVolumes, void> {
  const { root, signal } = options
  const pace = { ...DEFAULT_PACE, ...options.pace }
  const reader = new DrbdConfigReader(root, pace.restMs)
  let wake = new AbortController()
  const hint = () => wake.abort()
  const watched = [...CONFIG_FILES, ...CONFIG_FOLDERS].map(path => join(root, path))
  // By name, without a look at the file: each temporary file would otherwise cost a watch of its own.
  const isOther = (path: string) => !watched.includes(path) && !/\.(?:res|conf)$/.test(basename(path))
  const watcher = watch(watched, { ignoreInitial: true, ignored: isOther })
  watcher.on('all', hint).on('error', hint)
  try {
    let last = ''
    let known: ConfiguredVolumes = { volumes: [], problems: [], doubt: HANGING }
    while (!signal.aborted) {
      wake = new AbortController()
      const reading = reader.read()
      const isLate = await isLaterThan(pace.readTimeoutMs, reading, signal)
      if (signal.aborted) return
      if (isLate) {
        last = HANGING
        yield { ...known, doubt: HANGING }
        await Promise.race([reading, aborted(signal)])
        if (signal.aborted) return
      }
      const configured = await reading
      known = configured
      const told = JSON.stringify(configured)
      if (told !== last) yield configured
      last = told
      const everyMs = configured.doubt === null ? pace.rereadEveryMs : pace.doubtedEveryMs
      if (!reader.isUnsettled) await pause(everyMs, AbortSignal.any([signal, wake.signal]))
      await pause(pace.restMs, signal)
    }
  } finally {
    await watcher.close()
  }
}

/** Whether `work` has not settled after so long; also when `signal` is aborted before. */
async function isLaterThan(ms: number, work: Promise<unknown>, signal: AbortSignal): Promise<boolean> {
  const settled = new AbortController()
  const waiting = AbortSignal.any([signal, settled.signal])
  const isLate = await Promise.race([work.then(() => false), pause(ms, waiting).then(() => true)])
  settled.abort()
  return isLate
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
