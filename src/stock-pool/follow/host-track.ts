/** What one reading says about a host. */
export interface HostSighting {
  /** `host_metrics.live`; `null`: there is no metrics row. */
  readonly live: boolean | null
  /** `host.other_config["boot_time"]`; `null`: not stated. */
  readonly bootTimeMs: number | null
  readonly enabled: boolean
  /** A `reboot` or a `shutdown` is in `current_operations`. */
  readonly isGoingDown: boolean
}

/**
 * What a client has to remember of one host between two readings of an unmodified xapi, whose database does not say since when a host
 * is live, nor that a host has an order to go down after the entry in `current_operations` is gone. Never changes; `trackHost` makes the next.
 */
export interface HostTrack extends HostSighting {
  /** When `live` became true, or the host came back from another boot, on this machine's clock; `null`: before the first reading. */
  readonly liveSinceMs: number | null
  /** It has an order to go down and has not come back. */
  readonly isLeaving: boolean
  /** When the order was first seen in `current_operations`; `null`: it is not there. */
  readonly goingSinceMs: number | null
  /** Since when the order is no longer in `current_operations`; `null`: it is, or there is none. */
  readonly orderGoneSinceMs: number | null
}

/**
 * After an accepted `host.reboot`, xapi runs `/sbin/shutdown` 10 s later, and `live` becomes false when the host's toolstack stops, some
 * seconds after that (xapi_host.ml:888-932). A host that is still live after this time does not go down: the order has failed.
 */
const ORDER_FAILED_AFTER_MS = 120_000

/** @param before `undefined`: the host was not known */
export function trackHost(before: HostTrack | undefined, seen: HostSighting, now: number): HostTrack {
  if (before === undefined) {
    const goingSinceMs = seen.isGoingDown ? now : null
    return { ...seen, liveSinceMs: null, isLeaving: seen.isGoingDown, goingSinceMs, orderGoneSinceMs: null }
  }
  const isBack = seen.live === true && (before.live !== true || isOtherBoot(before, seen))
  const liveSinceMs = isBack ? now : before.liveSinceMs
  if (seen.isGoingDown) {
    return { ...seen, liveSinceMs, isLeaving: true, goingSinceMs: before.goingSinceMs ?? now, orderGoneSinceMs: null }
  }
  // A host that is enabled can neither reboot nor shut down (HOST_NOT_DISABLED), and one that has begun to cannot be enabled.
  if (isBack || seen.enabled || !before.isLeaving) {
    return { ...seen, liveSinceMs, isLeaving: false, goingSinceMs: null, orderGoneSinceMs: null }
  }
  const orderGoneSinceMs = before.orderGoneSinceMs ?? now
  const hasFailed = seen.live === true && now - orderGoneSinceMs >= ORDER_FAILED_AFTER_MS
  const rest = { isLeaving: !hasFailed, goingSinceMs: null, orderGoneSinceMs: hasFailed ? null : orderGoneSinceMs }
  return { ...seen, liveSinceMs, ...rest }
}

function isOtherBoot(before: HostSighting, seen: HostSighting): boolean {
  return before.bootTimeMs !== null && seen.bootTimeMs !== null && before.bootTimeMs !== seen.bootTimeMs
}
