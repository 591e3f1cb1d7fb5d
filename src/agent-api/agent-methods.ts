import { JSONRPCErrorCode, JSONRPCErrorException } from 'json-rpc-2.0'
import type { Report } from '../sync-query/report/report.ts'
import { boundedReport, encodePollAnswer } from '../sync-query/report/report-encode.ts'
import type { SyncState } from '../sync-query/state.ts'
import { AGENT_ERROR, type MirrorsAnswer, type UnwatchedAnswer } from './agent-protocol.ts'
import type { RpcMethod } from './json-rpc.ts'
import { isPollSecret } from './poll-proof.ts'
import type { SyncWaiters } from './sync-waiters.ts'

/** What can be asked of an agent. */
export interface SyncAnswers {
  /** UUIDs of the SRs that it watches. */
  srs(): readonly string[]
  /** What it says of one right now; `null`: it does not watch that SR. */
  report(sr: string): Report | null
  /** The mirrors of one; `null` as above. */
  mirrors(sr: string): MirrorsAnswer | null
  /** What the host has and no SR watches. */
  unwatched(): UnwatchedAnswer
}

/** A client that is cut off meanwhile may ask again; a connection that waits longer is one that was forgotten. */
const MAX_WAIT_SECONDS = 300

/** The methods that every socket of the agent offers (see agent-protocol.ts). */
export function agentMethods(
  answers: SyncAnswers,
  waiters: SyncWaiters,
  prove: ProveReport | undefined,
): Readonly<Record<string, RpcMethod>> {
  const reportOf = (params: unknown): Report => {
    const sr = srOf(params)
    return answers.report(sr) ?? notWatched(sr)
  }
  return {
    'SR.list': () => watchedSrs(answers),
    'SR.sync_status': params => boundedReport(reportOf(params)),
    'SR.mirrors': params => {
      const sr = srOf(params)
      return answers.mirrors(sr) ?? notWatched(sr)
    },
    'SR.unwatched': () => answers.unwatched(),
    'SR.wait_synced': async (params, signal) => {
      const sr = srOf(params)
      const report = await waiters.wait(sr, timeoutMsOf(params), signal)
      if (report !== 'too many') return report === null ? notWatched(sr) : boundedReport(report)
      throw new JSONRPCErrorException('too many wait already', AGENT_ERROR.tooManyWaiters)
    },
    ...(prove === undefined ? {} : { 'SR.proven_report': params => provenReport(reportOf(params), params, prove) }),
    report: params => encodePollAnswer(reportOf(params)),
    status: () => statusText(answers),
  }
}

/** The proof for the text of a report about an SR, with the nonce that was sent along (see poll-proof/index.ts). */
export type ProveReport = (sr: string, nonce: string, report: string) => string

function provenReport(report: Report, params: unknown, prove: ProveReport) {
  const nonce = typeof params === 'object' && params !== null && 'nonce' in params ? params.nonce : undefined
  if (!isPollSecret(nonce)) {
    throw new JSONRPCErrorException('the parameter nonce must be 64 hex digits', JSONRPCErrorCode.InvalidParams)
  }
  const text = encodePollAnswer(report)
  return { report: text, proof: prove(report.sr, nonce, text) }
}

/** Every SR that the host watches with its state, as the XenAPI plugin returns it. */
export function statusText(answers: SyncAnswers): string {
  return JSON.stringify(watchedSrs(answers))
}

function watchedSrs(answers: SyncAnswers): readonly { readonly sr: string; readonly state: SyncState }[] {
  return answers.srs().map(sr => ({ sr, state: answers.report(sr)?.state ?? 'unknown' }))
}

function srOf(params: unknown): string {
  if (typeof params === 'object' && params !== null && 'sr' in params && typeof params.sr === 'string') return params.sr
  throw new JSONRPCErrorException('the parameter sr (a UUID) is missing', JSONRPCErrorCode.InvalidParams)
}

function timeoutMsOf(params: unknown): number {
  const seconds = typeof params === 'object' && params !== null ? Reflect.get(params, 'timeoutSeconds') : undefined
  if (typeof seconds === 'number' && seconds >= 0) return Math.min(seconds, MAX_WAIT_SECONDS) * 1000
  throw new JSONRPCErrorException(
    'timeoutSeconds: must be a number, 0 or more (above 300 it is taken for 300)',
    JSONRPCErrorCode.InvalidParams,
  )
}

function notWatched(sr: string): never {
  throw new JSONRPCErrorException('this host does not watch that SR', AGENT_ERROR.notWatched, { sr })
}
