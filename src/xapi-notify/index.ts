/** Speaks XenAPI as a client: calls, events, reports into PBDs, messages and tasks about resyncs. */
export { XenApiClient, type XenApiClientOptions } from './client.ts'
export { XenApiError, XenApiUnreachable } from './errors.ts'
export { followPool, type PoolChanges } from './events.ts'
export { ReportSink } from './report-sink.ts'
export { type NotifierOptions, type NotifierProblem, ResyncNotifier } from './resync-notifier.ts'
export { watchPool } from './watch-pool.ts'
