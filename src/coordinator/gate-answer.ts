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
import type { GateVerdicts } from '../updater/pool-port.ts'
import { type AnswerLimits, GateAnswerParts } from './gate-answer-parts.ts'

/**
 * The limits of an answer, the highest first. 64 hosts of 8 SRs, all out of sync, have 512 reasons each with up to 4 KiB of causes,
 * which is too much for an answer.
 */
const LIMITS: readonly [...AnswerLimits[], AnswerLimits] = [
  { reasons: 512, mirrorReasons: 64 },
  { reasons: 64, mirrorReasons: 8 },
  { reasons: 16, mirrorReasons: 2 },
  { reasons: 4, mirrorReasons: 0 },
]
/** The size of all reasons: AgentClient reads 1 MiB, and an answer contains more than reasons. */
const MAX_REASON_BYTES = 786_432

/** The verdicts for the hosts, as JSON (`GateAnswer`). @param only UUID of one host; `undefined`: all hosts */
export function gateAnswer(verdicts: GateVerdicts, only: string | undefined): string {
  const { atMs, coordinator, policy, pool, hosts } = verdicts
  const parts = new GateAnswerParts(verdicts)
  const asked = pool.hosts.flatMap(host => {
    const ofHost = hosts.get(host.ref)
    return ofHost === undefined || (only !== undefined && host.uuid !== only) ? [] : [{ host, ofHost }]
  })
  const lists = asked.map(({ ofHost }) => ofHost.reboot.reasons)
  const limits = parts.fittingLimits(lists, LIMITS, MAX_REASON_BYTES)
  const isKnown = pool.hosts.some(({ ref }) => ref === coordinator)
  const answer: GateAnswer = {
    at: new Date(atMs).toISOString(),
    coordinator: isKnown ? parts.host(coordinator) : null,
    hosts: asked.map(
      ({ host, ofHost }): GateHostAnswer => ({
        ...parts.host(host.ref),
        live: host.live === true,
        enabled: host.enabled,
        operations: operationsOf(ofHost, pool, parts),
        ...parts.reasons(ofHost.reboot.reasons, limits),
        override: overrideOf(host.ref, pool, policy, atMs),
      }),
    ),
    ...(only === undefined ? { srs: pool.srs.map(({ ref }) => parts.sr(ref)) } : {}),
  }
  return JSON.stringify(answer)
}

function operationsOf(
  verdicts: HostVerdicts,
  pool: PoolSnapshot,
  parts: GateAnswerParts,
): GateHostAnswer['operations'] {
  const allowed = new Set(allowedOperations(operation => verdicts[operation].allowed, pool))
  const errors = HOST_OPERATIONS.map(operation => {
    const verdict = verdicts[operation]
    // During a rolling upgrade a host offers fewer operations than the gate allows.
    const cut = allowed.has(operation) ? null : ['NOT_SUPPORTED_DURING_UPGRADE']
    return [operation, verdict.allowed ? cut : parts.error(verdict.error)] as const
  })
  return Object.fromEntries(errors)
}

/**
 * Whether these hosts may be down together, as JSON (`CanRebootAnswer`). A host that is enabled does not prevent it, because disabling
 * it is the first step of every reboot. An override counts for its host alone, never for a set.
 * @param hosts refs of hosts of the pool, at least one
 */
export function canRebootAnswer(verdicts: GateVerdicts, hosts: ReadonlySet<string>): string {
  const { atMs, policy, pool, srs } = verdicts
  const parts = new GateAnswerParts(verdicts)
  const [first = ''] = hosts
  const alone = verdicts.hosts.get(first)?.reboot.reasons ?? []
  const reasons = hosts.size === 1 ? alone : canReboot(pool, policy, atMs, hosts, srs).reasons
  const error = ordinaryError(verdicts, hosts) ?? storageError(reasons)
  const answer: CanRebootAnswer = {
    canReboot: error === null,
    hosts: [...hosts].map(ref => ({
      ...parts.host(ref),
      enabled: pool.hosts.some(each => each.ref === ref && each.enabled),
    })),
    error: error === null ? null : parts.error(error),
    ...parts.reasons(reasons, parts.fittingLimits([reasons], LIMITS, MAX_REASON_BYTES)),
  }
  return JSON.stringify(answer)
}

/** Resolves names to refs of hosts, by ref or as `findByName` does; or a sentence about a name that matches no host, or several. */
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
    if (!verdict.allowed && !IGNORED_ERRORS.has(verdict.error[0])) return verdict.error
  }
  return null
}

/** Errors that the ordinary rules do not decide here: being enabled does not prevent a reboot, and the storage rule is applied to all hosts together. */
const IGNORED_ERRORS: ReadonlySet<string> = new Set(['HOST_NOT_DISABLED', 'CLUSTERED_SR_DEGRADED'])

function storageError(reasons: readonly GateReason[]): readonly string[] | null {
  const blocking = reasons.find(({ override }) => override === undefined)
  return blocking === undefined ? null : ['CLUSTERED_SR_DEGRADED', blocking.sr]
}

/** The override that is in force, or otherwise one that exists and is not in force. */
function overrideOf(host: string, pool: PoolSnapshot, policy: GatePolicy, now: number): OverrideAnswer | null {
  const inForce = overrideInForce(pool, host, policy, now)
  const override = inForce ?? pool.overrides.find(each => each.host === host)
  if (override === undefined) return null
  const { reason, by = '', expiresMs } = override
  return { reason, by, expiresAt: new Date(expiresMs).toISOString(), inForce: inForce !== undefined }
}
