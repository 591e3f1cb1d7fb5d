import { stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { watch } from 'chokidar'
import type { ZodType, z } from 'zod'
import { type Clock, sleep } from '../time/clock.ts'
import type { ParsedConfigFile } from './parse-config-file.ts'
import { readConfigFile } from './read-config-file.ts'

/** Milliseconds. */
export interface WatchPace {
  /** Who writes a file in several steps is not done before it has rested for so long. */
  readonly settleMs: number
  /** How often to look even if nothing was told. */
  readonly rereadEveryMs: number
}

const DEFAULT_PACE: WatchPace = { settleMs: 100, rereadEveryMs: 60_000 }

/**
 * Tells of the file each time that it is different from before, until `signal` is aborted.
 * A file event is only a hint to read again: editors replace files, and some file systems tell nothing.
 * @param known what was read before: a change between that and the beginning of the watch is one, too
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
  // The folder, not the file: one that is replaced is another file. Nothing else in it is looked at.
  const watcher = watch(folder, {
    ignoreInitial: true,
    ignored: (path: string) => path !== folder && basename(path) !== basename(file),
  })
  // `ready`: what happens before it may not be told.
  watcher.on('all', hint).on('error', hint).on('ready', hint)
  try {
    let last = JSON.stringify(known)
    for (;;) {
      await sleep(clock, pace.rereadEveryMs, AbortSignal.any([signal, wake.signal]))
      wake = new AbortController()
      const parsed = await readAtRest(file, schema, pace.settleMs, signal, clock)
      if (parsed === null) return
      const now = JSON.stringify(parsed)
      if (now !== last) yield parsed
      last = now
    }
  } finally {
    await watcher.close()
  }
}

/** Reads a file that nobody writes at: half of one may be a configuration too, and another one. `null`: aborted. */
async function readAtRest<Schema extends ZodType>(
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
