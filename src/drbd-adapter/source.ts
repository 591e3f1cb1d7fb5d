import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import type { DrbdVolume } from '../sync-query/drbd.ts'
import { Events2Reader } from './events2-reader.ts'
import { Events2State } from './events2-state.ts'

/** What a source has learnt since its last update. */
export interface DrbdUpdate {
  /** Milliseconds since 1970, by this host's clock. */
  readonly at: number
  /** Volumes that are new or of which something was said. */
  readonly changed: readonly DrbdVolume[]
  /** Mirrors that are gone from the kernel. */
  readonly removed: readonly string[]
  /** `null`: all volumes there are have been told. Otherwise in a few words why that cannot be claimed. */
  readonly doubt: string | null
}

export interface DrbdSourceOptions {
  /** The command and its first arguments; `events2 …` is added. Usually `['drbdsetup']`. */
  readonly drbdsetup: readonly [command: string, ...args: string[]]
  /** The directory that stands for `/`. */
  readonly root: string
  readonly now: () => number
  /** Ends the source, and the child with it. */
  readonly signal: AbortSignal
  readonly pace?: DrbdSourcePace
}

/** Milliseconds. */
interface DrbdSourcePace {
  /** How long the lines of one kernel event may take to arrive; between them its state is half told. */
  readonly gatherMs: number
  /** How often to look whether the module has been loaded. */
  readonly moduleEveryMs: number
  readonly firstRestartMs: number
  readonly lastRestartMs: number
}

const DEFAULT_PACE: DrbdSourcePace = { gatherMs: 5, moduleEveryMs: 1000, firstRestartMs: 250, lastRestartMs: 10_000 }

/** A child that lived this long was well: the next failure is a new one. */
const HEALTHY_AFTER_MS = 30_000
const KILL_AFTER_MS = 2_000

/**
 * Follows DRBD on this host through `drbdsetup events2`, for as long as `signal` lets it.
 *
 * Any end of the stream, however polite (a slow reader: exit 20; a module unloaded: exit 0 or 121), means that nothing
 * is known: a doubt is told at once, and lifted only when a whole dump was read again. Without the module the kernel has
 * no volumes, and nothing is asked: asking would load it.
 */
export async function* followDrbd(options: DrbdSourceOptions): AsyncGenerator<DrbdUpdate, void> {
  const { root, now, signal, pace = DEFAULT_PACE } = options
  /** What was told so far and must be told as gone when a later dump does not name it. */
  const told = new Set<string>()
  let failures = 0
  while (!signal.aborted) {
    if (!(await isModuleLoaded(root))) {
      yield { at: now(), changed: [], removed: [...told], doubt: null }
      told.clear()
      await pause(pace.moduleEveryMs, signal)
      continue
    }
    const startedAt = now()
    const end = yield* followOnce(options, told, pace)
    if (signal.aborted) return
    yield { at: now(), changed: [], removed: [], doubt: end }
    failures = now() - startedAt >= HEALTHY_AFTER_MS ? 0 : failures + 1
    const delayMs = Math.min(pace.firstRestartMs * 2 ** failures, pace.lastRestartMs)
    await pause(delayMs * (0.5 + Math.random() / 2), signal)
  }
}

/** One child from start to end. Returns how it ended, in a few words. */
async function* followOnce(
  { drbdsetup: [command, ...args], now, signal }: DrbdSourceOptions,
  told: Set<string>,
  pace: DrbdSourcePace,
): AsyncGenerator<DrbdUpdate, string> {
  const child = execa(command, [...args, 'events2', '--timestamps', '--statistics'], {
    buffer: false,
    cancelSignal: signal,
    forceKillAfterDelay: KILL_AFTER_MS,
    reject: false,
    stdin: 'ignore',
    stderr: 'ignore',
  })
  const state = new Events2State()
  let dumped = false
  const reader = new Events2Reader(line => {
    state.apply(line)
    dumped ||= line.kind === 'dump-end'
  })
  let whole = false
  try {
    while (await hasMore(child.stdout, signal)) {
      await pause(pace.gatherMs, signal)
      for (let chunk = child.stdout.read(); chunk !== null; chunk = child.stdout.read()) reader.push(chunk)
      const update = updateOf(state, now(), told)
      if (state.complete && !whole) update.removed.push(...forget(told, state))
      whole = state.complete
      if (update.changed.length > 0 || update.removed.length > 0 || whole) yield update
      // Only another whole dump can tell what the line said that could not be applied.
      if (dumped && state.needsDump) return 'events were lost, everything is read again'
    }
  } finally {
    child.kill()
  }
  const { exitCode, signal: killedBy, code } = await child
  if (code !== undefined && exitCode === undefined && killedBy === undefined) return `${command}: ${code}`
  return killedBy === undefined
    ? `${command} events2 exited ${exitCode}`
    : `${command} events2 was killed by ${killedBy}`
}

function updateOf(state: Events2State, at: number, told: Set<string>) {
  const changed: DrbdVolume[] = []
  const removed: string[] = []
  for (const mirror of state.takeDirty()) {
    const volume = state.volume(mirror)
    if (volume === null) {
      removed.push(mirror)
      told.delete(mirror)
    } else {
      changed.push(volume)
      told.add(mirror)
    }
  }
  return { at, changed, removed, doubt: state.complete ? null : 'not everything has been read yet' }
}

/** Mirrors of an earlier child that a whole dump no longer names. */
function forget(told: Set<string>, state: Events2State): string[] {
  const gone = [...told].filter(mirror => state.volume(mirror) === null)
  for (const mirror of gone) told.delete(mirror)
  return gone
}

/** Waits until the stream has something to read (`true`) or is over. */
async function hasMore(stream: Readable, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    if (signal.aborted || stream.readableEnded || stream.destroyed) return false
    if (stream.readableLength > 0) return true
    const turn = new AbortController()
    const stop = () => turn.abort()
    signal.addEventListener('abort', stop, { once: true })
    try {
      await Promise.race(
        ['readable', 'end', 'close', 'error'].map(event => once(stream, event, { signal: turn.signal })),
      )
    } catch {
      // Aborted: the loop's first line ends it.
    } finally {
      turn.abort()
      signal.removeEventListener('abort', stop)
    }
  }
}

async function isModuleLoaded(root: string): Promise<boolean> {
  try {
    await access(join(root, 'sys/module/drbd'))
    return true
  } catch {
    return false
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await sleep(ms, undefined, { signal })
  } catch {
    // Aborted: the caller looks at the signal.
  }
}
