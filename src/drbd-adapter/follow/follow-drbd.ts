import { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { ProcessPool } from '../../platform/file-reader/process-pool.ts'
import { RestartBackoff } from '../../platform/time/backoff.ts'
import { type Clock, sleep } from '../../platform/time/clock.ts'
import { AbandonedProcesses } from './abandoned-processes.ts'
import { findDrbdModule } from './drbd-module.ts'
import type { DrbdView } from './drbd-view.ts'
import type { DrbdsetupCommand } from './drbdsetup-child.ts'
import { Events2Run } from './events2-run.ts'
import { DEFAULT_DRBD_PACE, type DrbdSourcePace } from './pace.ts'
import { type DrbdUpdate, PendingUpdate } from './pending-update.ts'

export interface DrbdSourceOptions {
  readonly drbdsetup: DrbdsetupCommand
  /** The directory that stands for `/`. */
  readonly root: string
  readonly clock: Clock
  /** Ends the source and its children. */
  readonly signal: AbortSignal
  /** The processes that read files; absent: the source has its own. */
  readonly pool?: ProcessPool
  readonly pace?: Partial<DrbdSourcePace>
  /** Shows the current state of this source while it runs. */
  readonly view?: DrbdView
}

/** A child that lived this long was healthy: the next failure starts the back-off anew. */
const HEALTHY_AFTER_MS = 30_000

/**
 * Follows DRBD on this host with `drbdsetup events2` until `signal` aborts:
 *
 *     for await (const { changed, removed, doubt } of followDrbd({
 *       drbdsetup: ['drbdsetup'],
 *       root: '/',
 *       clock: machineClock,
 *       signal: new AbortController().signal,
 *     })) {
 *       for (const volume of changed) show(volume.mirror, judgeDrbdVolume(volume).state)
 *       for (const mirror of removed) show(mirror, 'removed')
 *       if (doubt !== null) show('all mirrors are unknown', doubt)
 *     }
 *
 * Every end of the stream, whatever its exit code (20: the reader was too slow; 0 or 121: the module was unloaded), makes the state
 * unknown: an update with a doubt follows at once, and only a complete dump ends the doubt. Without the module the kernel has no
 * volumes, and drbdsetup is not started because it would load the module.
 *
 * The stream is read however slow the consumer is; changes that the consumer has not taken merge into one update. When the generator
 * has ended no child is left, except one that hangs in the kernel. While a call of `next` waits only `signal` ends it.
 */
export async function* followDrbd(options: DrbdSourceOptions): AsyncGenerator<DrbdUpdate, void> {
  const pending = new PendingUpdate(options.clock)
  const left = new AbortController()
  const signal = AbortSignal.any([options.signal, left.signal])
  const detach = options.view?.attach(mirror => pending.volume(mirror))
  const following = keepFollowing({ ...options, signal }, pending).finally(() => pending.end())
  // The promise is awaited below. Without a handler an early rejection would end the process.
  following.catch(() => undefined)
  try {
    for (let update = await pending.next(); update !== null; update = await pending.next()) yield update
  } finally {
    detach?.()
    left.abort()
    await following
  }
}

async function keepFollowing(options: DrbdSourceOptions, pending: PendingUpdate): Promise<void> {
  const { drbdsetup, root, clock, signal } = options
  const pace = { ...DEFAULT_DRBD_PACE, ...options.pace }
  const refused = new Set<string>()
  const abandoned = new AbandonedProcesses()
  const files = new FileReader({
    clock,
    timeoutMs: pace.readTimeoutMs,
    retryAfterMs: pace.readRetryMs,
    signal,
    pool: options.pool,
  })
  const restarts = new RestartBackoff(pace, HEALTHY_AFTER_MS)
  while (!signal.aborted) {
    const module = await findDrbdModule(root, files)
    if (module === null) {
      pending.readComplete(null)
      await sleep(clock, pace.moduleEveryMs, signal)
      continue
    }
    await abandoned.waitForSlot(signal)
    if (signal.aborted) return
    const startedAtMs = clock.steadyNow()
    const run = new Events2Run({ drbdsetup, module, root, files, clock, signal, pace, pending, abandoned, refused })
    await run.ended
    await sleep(clock, restarts.delayMs(clock.steadyNow() - startedAtMs), signal)
  }
}
