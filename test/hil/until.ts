import { setTimeout as pause } from 'node:timers/promises'

/** How often it is looked. Each look takes its own time, and from an emulated guest time for other things. */
const LOOK_EVERY_MS = 300

/** What had to come to pass within a deadline and did not. Its message says what, and what was seen last. */
class NotInTime extends Error {}

/**
 * Looks until there is something other than `null`, `undefined` or `false`. A look that fails has seen nothing yet: machines
 * are off and services away while scenarios go on.
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
