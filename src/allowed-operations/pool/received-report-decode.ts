import type { JsonNode } from '../../platform/json/json-node.ts'
import { parseReport } from '../../sync-query/report/report-parse.ts'
import { decodeMoment } from './json-moment.ts'
import type { HostSnapshot, ReceivedReport, SrSnapshot } from './pool-snapshot.ts'

const MAX_REPORTS = 65_536

/**
 * The reports of a what-if question: each as DESIGN section 5 has it, with `confirmed_at` where it was confirmed later
 * than it was made. They find their host and SR by uuid or ref. One that cannot be read is still what its host said, if
 * that much can be read of it; one of a host or SR that is not in the pool says nothing.
 */
export function decodeReceivedReports(
  node: JsonNode,
  hosts: readonly HostSnapshot[],
  srs: readonly SrSnapshot[],
): readonly ReceivedReport[] {
  if (node.absent) return []
  const hostRefs = refsByName(hosts)
  const srRefs = refsByName(srs)
  return node.list(MAX_REPORTS).flatMap(item => {
    const parsed = parseReport(item.value)
    const host = hostRefs.get(item.at('host').value)
    const sr = srRefs.get(item.at('sr').value)
    const confirmedAt = item.at('confirmed_at')
    const confirmedAtMs = confirmedAt.absent ? null : decodeMoment(confirmedAt)
    if (host === undefined || sr === undefined) return []
    if ('problem' in parsed) return { host, sr, confirmedAtMs: confirmedAtMs ?? 0, problem: parsed.problem }
    const { report } = parsed
    return { host, sr, confirmedAtMs: confirmedAtMs ?? Date.parse(report.at), report }
  })
}

function refsByName(
  records: readonly { readonly ref: string; readonly uuid?: string }[],
): ReadonlyMap<unknown, string> {
  const refs = new Map<unknown, string>()
  for (const { ref, uuid } of records) if (uuid !== undefined) refs.set(uuid, ref)
  for (const { ref } of records) refs.set(ref, ref)
  return refs
}
