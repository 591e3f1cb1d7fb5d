import { clearing } from '../../sync-query/reason/sentence-parts.ts'
import { firstName } from '../pool/find-by-name.ts'
import type { Override, PoolSnapshot } from '../pool/pool-snapshot.ts'
import { GATE_REASONS, type GateReason } from './gate-reason.ts'
import type { NamedGateReason } from './gate-reason-kind.ts'
import { moment } from './gate-sentence-parts.ts'

/** One sentence: the SR, the host, the cause and what clears it. Without a pool it has refs instead of names. */
export function describeGate(reason: GateReason, pool?: Pick<PoolSnapshot, 'hosts' | 'srs'>): string {
  const named: NamedGateReason = {
    ...reason,
    host: hostName(reason.host, pool),
    peer: reason.peer === undefined ? 'its peer' : hostName(reason.peer, pool),
    sr: srName(reason.sr, pool),
  }
  const { override } = reason
  const kind = GATE_REASONS[reason.code]
  const overridden =
    override === undefined || kind.isWarning === true ? '' : `; allowed by ${describeOverride(override)}`
  // Sentences of mirrors end with what clears each of them.
  const clears = reason.mirrorReasons?.length ? '' : ` ${clearing(reason)}`
  return `SR ${named.sr}: ${kind.sentence(named)}${clears}${overridden}`
}

/** Who set an override, until when and why. */
export function describeOverride({ by = 'somebody', expiresMs, reason }: Override): string {
  return `override of ${by} until ${moment(expiresMs)}: ${reason}`
}

/** The host's name label, host name, UUID or ref: the first that exists. */
export function hostName(ref: string, pool?: Pick<PoolSnapshot, 'hosts'>): string {
  const host = pool?.hosts.find(each => each.ref === ref)
  return firstName(host?.nameLabel, host?.hostname, host?.uuid, ref)
}

/** The UUID of an SR, or its ref if it has no record. */
export function srName(ref: string, pool?: Pick<PoolSnapshot, 'srs'>): string {
  return pool?.srs.find(each => each.ref === ref)?.uuid ?? ref
}
