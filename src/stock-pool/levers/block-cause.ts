import type { HostVerdicts } from '../../allowed-operations/decide.ts'
import { type HostSnapshot, isGoingDown, type PoolSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import type { GateReason } from '../../allowed-operations/reason/gate-reason.ts'
import type { ObservedSr } from '../../allowed-operations/rules/sr-members.ts'
import type { Reservation } from './reservation.ts'

/** Why no host of the pool may reboot or shut down at this moment. */
export type BlockCause =
  /** The storage rule blocks. */
  | { readonly kind: 'storage'; readonly reasons: readonly GateReason[] }
  /**
   * Two or more hosts of one SR are disabled. An enabled host cannot be rebooted (HOST_NOT_DISABLED), so disabling it claims the next
   * reboot, and two claims at once cannot both be granted.
   */
  | { readonly kind: 'claims'; readonly sr: string; readonly hosts: readonly string[] }

export interface BlockQuestion {
  readonly pool: Pick<PoolSnapshot, 'hosts'>
  readonly srs: readonly ObservedSr[]
  /** By ref of the host. */
  readonly verdicts: ReadonlyMap<string, HostVerdicts>
  /** Reservations in force. */
  readonly reservations: readonly Reservation[]
}

/**
 * An unmodified xapi blocks the whole pool or nothing, so one blocked host blocks all. `null`: each disabled host may go down, and at most
 * one of each SR is disabled.
 *
 * An override lifts the block only while every other host is enabled, because an enabled host cannot go. A reservation does the same
 * for a second disabled host: its operator states which one may go.
 */
export function blockCause(question: BlockQuestion): BlockCause | null {
  return storageCause(question) ?? claimsCause(question)
}

function storageCause({ pool, verdicts }: BlockQuestion): BlockCause | null {
  const reasons = new Set<GateReason>()
  const overridden = new Set<string>()
  for (const [host, { reboot }] of verdicts) {
    if (reboot.reasons.length === 0) continue
    if (reboot.reasons.every(({ override }) => override !== undefined)) overridden.add(host)
    for (const reason of reboot.reasons) if (reason.override === undefined) reasons.add(reason)
  }
  const [going] = pool.hosts.filter(({ ref }) => overridden.has(ref))
  if (overridden.size === 1 && going !== undefined && mayGoAlone(going, pool.hosts)) return null
  if (reasons.size === 0 && overridden.size === 0) return null
  return { kind: 'storage', reasons: [...reasons] }
}

function mayGoAlone(host: HostSnapshot, all: readonly HostSnapshot[]): boolean {
  return isHere(host) && all.every(other => other.ref === host.ref || other.enabled)
}

function claimsCause({ srs, reservations }: BlockQuestion): BlockCause | null {
  for (const { ref: sr, members } of srs) {
    const disabled = members.map(({ host }) => host).filter(host => !host.enabled && isHere(host))
    if (disabled.length < 2) continue
    if (disabled.some(({ uuid }) => reservations.some(({ host }) => host === uuid))) continue
    return { kind: 'claims', sr, hosts: disabled.map(({ ref }) => ref) }
  }
  return null
}

/** The host is up and has no order to go down. */
function isHere(host: HostSnapshot): boolean {
  return host.live === true && !host.leaving && !isGoingDown(host)
}
