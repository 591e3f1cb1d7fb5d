import type { GateAnswer, Named } from '../../agent-api/answers.ts'
import type { Told } from './agent-talk.ts'
import type { Look } from './look.ts'

/** The SRs that are known here, those of this host first. Only the gate knows names, and only of SRs that block. */
export function knownSrs({ srs, gate }: Look): Named[] {
  const known = new Map<string, Named>()
  for (const { report } of srs) known.set(report.sr, { uuid: report.sr, name: '' })
  for (const { sr } of gateReasons(gate)) known.set(sr.uuid, sr)
  return [...known.values()]
}

/** The hosts that are known here. */
export function knownHosts({ srs, gate }: Look): Named[] {
  const known = new Map<string, Named>()
  for (const { report } of srs) known.set(report.host, { uuid: report.host, name: '' })
  for (const { uuid, name } of gate.ok ? gate.value.hosts : []) known.set(uuid, { uuid, name })
  for (const { host } of gateReasons(gate)) known.set(host.uuid, host)
  return [...known.values()]
}

/** The one with this UUID, by its name where that is known. */
export function namedBy(uuid: string, known: readonly Named[]): Named {
  return known.find(each => each.uuid === uuid) ?? { uuid, name: '' }
}

function gateReasons(gate: Told<GateAnswer>) {
  return gate.ok ? gate.value.hosts.flatMap(({ reasons }) => reasons) : []
}
