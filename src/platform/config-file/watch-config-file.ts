import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { watch } from 'chokidar'
import type { ZodType, z } from 'zod'
import { type Clock, sleep } from '../time/clock.ts'
import type { ParsedConfigFile } from './parse-config-file.ts'
import { readConfigFile } from './read-config-file.ts'

/** Milliseconds. */
export interface WatchPace {
  /** A file that is written in several steps counts as complete when it has not changed for this long. */
  readonly settleMs: number
  /** Interval of reads without a file event. */
  readonly rereadEveryMs: number
}

const DEFAULT_PACE: WatchPace = { settleMs: 100, rereadEveryMs: 60_000 }

/**
 * Yields the parsed file each time that it has changed, until `signal` aborts. A file event is only a hint to read again: editors replace
 * files, and some file systems have no events.
 * @param known the result of the last read: a change between that and the beginning of the watch counts, too
 */
export async function* watchConfigFile<Schema extends ZodType>(
  file: string,
  schema: Schema,
  known: ParsedConfigFile<z.output<Schema>>,
  signal: AbortSignal,
  clock: Clock,
  pace: WatchPace = DEFAULT_PACE,
): AsyncGenerator<ParsedConfigFile<z.output<Schema>>, void> {
  const folder = dirname(file)
  let wake = new AbortController()
  const hint = () => wake.abort()
  // Watch the folder, because a replaced file is another file. Other files in it are ignored.
  const watcher = watch(folder, {
    ignoreInitial: true,
    ignored: (path: string) => path !== folder && basename(path) !== basename(file),
  })
  // `ready`: there may be no event for a change before it.
  watcher.on('all', hint).on('error', hint).on('ready', hint)
  try {
    let last = JSON.stringify(known)
    for (;;) {
      await sleep(clock, pace.rereadEveryMs, AbortSignal.any([signal, wake.signal]))
      wake = new AbortController()
      const parsed = await readWhenSettled(file, schema, pace.settleMs, signal, clock)
      if (parsed === null) return
      const now = JSON.stringify(parsed)
      if (now !== last) yield parsed
      last = now
    }
  } finally {
    await watcher.close()
  }
}

/** Reads the file when it is not being written: a part of a configuration may be a valid configuration, too. `null`: aborted. */
async function readWhenSettled<Schema extends ZodType>(
  file: string,
  schema: Schema,
  settleMs: number,
  signal: AbortSignal,
  clock: Clock,
): Promise<ParsedConfigFile<z.output<Schema>> | null> {
  let before = await stampOf(file)
  for (;;) {
    await sleep(clock, settleMs, signal)
    if (signal.aborted) return null
    const parsed = await readConfigFile(file, schema)
    const now = await stampOf(file)
    if (now === before) return parsed
    before = now
  }
}

async function stampOf(file: string): Promise<string> {
  const { size, mtimeNs, ino } = await stat(file, { bigint: true }).catch(() => ({ size: 0, mtimeNs: 0, ino: 0 }))
  return `${size} ${mtimeNs} ${ino}`
}
