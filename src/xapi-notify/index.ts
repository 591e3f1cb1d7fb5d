export { XenApiClient } from './client.ts'
export { XenApiError, XenApiUnreachable } from './errors.ts'
export { followPool } from './events.ts'
export { ReportSink } from './report-sink.ts'
