import type { Report } from '../sync-query/report/report.ts'
import { encodeReport } from '../sync-query/report/report-encode.ts'
import { XenApiError } from '../xenapi-client/errors.ts'
import type { PbdReports } from './pbd-reports.ts'
import type { ReportSink } from './report-pusher.ts'

/** The report that this host last wrote into one of its PBDs. */
export interface WrittenReport {
  readonly sr: string
  /** Ref of the PBD. */
  readonly pbd: string
  /** `null` while it is being written. */
  readonly text: string | null
}

/** Writes this host's reports into the PBDs that connect it with its SRs. Finds each PBD once, and again after an error. */
export class PbdReportSink implements ReportSink {
  readonly #reports: PbdReports
  readonly #written = new Map<string, WrittenReport>()

  constructor(reports: PbdReports) {
    this.#reports = reports
  }

  async push(report: Report): Promise<void> {
    const { host, sr } = report
    const pbd = this.#written.get(sr)?.pbd ?? (await this.#reports.findPbd(host, sr))
    if (pbd === null) throw new Error(`host ${host} has no PBD for SR ${sr}`)
    const text = encodeReport(report)
    this.#written.set(sr, { sr, pbd, text: null })
    try {
      await this.#reports.pushReport(pbd, text)
      this.#written.set(sr, { sr, pbd, text })
    } catch (error) {
      // The PBD may have been destroyed and created again.
      if (error instanceof XenApiError) this.#written.delete(sr)
      throw error
    }
  }

  /** The reports of this host that the pool's database should contain. */
  written(): readonly WrittenReport[] {
    return [...this.#written.values()]
  }

  /** Forgets the PBD of an SR, so that the next push finds it again. */
  forget(sr: string): void {
    this.#written.delete(sr)
  }
}
