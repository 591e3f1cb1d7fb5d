import { describe } from '../../sync-query/reason/describe.ts'
import { isReasonCode, type ReportReason } from '../../sync-query/report/report.ts'
import { firstName } from '../pool/find-by-name.ts'
import type { Override, PoolSnapshot } from '../pool/pool-snapshot.ts'
import type { GateReason, GateReasonCode } from './gate-reason.ts'

/** The reason with the names that people know its objects by. */
interface Named extends Omit<GateReason, 'host' | 'sr' | 'peer'> {
  readonly host: string
  readonly sr: string
  readonly peer: string
}

const SENTENCES: { readonly [Code in GateReasonCode]: (reason: Named) => string } = {
  'host-not-live': r =>
    r.clearedBy === 'time' ? `${r.host} is down because it has an order to reboot` : `${r.host} is down`,
  'host-going-down': r => `${r.host} is about to go down`,
  'host-leaving': r => `${r.host} has an order to reboot and has not come back`,
  'host-shut-down': r => `${r.host} has an order to shut down and does not come back by itself; power it on`,
  'told-to-go-and-still-here': r =>
    `${r.host} has an order to go down and still runs a minute later; carry the order out there, or clear it`,
  'no-report': r => `${r.host} has not said whether its mirrors are in sync; look at its agent if it stays silent`,
  'report-unreadable': r => `what ${r.host} said cannot be read (${r.problem})`,
  'report-unknown-schema': r => `${r.host} runs another version of the agent, whose reports are not understood here`,
  'report-misplaced': r => `the report found for ${r.host} is about another host or another SR`,
  'report-other-boot': r => `the last report of ${r.host} is of another boot`,
  'report-before-boot': r => `the last report of ${r.host} is older than its boot`,
  'report-before-live': r => `${r.host} has not spoken since it came back; compare the clocks if this stays`,
  'report-from-future': r => `the report of ${r.host} is from the future; set its clock right`,
  'report-superseded': r => `${r.host} sends reports with numbers that were used before; restart its agent`,
  'report-overtaken': r =>
    `the state of ${r.host} has changed since its last report, as its heartbeat says; the new report has not arrived`,
  'lease-expired': r => `${r.host} has not confirmed its report in time; look at its agent and its clock`,
  'contradicted-by-peer': r => `${r.host} says it is in sync, and ${r.peer} says that it is not${mirrors(r)}`,
  'not-synced': r => `${r.host} is ${STATE_WORDS[r.state ?? 'unknown']}${mirrorSentences(r)}`,
  'sr-missing': r => `${r.host} has a PBD for ${r.sr}, which has no record; remove the PBD or restore the SR`,
  'last-replica': r => `no current replica would be left, as ${r.host} sees it${mirrors(r)}`,
  'quorum-loss': r => `the majority would be lost, as ${r.host} sees it${mirrors(r)}`,
  'peer-unknown': r =>
    `${r.unknownPeers?.join(', ')} is no host of the pool and not named as an outside peer, as ${r.host} sees it${mirrors(r)}`,
  'mirror-list-missing': r => `${r.host} has not said where its replicas are`,
  'replicas-unknown': r =>
    `${r.host} does not report and may share mirrors with the host that is to go, so nobody knows whether a current replica would be left`,
  'holder-without-report': r =>
    `${r.host} holds replicas of ${r.sr} and has no PBD for it, so it does not report what it holds; connect it to the SR`,
  'one-at-a-time': r => `${r.host} may only go down alone under the conservative policy`,
  'override-expired': r =>
    `the override for ${r.host} (${r.override?.reason}) is over since ${moment(r.override?.expiresMs)}`,
}

const STATE_WORDS = {
  synced: 'in sync',
  resyncing: 'resynchronising',
  degraded: 'degraded',
  unknown: 'in an unknown state',
} as const

/** One sentence for people: which host, which SR, what is the matter and what clears it. Without a pool it names refs. */
export function describeGate(reason: GateReason, pool?: Pick<PoolSnapshot, 'hosts' | 'srs'>): string {
  const named: Named = {
    ...reason,
    host: hostName(reason.host, pool),
    peer: reason.peer === undefined ? 'its peer' : hostName(reason.peer, pool),
    sr: srName(reason.sr, pool),
  }
  const { override } = reason
  const overridden =
    override === undefined || reason.code === 'override-expired' ? '' : `; allowed by ${describeOverride(override)}`
  // Where mirrors are told of, each says itself what clears it.
  const clears = reason.mirrorReasons?.length ? '' : ` ${clearing(reason)}`
  return `SR ${named.sr}: ${SENTENCES[reason.code](named)}${clears}${overridden}`
}

/** Whose override it is, until when and why. */
export function describeOverride({ by = 'somebody', expiresMs, reason }: Override): string {
  return `override of ${by} until ${moment(expiresMs)}: ${reason}`
}

/** The name that people know a host by, or its UUID or ref where there is none. */
export function hostName(ref: string, pool?: Pick<PoolSnapshot, 'hosts'>): string {
  const host = pool?.hosts.find(each => each.ref === ref)
  return firstName(host?.nameLabel, host?.hostname, host?.uuid, ref)
}

/** The UUID of an SR, or its ref where it has no record. */
export function srName(ref: string, pool?: Pick<PoolSnapshot, 'srs'>): string {
  return pool?.srs.find(each => each.ref === ref)?.uuid ?? ref
}

function clearing({ clearedBy }: Pick<GateReason, 'clearedBy'>): string {
  return clearedBy === 'time' ? '(clears by itself)' : '(needs an operator)'
}

const MAX_NAMES = 3

function mirrors({ mirrors: names, mirrorCount }: Named): string {
  if (names === undefined || names.length === 0) return mirrorCount === undefined ? '' : `: ${mirrorCount} mirror(s)`
  return `: ${names.slice(0, MAX_NAMES).join(', ')}${more((mirrorCount ?? names.length) - Math.min(names.length, MAX_NAMES))}`
}

function mirrorSentences({ host, mirrorReasons = [], mirrorReasonsOmitted = 0 }: Named): string {
  if (mirrorReasons.length === 0) return ''
  const told = mirrorReasons.slice(0, MAX_NAMES).map(each => mirrorSentence(each, host))
  return `: ${told.join('; ')}${more(mirrorReasons.length - told.length + mirrorReasonsOmitted)}`
}

function mirrorSentence(reason: ReportReason, host: string): string {
  const { code } = reason
  return isReasonCode(code) ? describe({ ...reason, code }, host) : `${reason.mirror}: ${code} ${clearing(reason)}`
}

function more(count: number): string {
  return count > 0 ? ` and ${count} more` : ''
}

/** No moment makes this throw: dates end in the year 275760, an override may not. */
function moment(milliseconds: number | undefined): string {
  const date = new Date(milliseconds ?? Number.NaN)
  return Number.isNaN(date.valueOf()) ? 'an unknown time' : date.toISOString()
}
