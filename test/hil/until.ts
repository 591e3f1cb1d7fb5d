import { setTimeout as pause } from 'node:timers/promises'

/** Pause between two checks. Each check costs an emulated guest time. */
const LOOK_EVERY_MS = 300

/** A condition was not met before the deadline. The message has the condition and the last result. */
class NotInTime extends Error {}

/**
 * Repeats `look` until it returns something other than `null`, `undefined` or `false`. Errors count as no result, because machines and
 * services are away during scenarios.
 * @throws NotInTime
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs: number,
): Promise<Exclude<T, null | undefined | false>> {
  const end = performance.now() + deadlineMs
  let last = ''
  for (;;) {
    try {
      const seen = await look()
      if (seen !== null && seen !== undefined && seen !== false) return seen as Exclude<T, null | undefined | false>
      last = `saw ${String(seen)}`
    } catch (error) {
      last = error instanceof Error ? error.message : String(error)
    }
    if (performance.now() > end) throw new NotInTime(`not within ${deadlineMs / 1000} s: ${what} (${last})`)
    await pause(LOOK_EVERY_MS)
  }
}
