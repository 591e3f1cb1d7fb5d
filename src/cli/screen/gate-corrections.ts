import type { GateAnswer } from '../../agent-api/answers.ts'
import { isHeldBackByPeer } from '../../sync-query/reason/resync-waiting.ts'
import type { ReportReason } from '../../sync-query/report/report.ts'

type Correctable = Pick<ReportReason, 'code' | 'mirror' | 'peer' | 'word' | 'clearedBy' | 'waitsFor'>

/**
 * Corrects the reasons that this host gives for its mirrors by the gate's. A host sees one end of a connection, the gate sees both: a
 * host that is Connecting cannot know that its peer has given up (StandAlone), so it reports for ever that the reason clears by itself.
 * The stricter of both counts, because the gate's may be some seconds old. The exception is what holds a resync back on the peer,
 * which this host only guesses.
 */
export class GateCorrections {
  readonly #known = new Map<string, ReportReason>()

  /** @param host UUID of this host @param sr UUID of the SR */
  constructor(gate: GateAnswer | null, host: string, sr: string) {
    // Every host of the SR has the same reasons.
    for (const { reasons } of gate?.hosts ?? []) {
      for (const { host: about, sr: its, mirrorReasons = [] } of reasons) {
        if (about.uuid !== host || its.uuid !== sr) continue
        for (const each of mirrorReasons) this.#known.set(keyOf(each), each)
      }
    }
  }

  of<Own extends Correctable>(reason: Own): Own {
    const known = this.#known.get(keyOf(reason))
    if (known === undefined || known.clearedBy === reason.clearedBy) return reason
    const { waitsFor: _, ...rest } = reason
    if (known.clearedBy === 'time') return isHeldBackByPeer(reason) ? ({ ...rest, clearedBy: 'time' } as Own) : reason
    return { ...reason, clearedBy: known.clearedBy, ...(known.waitsFor && { waitsFor: known.waitsFor }) }
  }
}

function keyOf({ code, mirror, peer = '' }: Correctable): string {
  return `${code} ${mirror} ${peer}`
}
