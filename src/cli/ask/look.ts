import type { GateAnswer, MirrorsAnswer } from '../../agent-api/answers.ts'
import type { Report } from '../../sync-query/report/report.ts'
import { GateView } from '../screen/gate-view.ts'
import type { AgentTalk, Told } from './agent-talk.ts'

/** An SR as this host's agent sees it. */
export interface SrLook {
  readonly report: Report
  readonly mirrors: MirrorsAnswer
}

/** Everything that an operator's question is answered from. */
export interface Look {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly srs: readonly SrLook[]
  /** The coordinator may be away while the agent is well. */
  readonly gate: Told<GateAnswer>
}

/** All SRs that this host watches, and the gate. */
export async function lookAtAll(talk: AgentTalk, now: () => number): Promise<Told<Look>> {
  const [srs, gate] = await Promise.all([lookAtSrs(talk), talk.gate()])
  if (!srs.ok) return srs
  return { ok: true, value: { at: now(), srs: asTheGateSees(srs.value, gate), gate } }
}

/** What these SRs say of themselves, corrected by what the gate knows of their other halves. */
export function asTheGateSees(srs: readonly SrLook[], gate: Told<GateAnswer>): readonly SrLook[] {
  if (!gate.ok) return srs
  return srs.map(({ report, mirrors }) => {
    const view = new GateView(gate.value, report.host, report.sr)
    return {
      report: { ...report, reasons: report.reasons.map(each => view.of(each)) },
      mirrors: {
        ...mirrors,
        mirrors: mirrors.mirrors.map(each => ({ ...each, reasons: each.reasons.map(reason => view.of(reason)) })),
      },
    }
  })
}

/** All SRs that this host watches, by their UUIDs. */
export async function lookAtSrs(talk: AgentTalk): Promise<Told<readonly SrLook[]>> {
  const listed = await talk.srs()
  if (!listed.ok) return listed
  const looks: SrLook[] = []
  for (const sr of listed.value.map(each => each.sr).sort()) {
    const [report, mirrors] = await Promise.all([talk.report(sr), talk.mirrors(sr)])
    if (report.ok && mirrors.ok) looks.push({ report: report.value, mirrors: mirrors.value })
    // One that is not watched any more was taken off the configuration between the questions.
    for (const told of [report, mirrors]) if (!told.ok && told.problem.code !== 'notWatched') return told
  }
  return { ok: true, value: looks }
}
