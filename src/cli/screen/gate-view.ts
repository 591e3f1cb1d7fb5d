import type { GateAnswer } from '../../agent-api/answers.ts'
import { isHeldBackByPeer } from '../../sync-query/reason/resync-waiting.ts'
import type { ReportReason } from '../../sync-query/report/report.ts'

type Correctable = Pick<ReportReason, 'code' | 'mirror' | 'peer' | 'word' | 'clearedBy' | 'waitsFor'>

/**
 * What this host says of its mirrors, in the light of what the gate says of the same: of a connection each host sees its own half,
 * and the gate both. A host that is Connecting while its peer has given up (StandAlone) says for ever that it clears by itself.
 * The stricter view holds, as the gate's may be some seconds old; but what holds a resync back on the peer, this host only guesses.
 */
export class GateView {
  readonly #known = new Map<string, ReportReason>()

  /** @param host UUID of this host @param sr UUID of the SR */
  constructor(gate: GateAnswer | null, host: string, sr: string) {
    // Every host of the SR is told the same reasons.
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
