import type { GateReasonAnswer, Named } from '../agent-api/answers.ts'
import { firstName } from '../allowed-operations/pool/find-by-name.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate, hostName } from '../allowed-operations/reason/describe-gate.ts'
import { GATE_REASONS, type GateReason } from '../allowed-operations/reason/gate-reason.ts'
import type { GateVerdicts } from '../updater/pool-port.ts'

/** How many reasons an answer contains for each host, and how many mirror reasons for each of them. */
export interface AnswerLimits {
  readonly reasons: number
  readonly mirrorReasons: number
}

/** The parts of answers about the gate: refs become UUIDs and names, and reasons get sentences. */
export class GateAnswerParts {
  readonly #pool: PoolSnapshot
  readonly #srs: GateVerdicts['srs']
  /** UUIDs of hosts and SRs, by ref. */
  readonly #uuids: ReadonlyMap<string, string>
  /** Hosts of the same SRs share their reasons, so each is described once. */
  readonly #described = new Map<GateReason, GateReasonAnswer>()

  constructor({ pool, srs }: Pick<GateVerdicts, 'pool' | 'srs'>) {
    this.#pool = pool
    this.#srs = srs
    const named = [...pool.hosts, ...pool.srs]
    this.#uuids = new Map(named.flatMap(({ ref, uuid }) => (uuid === undefined ? [] : [[ref, uuid] as const])))
  }

  host(ref: string): Named {
    return { uuid: this.#uuids.get(ref) ?? ref, name: hostName(ref, this.#pool) }
  }

  /** XenAPI's error with UUIDs in place of refs, as `xe` prints it: a ref means nothing outside the toolstack. */
  error(error: readonly string[]): readonly string[] {
    return error.map(word => this.#uuids.get(word) ?? word)
  }

  /** The first of these limits with which all lists take at most `maxBytes` of JSON; otherwise the last one. */
  fittingLimits(
    lists: readonly (readonly GateReason[])[],
    all: readonly [...AnswerLimits[], AnswerLimits],
    maxBytes: number,
  ): AnswerLimits {
    const last = all.at(-1) ?? all[0]
    return all.find(limits => this.#bytes(lists, limits, maxBytes) <= maxBytes) ?? last
  }

  reasons(
    reasons: readonly GateReason[],
    limits: AnswerLimits,
  ): { readonly reasons: readonly GateReasonAnswer[]; readonly reasonsOmitted?: number } {
    const shown = reasons.slice(0, limits.reasons).map(each => cut(this.#reason(each), limits.mirrorReasons))
    const omitted = reasons.length - shown.length
    return { reasons: shown, ...(omitted === 0 ? {} : { reasonsOmitted: omitted }) }
  }

  /** The size of lists of reasons. It stops counting above `maxBytes`, and encodes each reason once, because hosts share them. */
  #bytes(lists: readonly (readonly GateReason[])[], limits: AnswerLimits, maxBytes: number): number {
    const known = new Map<GateReason, number>()
    let bytes = 0
    for (const reasons of lists) {
      for (const reason of reasons.slice(0, limits.reasons)) {
        const size =
          known.get(reason) ?? Buffer.byteLength(JSON.stringify(cut(this.#reason(reason), limits.mirrorReasons)))
        known.set(reason, size)
        bytes += size
        if (bytes > maxBytes) return bytes
      }
    }
    return bytes
  }

  #reason(reason: GateReason): GateReasonAnswer {
    const known = this.#described.get(reason)
    if (known !== undefined) return known
    const { code, host, sr, clearedBy, state, mirrorReasons, mirrorReasonsOmitted } = reason
    const answer: GateReasonAnswer = {
      code,
      host: this.host(host),
      sr: this.sr(sr),
      clearedBy,
      text: describeGate(reason, this.#pool),
      since: isoOrNull(this.#sinceMs(reason)),
      ...this.#figures(reason),
      ...(state === undefined ? {} : { state }),
      ...(mirrorReasons === undefined ? {} : { mirrorReasons }),
      ...(mirrorReasonsOmitted === undefined ? {} : { mirrorReasonsOmitted }),
    }
    this.#described.set(reason, answer)
    return answer
  }

  sr(ref: string): Named {
    const uuid = this.#uuids.get(ref) ?? ref
    const label = this.#pool.srs.find(each => each.ref === ref)?.nameLabel
    return { uuid, name: firstName(label, uuid) }
  }

  #figures(reason: GateReason): Pick<GateReasonAnswer, 'progress' | 'etaSeconds'> {
    if (reason.code !== 'not-synced') return {}
    const { progress = null, etaSeconds = null } = this.#member(reason.host, reason.sr)?.report ?? {}
    return { ...(progress === null ? {} : { progress }), ...(etaSeconds === null ? {} : { etaSeconds }) }
  }

  /** Unix time in milliseconds; NaN or `null`: not known. */
  #sinceMs({ code, host, sr, peer = host }: GateReason): number | null {
    const { since } = GATE_REASONS[code]
    switch (since) {
      case 'report':
        return Date.parse(this.#member(host, sr)?.report?.since ?? '')
      case 'peer-report':
        return Date.parse(this.#member(peer, sr)?.report?.since ?? '')
      case 'last-confirmation':
        return this.#member(host, sr)?.confirmedAtMs ?? null
      case 'live':
        return this.#pool.hosts.find(({ ref }) => ref === host)?.liveSinceMs ?? null
      default:
        return null
    }
  }

  #member(host: string, sr: string) {
    return this.#srs.find(({ ref }) => ref === sr)?.members.find(member => member.host.ref === host)
  }
}

function isoOrNull(milliseconds: number | null): string | null {
  const date = new Date(milliseconds ?? Number.NaN)
  return Number.isNaN(date.valueOf()) ? null : date.toISOString()
}

function cut(reason: GateReasonAnswer, maxMirrorReasons: number): GateReasonAnswer {
  const { mirrorReasons = [], mirrorReasonsOmitted = 0 } = reason
  if (mirrorReasons.length <= maxMirrorReasons) return reason
  const shown = mirrorReasons.slice(0, maxMirrorReasons)
  return {
    ...reason,
    mirrorReasons: shown,
    mirrorReasonsOmitted: mirrorReasonsOmitted + mirrorReasons.length - shown.length,
  }
}
