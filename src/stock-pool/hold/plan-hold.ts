import { type HostSnapshot, isGoingDown } from '../../allowed-operations/pool/pool-snapshot.ts'
import type { BlockCause } from '../levers/block-cause.ts'
import type { HoldMarker } from './hold-marker.ts'

export type HoldStep =
  /** Its reboot was accepted: it is to stay disabled when it returns. */
  | { readonly kind: 'place'; readonly host: HostSnapshot }
  /** It is back and in sync: it is enabled. */
  | { readonly kind: 'release'; readonly host: HostSnapshot }
  /** A client has enabled it, or its reboot did not happen. */
  | { readonly kind: 'forget'; readonly host: HostSnapshot }

export interface HoldQuestion {
  readonly hosts: readonly HostSnapshot[]
  /** Refs of the hosts with a PBD of a guarded SR. */
  readonly members: ReadonlySet<string>
  /** The holds in the pool's database, by ref of the host. */
  readonly marked: ReadonlyMap<string, HoldMarker>
  /** Since when each host has an order to go down, by ref. */
  readonly goingSinceMs: ReadonlyMap<string, number>
  /** Refs of the existing tasks. An operation whose task is gone has been accepted. */
  readonly tasks: ReadonlySet<string>
  readonly cause: BlockCause | null
  /** Unix time in milliseconds. */
  readonly now: number
}

/** A call that has returned has no task any more; a moment later it is certain that it was not refused by its own host. */
export const PLACE_AFTER_MS = 1_000
/** xapi runs `/sbin/shutdown` 10 s after the acceptance (xapi_host.ml:888-932). */
const PLACE_WITHIN_MS = 8_000
/** Xen Orchestra waits this long for a host to be enabled. */
const PATIENCE_MS = 20 * 60_000

/** What is to be done about the hosts that are held, or are to be held. */
export function planHold(question: HoldQuestion): readonly HoldStep[] {
  return question.hosts.flatMap(host => stepFor(host, question) ?? [])
}

function stepFor(host: HostSnapshot, question: HoldQuestion): HoldStep | null {
  const marker = question.marked.get(host.ref)
  if (marker === undefined) return mayPlace(host, question) ? { kind: 'place', host } : null
  if (isGoingDown(host) || host.live !== true) return null
  const isBack = marker.bootTimeMs !== host.bootTimeMs
  if (host.enabled || !isBack) return host.leaving ? null : { kind: 'forget', host }
  return mayRelease(host, question) ? { kind: 'release', host } : null
}

function mayPlace(host: HostSnapshot, { members, goingSinceMs, tasks, now }: HoldQuestion): boolean {
  if (!members.has(host.ref) || host.live !== true || host.enabled || !isGoingDown(host)) return false
  if (host.currentOperations.some(({ task }) => tasks.has(task))) return false
  const sinceMs = now - (goingSinceMs.get(host.ref) ?? now)
  return sinceMs >= PLACE_AFTER_MS && sinceMs <= PLACE_WITHIN_MS
}

/** Not before the whole pool is in sync: who waits for this host reboots the next one at once. But not for ever because of other hosts. */
function mayRelease({ ref, liveSinceMs }: HostSnapshot, { cause, now }: HoldQuestion): boolean {
  if (cause?.kind !== 'storage') return true
  if (cause.reasons.some(reason => reason.host === ref)) return false
  return liveSinceMs !== null && now - liveSinceMs >= PATIENCE_MS
}
