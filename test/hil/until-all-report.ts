import type { Report } from '../../src/sync-query/report/report.ts'
import type { Lab } from './lab.ts'

/** Waits until every host of an SR reports this state. @throws NotInTime with the reported states */
export async function untilAllReport(lab: Lab, sr: string, state: Report['state']): Promise<void> {
  await lab.until(`all hosts report ${state}`, async () => {
    const reports = Object.entries(await lab.pool.reports(sr))
    const states = reports.map(([host, report]) => `${host} ${report?.state}`).join(', ')
    return reports.every(([, report]) => report?.state === state) || Promise.reject(new Error(states))
  })
}
