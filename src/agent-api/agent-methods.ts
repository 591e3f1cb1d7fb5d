import type { Report } from '../sync-query/report/report.ts'
import { boundedReport, encodePollAnswer } from '../sync-query/report/report-encode.ts'
import type { ListedSr, MirrorsAnswer, UnwatchedAnswer } from './answers.ts'
import { MethodFailure, type MethodHandlers } from './serve-methods.ts'
import type { SyncWaiters } from './sync-waiters.ts'

/** What an agent knows of its host. */
export interface SyncAnswers {
  /** UUIDs of the SRs that it watches. */
  srs(): readonly string[]
  /** The report of an SR as of now; `null`: it does not watch that SR. */
  report(sr: string): Report | null
  /** The mirrors of an SR; `null` as above. */
  mirrors(sr: string): MirrorsAnswer | null
  /** What the host has that belongs to no SR. */
  unwatched(): UnwatchedAnswer
}

/** Returns the proof for the text of a report about an SR and the nonce of the request (poll-proof.ts). */
export type ProveReport = (sr: string, nonce: string, report: string) => string

/** A longer wait is usually a connection that its client has forgotten. A client can wait again. */
const MAX_WAIT_SECONDS = 300

/** The methods about the host itself, which every socket of the agent offers. */
export function agentMethods(
  answers: SyncAnswers,
  waiters: SyncWaiters,
  prove: ProveReport | undefined,
): MethodHandlers {
  const reportOf = (sr: string): Report => answers.report(sr) ?? notWatched(sr)
  return {
    'SR.list': () => watchedSrs(answers),
    'SR.sync_status': ({ sr }) => boundedReport(reportOf(sr)),
    'SR.mirrors': ({ sr }) => answers.mirrors(sr) ?? notWatched(sr),
    'SR.unwatched': () => answers.unwatched(),
    'SR.wait_synced': async ({ sr, timeoutSeconds }, signal) => {
      const report = await waiters.wait(sr, Math.min(timeoutSeconds, MAX_WAIT_SECONDS) * 1000, signal)
      if (report === 'too many') throw new MethodFailure('tooManyWaiters', 'too many requests already wait for an SR')
      return boundedReport(report ?? notWatched(sr))
    },
    ...(prove === undefined
      ? {}
      : {
          'SR.proven_report': ({ sr, nonce }) => {
            const report = encodePollAnswer(reportOf(sr))
            return { report, proof: prove(sr, nonce, report) }
          },
        }),
    report: ({ sr }) => encodePollAnswer(reportOf(sr)),
    status: () => statusText(answers),
  }
}

/** The state of every SR that the host watches, as JSON. */
export function statusText(answers: SyncAnswers): string {
  return JSON.stringify(watchedSrs(answers))
}

function watchedSrs(answers: SyncAnswers): readonly ListedSr[] {
  return answers.srs().map(sr => ({ sr, state: answers.report(sr)?.state ?? 'unknown' }))
}

function notWatched(sr: string): never {
  throw new MethodFailure('notWatched', 'this host does not watch that SR', { sr })
}
