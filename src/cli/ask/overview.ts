import type { GateAnswer, MirrorsAnswer } from '../../agent-api/answers.ts'
import type { Report } from '../../sync-query/report/report.ts'
import { GateCorrections } from '../screen/gate-corrections.ts'
import type { AgentQueries, Answer } from './agent-queries.ts'

/** An SR as this host's agent sees it. */
export interface SrOverview {
  readonly report: Report
  readonly mirrors: MirrorsAnswer
}

/** What the shell commands answer from: the SRs of this host, and the gate. */
export interface Overview {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly srs: readonly SrOverview[]
  /** The coordinator may not answer although the agent does. */
  readonly gate: Answer<GateAnswer>
}

/** Asks the agent for all SRs that this host watches, and for the gate. */
export async function readOverview(agent: AgentQueries, now: () => number): Promise<Answer<Overview>> {
  const [srs, gate] = await Promise.all([readSrs(agent), agent.gate()])
  if (!srs.ok) return srs
  return { ok: true, value: { at: now(), srs: correctedByGate(srs.value, gate), gate } }
}

/** Corrects the reasons that these SRs report by what the gate knows from the other ends of their connections. */
export function correctedByGate(srs: readonly SrOverview[], gate: Answer<GateAnswer>): readonly SrOverview[] {
  if (!gate.ok) return srs
  return srs.map(({ report, mirrors }) => {
    const corrections = new GateCorrections(gate.value, report.host, report.sr)
    return {
      report: { ...report, reasons: report.reasons.map(each => corrections.of(each)) },
      mirrors: {
        ...mirrors,
        mirrors: mirrors.mirrors.map(each => ({
          ...each,
          reasons: each.reasons.map(reason => corrections.of(reason)),
        })),
      },
    }
  })
}

/** Asks for all SRs that this host watches, sorted by UUID. */
export async function readSrs(agent: AgentQueries): Promise<Answer<readonly SrOverview[]>> {
  const listed = await agent.srs()
  if (!listed.ok) return listed
  const overviews: SrOverview[] = []
  for (const sr of listed.value.map(each => each.sr).sort()) {
    const [report, mirrors] = await Promise.all([agent.report(sr), agent.mirrors(sr)])
    if (report.ok && mirrors.ok) overviews.push({ report: report.value, mirrors: mirrors.value })
    // An SR that is not watched any more was removed from the configuration between the calls.
    for (const answer of [report, mirrors]) if (!answer.ok && answer.problem.code !== 'notWatched') return answer
  }
  return { ok: true, value: overviews }
}
