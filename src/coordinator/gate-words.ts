import type { GateReasonAnswer, Named } from '../agent-api/answers.ts'
import { firstName } from '../allowed-operations/pool/find-by-name.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate, hostName, srName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import type { GateVerdicts } from '../updater/updater.ts'

/** How much is told: of each host, and of each of its reasons. */
export interface Measure {
  readonly reasons: number
  readonly mirrorReasons: number
}

/** The gate's objects and reasons as programs and people know them: refs become UUIDs and names, reasons get sentences. */
export class GateWords {
  readonly #pool: PoolSnapshot
  readonly #srLabel: (ref: string) => string | undefined
  readonly #srs: GateVerdicts['srs']
  /** Of hosts and SRs, by their refs. */
  readonly #uuids: ReadonlyMap<string, string>
  /** Hosts of the same SRs share their reasons: each is put into words once. */
  readonly #told = new Map<GateReason, GateReasonAnswer>()

  /** @param srLabel `SR.name_label` by its ref */
  constructor({ pool, srs }: Pick<GateVerdicts, 'pool' | 'srs'>, srLabel: (ref: string) => string | undefined) {
    this.#pool = pool
    this.#srLabel = srLabel
    this.#srs = srs
    const named = [...pool.hosts, ...pool.srs]
    this.#uuids = new Map(named.flatMap(({ ref, uuid }) => (uuid === undefined ? [] : [[ref, uuid] as const])))
  }

  host(ref: string): Named {
    return { uuid: this.#uuids.get(ref) ?? ref, name: hostName(ref, this.#pool) }
  }

  /** XenAPI's error with UUIDs in place of refs, as `xe` tells it: a ref means nothing outside the toolstack. */
  error(error: readonly string[]): readonly string[] {
    return error.map(word => this.#uuids.get(word) ?? word)
  }

  /** The first of `measures` by which all these lists take at most `maxBytes` of JSON; the last one if none does. */
  fitting(
    lists: readonly (readonly GateReason[])[],
    measures: readonly [...Measure[], Measure],
    maxBytes: number,
  ): Measure {
    const last = measures.at(-1) ?? measures[0]
    return measures.find(measure => this.#bytes(lists, measure, maxBytes) <= maxBytes) ?? last
  }

  reasons(
    reasons: readonly GateReason[],
    measure: Measure,
  ): { readonly reasons: readonly GateReasonAnswer[]; readonly reasonsOmitted?: number } {
    const told = reasons.slice(0, measure.reasons).map(each => cut(this.#reason(each), measure.mirrorReasons))
    const omitted = reasons.length - told.length
    return { reasons: told, ...(omitted === 0 ? {} : { reasonsOmitted: omitted }) }
  }

  /** What lists of reasons take. Counted no further than beyond `maxBytes`, and each reason once: hosts share theirs. */
  #bytes(lists: readonly (readonly GateReason[])[], measure: Measure, maxBytes: number): number {
    const known = new Map<GateReason, number>()
    let bytes = 0
    for (const reasons of lists) {
      for (const reason of reasons.slice(0, measure.reasons)) {
        const its =
          known.get(reason) ?? Buffer.byteLength(JSON.stringify(cut(this.#reason(reason), measure.mirrorReasons)))
        known.set(reason, its)
        bytes += its
        if (bytes > maxBytes) return bytes
      }
    }
    return bytes
  }

  #reason(reason: GateReason): GateReasonAnswer {
    const known = this.#told.get(reason)
    if (known !== undefined) return known
    const { code, host, sr, clearedBy, state, mirrorReasons, mirrorReasonsOmitted } = reason
    const answer: GateReasonAnswer = {
      code,
      host: this.host(host),
      sr: this.#sr(sr),
      clearedBy,
      text: describeGate(reason, this.#pool),
      since: isoOrNull(this.#sinceMs(reason)),
      ...this.#figures(reason),
      ...(state === undefined ? {} : { state }),
      ...(mirrorReasons === undefined ? {} : { mirrorReasons }),
      ...(mirrorReasonsOmitted === undefined ? {} : { mirrorReasonsOmitted }),
    }
    this.#told.set(reason, answer)
    return answer
  }

  #sr(ref: string): Named {
    const uuid = srName(ref, this.#pool)
    return { uuid, name: firstName(this.#srLabel(ref), uuid) }
  }

  #figures(reason: GateReason): Pick<GateReasonAnswer, 'progress' | 'etaSeconds'> {
    if (reason.code !== 'not-synced') return {}
    const { progress = null, etaSeconds = null } = this.#member(reason.host, reason.sr)?.report ?? {}
    return { ...(progress === null ? {} : { progress }), ...(etaSeconds === null ? {} : { etaSeconds }) }
  }

  /** Milliseconds since 1970; NaN or `null`: nobody has said it. */
  #sinceMs({ code, host, sr, peer = host }: GateReason): number | null {
    switch (code) {
      case 'not-synced':
        return Date.parse(this.#member(host, sr)?.report?.since ?? '')
      case 'contradicted-by-peer':
        return Date.parse(this.#member(peer, sr)?.report?.since ?? '')
      // When it was last heard: nobody has noted when it fell silent.
      case 'lease-expired':
      case 'report-superseded':
      case 'host-not-live':
        return this.#member(host, sr)?.confirmedAtMs ?? null
      // It lives, and has not spoken since it does.
      case 'no-report':
      case 'report-other-boot':
      case 'report-before-boot':
      case 'report-before-live':
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
  const told = mirrorReasons.slice(0, maxMirrorReasons)
  return {
    ...reason,
    mirrorReasons: told,
    mirrorReasonsOmitted: mirrorReasonsOmitted + mirrorReasons.length - told.length,
  }
}
