import type { GateAnswer, GateReasonAnswer, Named } from '../../agent-api/answers.ts'
import {
  gateKindOf,
  gateRemedy,
  isGateBlocking,
  isGateReasonCode,
} from '../../allowed-operations/reason/gate-reason.ts'
import {
  describe,
  isBlocking,
  isReasonCode,
  kindOf,
  type Reason,
  remedy,
  urgencyOf,
} from '../../sync-query/reason/reason.ts'
import type { Remedy } from '../../sync-query/reason/reason-kind.ts'
import type { ReportReason } from '../../sync-query/report/report.ts'
import { nameOf } from '../ask/names.ts'
import type { SrOverview } from '../ask/overview.ts'

/** One reason with what an operator needs to act on it. `explain --json` prints these keys. */
export interface Cause {
  readonly code: string
  /** `mirror`: a host reports it about one of its mirrors; `gate`: the coordinator's gate gives it. */
  readonly scope: 'mirror' | 'gate'
  /** False: a warning. */
  readonly blocking: boolean
  /** The host that the reason is about. */
  readonly host: Named
  readonly sr: Named
  readonly mirror: string | null
  readonly peer: string | null
  readonly since: string | null
  readonly clearedBy: 'time' | 'operator'
  readonly text: string
  /** `null`: this version does not know the code. */
  readonly remedy: RemedyOnHosts | null
}

interface RemedyOnHosts {
  readonly text: string
  readonly warning: string | null
  readonly steps: readonly { readonly on: string; readonly commands: readonly string[] }[]
}

/** The reasons of the mirrors of an SR on this host. */
export function causesOfMirrors({ report, mirrors }: SrOverview, host: Named, sr: Named): Cause[] {
  const causes = mirrors.mirrors.flatMap(mirror =>
    mirror.reasons.map(reason => mirrorCause(reason, host, sr, mirror.since)),
  )
  // A reason about the whole SR, such as a source that cannot be read, is in the report only.
  const known = new Set(causes.map(causeKey))
  const ofSr = report.reasons.map(reason => mirrorCause(reason, host, sr, report.since))
  return [...causes, ...ofSr.filter(cause => !known.has(causeKey(cause)))]
}

/** The reasons of the gate and of the mirrors in them, each once, however many hosts it blocks. */
export function causesOfGate(
  reasons: readonly GateReasonAnswer[],
  { coordinator }: Pick<GateAnswer, 'coordinator'>,
  ownHost: string | null,
): Cause[] {
  const causes = new Map<string, Cause>()
  for (const reason of reasons) {
    const cause = gateCause(reason, coordinator)
    causes.set(causeKey(cause), cause)
    // The agent of this host reports more about its own mirrors.
    if (reason.host.uuid === ownHost) continue
    for (const each of reason.mirrorReasons ?? []) {
      const ofMirror = mirrorCause(each, reason.host, reason.sr, null, nameOf(reason.host))
      causes.set(causeKey(ofMirror), ofMirror)
    }
  }
  return [...causes.values()]
}

/**
 * Sorts reasons by urgency. A reason that makes virtual disks unusable is one fault for all hosts that report it, so it appears once.
 */
export function byUrgency(causes: readonly Cause[]): Cause[] {
  const rank = ({ code, blocking, clearedBy }: Cause) => urgencyOf(code, clearedBy, blocking)
  const seen = new Set<string>()
  const once = causes.filter(({ code, sr, mirror }) => {
    if (kindOf(code)?.makesUnusable !== true) return true
    const key = JSON.stringify([sr.uuid, mirror])
    return !seen.has(key) && seen.add(key)
  })
  return once.toSorted((a, b) => rank(a) - rank(b))
}

function causeKey({ code, host, sr, mirror, peer }: Cause): string {
  return JSON.stringify([code, host.uuid, sr.uuid, mirror, peer])
}

/** @param here the name of the host in the sentence, if it is not the reader's host */
function mirrorCause(reason: ReportReason, host: Named, sr: Named, since: string | null, here?: string): Cause {
  const known = withKnownCode(reason)
  return {
    code: reason.code,
    scope: 'mirror',
    blocking: known === null || isBlocking(known.code),
    host,
    sr,
    mirror: reason.mirror,
    peer: reason.peer ?? null,
    // A warning may have begun after the mirror entered its state.
    since: reason.since ?? since,
    clearedBy: reason.clearedBy,
    text: known === null ? `${reason.mirror}: ${reason.code}` : describe(known, here),
    remedy: known === null ? null : onHosts(remedy(known, sr.uuid, nameOf(host)), placesOfMirror(reason, host)),
  }
}

function gateCause(reason: GateReasonAnswer, coordinator: Named | null): Cause {
  const { code, host, sr, since, clearedBy, text, mirrorReasons = [] } = reason
  const places = {
    host: nameOf(host),
    coordinator: coordinator === null ? 'the coordinator' : nameOf(coordinator),
    anywhere: 'any host of the pool',
  }
  return {
    code,
    scope: 'gate',
    blocking: isGateBlocking(code),
    host,
    sr,
    mirror: null,
    peer: null,
    since,
    clearedBy,
    text: text === '' ? `${nameOf(host)}: ${code}` : text,
    remedy: isGateReasonCode(code)
      ? onHosts(gateRemedy(code, { host: namedByAll(host), sr: sr.uuid, clearedBy, mirrorReasons }), places)
      : null,
  }
}

function withKnownCode(reason: ReportReason): Reason | null {
  const { code } = reason
  return isReasonCode(code) ? { ...reason, code } : null
}

function placesOfMirror({ peer }: ReportReason, host: Named) {
  // DRBD 8.4 calls every peer `peer`.
  const other = peer === undefined || peer === 'peer' ? 'the peer' : peer
  return {
    here: nameOf(host),
    peer: other,
    'either-side': `${nameOf(host)}, and ${other}`,
    'losing-side': 'the side whose changes are thrown away',
    'keeping-side': 'the side that is kept',
  }
}

function onHosts<Place extends string>(
  { text, warning, steps }: Remedy<Place>,
  places: Readonly<Record<Place, string>>,
): RemedyOnHosts {
  return {
    text,
    warning: warning ?? null,
    steps: steps.map(({ on, commands }) => ({ on: places[on], commands })),
  }
}

/** The title of a code of a mirror or of the gate, as the continuation of a sentence; an unknown code as it is. */
export function kindTitle(code: string): string {
  const title = kindOf(code)?.title ?? gateKindOf(code)?.title ?? code
  return `${title.slice(0, 1).toLowerCase()}${title.slice(1)}`
}

function namedByAll(named: Named): Named {
  return { uuid: named.uuid, name: nameOf(named) }
}
