import { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { ProcessPool } from '../../platform/file-reader/process-pool.ts'
import { RestartBackoff } from '../../platform/time/backoff.ts'
import { machineClock } from '../../platform/time/clock.ts'
import { pause } from '../../platform/time/pause.ts'
import { Strays } from '../events2/strays.ts'
import { findDrbdModule } from './drbd-module.ts'
import type { DrbdView } from './drbd-view.ts'
import type { DrbdsetupCommand } from './drbdsetup-child.ts'
import { Events2Run } from './events2-run.ts'
import { DEFAULT_PACE, type DrbdSourcePace } from './pace.ts'
import { type DrbdUpdate, Untold } from './untold.ts'

export type { DrbdUpdate } from './untold.ts'

export interface DrbdSourceOptions {
  readonly drbdsetup: DrbdsetupCommand
  /** The directory that stands for `/`. */
  readonly root: string
  readonly now: () => number
  /** Ends the source, and its children with it. */
  readonly signal: AbortSignal
  /** The processes that read files; absent: one of its own. */
  readonly pool?: ProcessPool
  readonly pace?: Partial<DrbdSourcePace>
  /** Shows what this source knows, for as long as it lives. */
  readonly view?: DrbdView
}

/** A child that lived this long was well: the next failure is a new one. */
const HEALTHY_AFTER_MS = 30_000

/**
 * Follows DRBD on this host through `drbdsetup events2`, for as long as `signal` lets it.
 *
 * Any end of the stream, however polite (a slow reader: exit 20; a module unloaded: exit 0 or 121), means that nothing
 * is known: a doubt is told at once, and lifted only when a whole dump was read again. Without the module the kernel has
 * no volumes, and nothing is asked: asking would load it.
 *
 * The stream is read whether the consumer keeps up or not: what it does not take in time is told as one update. When the
 * generator has ended, no child is left but one that the kernel does not let go. While a call of `next` waits only `signal` ends it.
 */
export async function* followDrbd(options: DrbdSourceOptions): AsyncGenerator<DrbdUpdate, void> {
  const untold = new Untold(options.now)
  const left = new AbortController()
  const signal = AbortSignal.any([options.signal, left.signal])
  const detach = options.view?.attach(mirror => untold.volume(mirror))
  const following = keepFollowing({ ...options, signal }, untold).finally(() => untold.end())
  // Awaited below; until then nobody listens.
  following.catch(() => undefined)
  try {
    for (let update = await untold.next(); update !== null; update = await untold.next()) yield update
  } finally {
    detach?.()
    left.abort()
    await following
  }
}

async function keepFollowing(options: DrbdSourceOptions, untold: Untold): Promise<void> {
  const { drbdsetup, root, signal } = options
  const pace = { ...DEFAULT_PACE, ...options.pace }
  const refused = new Set<string>()
  const strays = new Strays()
  const files = new FileReader({
    clock: machineClock,
    timeoutMs: pace.readTimeoutMs,
    retryAfterMs: pace.readRetryMs,
    signal,
    pool: options.pool,
  })
  const restarts = new RestartBackoff(pace, HEALTHY_AFTER_MS)
  while (!signal.aborted) {
    const module = await findDrbdModule(root, files)
    if (module === null) {
      untold.whole(null)
      await pause(pace.moduleEveryMs, signal)
      continue
    }
    await strays.room(signal)
    if (signal.aborted) return
    const startedAt = performance.now()
    const run = new Events2Run({ drbdsetup, module, root, files, signal, pace, untold, strays, refused })
    await run.ended
    await pause(restarts.delayMs(performance.now() - startedAt), signal)
  }
}
