import type { GateAnswer, GateReasonAnswer, Named } from '../../agent-api/answers.ts'
import { firstName } from '../../allowed-operations/pool/find-by-name.ts'
import { gateRemedy, isGateBlocking, isGateReasonCode } from '../../allowed-operations/reason/gate-reason.ts'
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
import type { SrLook } from '../ask/look.ts'

/** One reason, with all that an operator needs to act on it. These are the keys that `explain --json` prints. */
export interface Cause {
  readonly code: string
  /** What gives it: a host about one of its mirrors, or the coordinator's gate. */
  readonly scope: 'mirror' | 'gate'
  /** False: a warning only. */
  readonly blocking: boolean
  /** The host it is about. */
  readonly host: Named
  readonly sr: Named
  readonly mirror: string | null
  readonly peer: string | null
  readonly since: string | null
  readonly clearedBy: 'time' | 'operator'
  readonly text: string
  /** `null`: a code that this version does not know. */
  readonly remedy: RemedyOnHosts | null
}

interface RemedyOnHosts {
  readonly text: string
  readonly warning: string | null
  readonly steps: readonly { readonly on: string; readonly commands: readonly string[] }[]
}

/** What the mirrors of an SR on this host say. */
export function causesOfMirrors({ report, mirrors }: SrLook, host: Named, sr: Named): Cause[] {
  const causes = mirrors.mirrors.flatMap(mirror =>
    mirror.reasons.map(reason => mirrorCause(reason, host, sr, mirror.since)),
  )
  // Of the SR as a whole, such as a source that is silent: no mirror says it.
  const said = new Set(causes.map(causeKey))
  const ofSr = report.reasons.map(reason => mirrorCause(reason, host, sr, report.since))
  return [...causes, ...ofSr.filter(cause => !said.has(causeKey(cause)))]
}

/** What the gate says, each once, however many hosts it blocks. */
export function causesOfGate(
  reasons: readonly GateReasonAnswer[],
  { coordinator }: Pick<GateAnswer, 'coordinator'>,
  ownHost: string | null,
): Cause[] {
  const causes = new Map<string, Cause>()
  for (const reason of reasons) {
    const cause = gateCause(reason, coordinator)
    causes.set(causeKey(cause), cause)
    // This host's own mirrors tell more of themselves.
    if (reason.host.uuid === ownHost) continue
    for (const each of reason.mirrorReasons ?? []) {
      const ofMirror = mirrorCause(each, reason.host, reason.sr, null, nameOf(reason.host))
      causes.set(causeKey(ofMirror), ofMirror)
    }
  }
  return [...causes.values()]
}

/**
 * What makes virtual disks unusable first, then what an operator must clear, warnings last; otherwise as they were told. That no
 * replica is current is the same fault on whichever host it was seen, and is told once.
 */
export function byUrgency(causes: readonly Cause[]): Cause[] {
  const rank = ({ code, blocking, clearedBy }: Cause) => urgencyOf(code, clearedBy, blocking)
  const told = new Set<string>()
  const once = causes.filter(({ code, sr, mirror }) => {
    if (kindOf(code)?.makesUnusable !== true) return true
    const key = JSON.stringify([sr.uuid, mirror])
    return !told.has(key) && told.add(key)
  })
  return once.toSorted((a, b) => rank(a) - rank(b))
}

function causeKey({ code, host, sr, mirror, peer }: Cause): string {
  return JSON.stringify([code, host.uuid, sr.uuid, mirror, peer])
}

/** @param here what the sentence calls the host that gives the reason, where that is another one than the reader's */
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
    // A warning may be younger than the state of its mirror.
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
  // DRBD 8.4 calls every peer so, and has no other name for it.
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

/** What people call it. */
export function nameOf({ uuid, name }: Named): string {
  return firstName(name, uuid)
}

function namedByAll(named: Named): Named {
  return { uuid: named.uuid, name: nameOf(named) }
}
