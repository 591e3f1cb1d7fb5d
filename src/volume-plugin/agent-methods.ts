import { JSONRPCErrorCode, JSONRPCErrorException } from 'json-rpc-2.0'
import type { Report } from '../sync-query/report.ts'
import { encodePollAnswer } from '../sync-query/report-encode.ts'
import type { SyncState } from '../sync-query/state.ts'
import type { RpcMethod } from './json-rpc.ts'

/** What can be asked of an agent. */
export interface SyncAnswers {
  /** UUIDs of the SRs that it watches. */
  srs(): readonly string[]
  /** What it says of one right now; `null`: it does not watch that SR. */
  report(sr: string): Report | null
}

/** The code of "this host does not watch that SR"; JSON-RPC leaves -32000 and below to its users. */
const NOT_WATCHED = -32_001

/**
 * The methods of the agent's socket.
 * - `SR.list` `{}`: `[{ sr, state }]`
 * - `SR.sync_status` `{ sr }`: the report, as data
 * - `report` `{ sr }`: the report as the text that answers a poll, at most 64 KiB
 */
export function agentMethods(answers: SyncAnswers): Readonly<Record<string, RpcMethod>> {
  const reportOf = (params: unknown): Report => {
    const sr = srOf(params)
    const report = answers.report(sr)
    if (report === null) throw new JSONRPCErrorException('this host does not watch that SR', NOT_WATCHED, { sr })
    return report
  }
  return {
    'SR.list': () => watchedSrs(answers),
    'SR.sync_status': params => reportOf(params),
    report: params => encodePollAnswer(reportOf(params)),
  }
}

/** Every SR that the host watches, with its state. */
export function watchedSrs(answers: SyncAnswers): readonly { readonly sr: string; readonly state: SyncState }[] {
  return answers.srs().map(sr => ({ sr, state: answers.report(sr)?.state ?? 'unknown' }))
}

function srOf(params: unknown): string {
  if (typeof params === 'object' && params !== null && 'sr' in params && typeof params.sr === 'string') return params.sr
  throw new JSONRPCErrorException('the parameter sr (a UUID) is missing', JSONRPCErrorCode.InvalidParams)
}
