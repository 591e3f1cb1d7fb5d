import type { Report } from '../sync-query/report.ts'
import { encodeReport } from '../sync-query/report-encode.ts'
import { type ReportSink as PbdReports, XenApiError } from '../xapi-notify/index.ts'
import type { ReportSink } from './report-pusher.ts'

/** Pushes this host's reports into the PBDs that connect it with its SRs. PBDs are looked up once, and again in doubt. */
export class XapiSink implements ReportSink {
  readonly #reports: PbdReports
  readonly #pbds = new Map<string, string>()

  constructor(reports: PbdReports) {
    this.#reports = reports
  }

  async push(report: Report): Promise<void> {
    const pbd = this.#pbds.get(report.sr) ?? (await this.#reports.findPbd(report.host, report.sr))
    if (pbd === null) throw new Error(`host ${report.host} has no PBD for SR ${report.sr}`)
    this.#pbds.set(report.sr, pbd)
    try {
      await this.#reports.pushReport(pbd, encodeReport(report))
    } catch (error) {
      // The PBD may have been destroyed and made anew.
      if (error instanceof XenApiError) this.#pbds.delete(report.sr)
      throw error
    }
  }
}
