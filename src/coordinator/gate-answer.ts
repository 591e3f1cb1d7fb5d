import type { CanRebootAnswer, GateAnswer, GateHostAnswer, OverrideAnswer } from '../agent-api/answers.ts'
import type { HostVerdicts } from '../allowed-operations/decide.ts'
import { allowedOperations } from '../allowed-operations/decide.ts'
import { findByName, hostNotFound, type ObjectNames } from '../allowed-operations/pool/find-by-name.ts'
import type { GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import { HOST_OPERATIONS } from '../allowed-operations/pool/host-operation.ts'
import { overrideInForce } from '../allowed-operations/pool/override.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { canReboot } from '../allowed-operations/rules/storage-rule.ts'
import type { GateVerdicts } from '../updater/updater.ts'
import { GateWords, type Measure } from './gate-words.ts'

/** What the gate says, and what its words need beside it. */
export interface GateStatus {
  readonly verdicts: GateVerdicts
  readonly policy: GatePolicy
  /** Ref of the coordinator; one that is no host of the pool: there is none. */
  readonly coordinator: string
  /** `SR.name_label` by its ref. */
  readonly srLabel: (ref: string) => string | undefined
}

/**
 * The most telling first. 64 hosts of 8 SRs, all of them out of sync, have 512 reasons each with up to 4 KiB of causes, which
 * is no answer any more.
 */
const MEASURES: readonly [...Measure[], Measure] = [
  { reasons: 512, mirrorReasons: 64 },
  { reasons: 64, mirrorReasons: 8 },
  { reasons: 16, mirrorReasons: 2 },
  { reasons: 4, mirrorReasons: 0 },
]
/** What the reasons may take: AgentClient reads 1 MiB, and there is more in an answer. */
const MAX_REASON_BYTES = 786_432

/** What the gate says of the hosts, as JSON (`GateAnswer`). @param only UUID of the one host to tell of; `undefined`: all */
export function gateAnswer(view: GateStatus, only: string | undefined): string {
  const { verdicts, policy, coordinator, srLabel } = view
  const { atMs, pool, hosts } = verdicts
  const words = new GateWords(verdicts, srLabel)
  const told = pool.hosts.flatMap(host => {
    const ofHost = hosts.get(host.ref)
    return ofHost === undefined || (only !== undefined && host.uuid !== only) ? [] : [{ host, ofHost }]
  })
  const lists = told.map(({ ofHost }) => ofHost.reboot.reasons)
  const measure = words.fitting(lists, MEASURES, MAX_REASON_BYTES)
  const isKnown = pool.hosts.some(({ ref }) => ref === coordinator)
  const answer: GateAnswer = {
    at: new Date(atMs).toISOString(),
    coordinator: isKnown ? words.host(coordinator) : null,
    hosts: told.map(
      ({ host, ofHost }): GateHostAnswer => ({
        ...words.host(host.ref),
        live: host.live === true,
        enabled: host.enabled,
        operations: operationsOf(ofHost, pool, words),
        ...words.reasons(ofHost.reboot.reasons, measure),
        override: overrideOf(host.ref, pool, policy, atMs),
      }),
    ),
  }
  return JSON.stringify(answer)
}

function operationsOf(verdicts: HostVerdicts, pool: PoolSnapshot, words: GateWords): GateHostAnswer['operations'] {
  const allowed = new Set(allowedOperations(operation => verdicts[operation].allowed, pool))
  const errors = HOST_OPERATIONS.map(operation => {
    const verdict = verdicts[operation]
    // Hosts in a rolling upgrade offer less than they would allow.
    const cut = allowed.has(operation) ? null : ['NOT_SUPPORTED_DURING_UPGRADE']
    return [operation, verdict.allowed ? cut : words.error(verdict.error)] as const
  })
  return Object.fromEntries(errors)
}

/**
 * Whether these hosts may be down together, as JSON (`CanRebootAnswer`). That a host is enabled does not speak against it: to
 * disable it is the first step of every reboot. An override counts for its host alone, never for a set.
 * @param hosts refs of hosts of the pool, at least one
 */
export function canRebootAnswer({ verdicts, policy, srLabel }: GateStatus, hosts: ReadonlySet<string>): string {
  const { atMs, pool, srs } = verdicts
  const words = new GateWords(verdicts, srLabel)
  const [first = ''] = hosts
  const alone = verdicts.hosts.get(first)?.reboot.reasons ?? []
  const reasons = hosts.size === 1 ? alone : canReboot(pool, policy, atMs, hosts, srs).reasons
  const error = ordinaryError(verdicts, hosts) ?? storageError(reasons)
  const answer: CanRebootAnswer = {
    canReboot: error === null,
    hosts: [...hosts].map(ref => ({
      ...words.host(ref),
      enabled: pool.hosts.some(each => each.ref === ref && each.enabled),
    })),
    error: error === null ? null : words.error(error),
    ...words.reasons(reasons, words.fitting([reasons], MEASURES, MAX_REASON_BYTES)),
  }
  return JSON.stringify(answer)
}

/** Refs of the hosts that are called so, as `findByName` says, or by ref; or a sentence about one that is none, or several. */
export function resolveHosts(
  { hosts }: Pick<PoolSnapshot, 'hosts'>,
  names: readonly string[],
): { readonly refs: ReadonlySet<string> } | { readonly problem: string } {
  const refs = new Set<string>()
  for (const name of names) {
    const found = findByName(name, hosts, namesOfHost)
    if (!found.ok) return { problem: hostNotFound(name, found.candidates) }
    refs.add(found.value.ref)
  }
  return refs.size === 0 ? { problem: 'name at least one host' } : { refs }
}

function namesOfHost({ ref, uuid = ref, hostname = '', nameLabel = '' }: PoolSnapshot['hosts'][number]): ObjectNames {
  return { uuid, names: [nameLabel, hostname, ref] }
}

function ordinaryError({ hosts }: GateVerdicts, asked: ReadonlySet<string>): readonly string[] | null {
  for (const ref of asked) {
    const verdict = hosts.get(ref)?.reboot
    if (verdict === undefined) return ['HANDLE_INVALID', 'host', ref]
    if (!verdict.allowed && !PASSED_OVER.has(verdict.error[0])) return verdict.error
  }
  return null
}

/** The storage rule is looked at for all of the hosts together. */
const PASSED_OVER: ReadonlySet<string> = new Set(['HOST_NOT_DISABLED', 'CLUSTERED_SR_DEGRADED'])

function storageError(reasons: readonly GateReason[]): readonly string[] | null {
  const blocking = reasons.find(({ override }) => override === undefined)
  return blocking === undefined ? null : ['CLUSTERED_SR_DEGRADED', blocking.sr]
}

/** The override that is in force, or else one that is there and is not. */
function overrideOf(host: string, pool: PoolSnapshot, policy: GatePolicy, now: number): OverrideAnswer | null {
  const inForce = overrideInForce(pool, host, policy, now)
  const override = inForce ?? pool.overrides.find(each => each.host === host)
  if (override === undefined) return null
  const { reason, by = '', expiresMs } = override
  return { reason, by, expiresAt: new Date(expiresMs).toISOString(), inForce: inForce !== undefined }
}
