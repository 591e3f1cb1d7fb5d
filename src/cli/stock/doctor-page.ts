import { formatDuration } from '../../platform/text/duration.ts'
import type { DiagnosedHost, Diagnosis, ReportState } from '../../stock-pool/operate/diagnose.ts'
import type { Finding } from '../../stock-pool/operate/findings.ts'
import type { Tone } from '../screen/paint.ts'
import { cutMiddle, escaped, folded, padded } from '../screen/screen-text.ts'
import type { Page } from '../screen/sr-lines.ts'

const VERDICTS = {
  protected: { tone: 'good', word: 'PROTECTED', text: 'a guard acts, and it can block reboots' },
  'not-protected': { tone: 'bad', word: 'NOT PROTECTED', text: 'nothing will block a reboot in a resync' },
  unknown: { tone: 'unsure', word: 'NOT KNOWN', text: 'it cannot be seen whether a guard acts' },
} as const satisfies Record<Diagnosis['verdict'], { tone: Tone; word: string; text: string }>

const TONES = { failure: 'bad', unclear: 'unsure', warning: 'unsure', note: 'faint' } as const
const NAME_COLUMNS = 20
/** Of the labels at the left. */
const LABEL_COLUMNS = 14

/** The page of `doctor`. @param now by the clock of the coordinator */
export function diagnosisLines(diagnosis: Diagnosis, now: number, page: Page): string[] {
  const { tone, word, text } = VERDICTS[diagnosis.verdict]
  return [
    `${page.paint(tone, word)}: ${text}`,
    '',
    ...sentinelLines(diagnosis, page),
    ...labelled(
      'Task',
      diagnosis.isBlocking ? 'exists: no host may reboot or shut down' : 'does not exist: nothing is blocked',
      page,
    ),
    ...labelled('guard', guardText(diagnosis, now), page),
    '',
    ...hostLines(diagnosis, page),
    ...(diagnosis.findings.length === 0 ? [] : ['']),
    ...diagnosis.findings.flatMap(each => findingLines(each, page)),
  ]
}

function sentinelLines({ sentinels, hosts }: Diagnosis, page: Page): string[] {
  if (sentinels.length === 0) return labelled('sentinel SR', 'none', page)
  return sentinels.flatMap(({ name, uuid, clustered, pluggedOn }) => {
    const words = clustered ? 'clustered' : 'NOT clustered'
    const text = `${cutMiddle(escaped(name), 30)} (${uuid.slice(0, 8)}…): ${words}, plugged on ${pluggedOn.length} of ${hosts.length} hosts`
    return labelled('sentinel SR', text, page)
  })
}

function guardText({ guard }: Diagnosis, now: number): string {
  switch (guard.state) {
    case 'never':
      return 'none'
    case 'unclear':
      return `not known: ${guard.why}`
    case 'acts':
    case 'silent': {
      const { machine, version, atMs } = guard.heartbeat
      const age = `last heartbeat ${formatDuration((now - atMs) / 1_000)} ago`
      return `${guard.state === 'acts' ? 'acts' : 'does NOT act'} on ${escaped(machine)}, version ${escaped(version)}, ${age}`
    }
  }
}

function labelled(label: string, text: string, { columns }: Page): string[] {
  const [first = '', ...more] = folded(text, 0, columns - LABEL_COLUMNS)
  return [`${label.padEnd(LABEL_COLUMNS)}${first}`, ...more.map(line => ' '.repeat(LABEL_COLUMNS) + line.trim())]
}

function hostLines({ hosts }: Diagnosis, page: Page): string[] {
  const head = `${'host'.padEnd(NAME_COLUMNS)}  ${'live'.padEnd(5)}  enabled  ${'sentinel'.padEnd(9)}  last report`
  return [page.paint('faint', head), ...hosts.flatMap(host => linesOfHost(host, page))]
}

function linesOfHost({ name, isCoordinator, live, enabled, sentinel, reports }: DiagnosedHost, page: Page): string[] {
  const label = isCoordinator
    ? `${cutMiddle(escaped(name), NAME_COLUMNS - 2)} *`
    : cutMiddle(escaped(name), NAME_COLUMNS)
  const cells = [
    padded(label, NAME_COLUMNS),
    (live === null ? '?' : live ? 'yes' : 'NO').padEnd(5),
    (enabled ? 'yes' : 'no').padEnd(7),
    (sentinel === 'no-pbd' ? 'no PBD' : sentinel).padEnd(9),
  ]
  const left = `${cells.join('  ')}  `
  const [first, second] = reports
  if (second !== undefined) {
    return [`${left}of ${reports.length} SRs:`, ...reports.map(report => reportOfSr(report, page))]
  }
  return [`${left}${first === undefined ? 'none' : reportText(first)}`]
}

function reportOfSr(report: ReportState, { columns }: Page): string {
  const text = reportText(report)
  return `    SR ${cutMiddle(escaped(report.sr.name), columns - text.length - 10)}  ${text}`
}

function reportText({ state, ageMs }: ReportState): string {
  return ageMs === null ? state : `${state}, ${formatDuration(ageMs / 1_000)} ago`
}

function findingLines({ severity, text, remedy }: Finding, page: Page): string[] {
  const lines = folded(`${severity}: ${escaped(text)}`, 0, page.columns)
  const [first = '', ...more] = lines
  const painted = first.replace(severity, page.paint(TONES[severity], severity))
  return [painted, ...more, ...(remedy === null ? [] : folded(escaped(remedy), 2, page.columns))]
}

/** The keys of `doctor --json`. */
export function diagnosisDocument(diagnosis: Diagnosis): Readonly<Record<string, unknown>> {
  const { verdict, sentinels, isBlocking, guard, hosts, findings } = diagnosis
  const heartbeat = 'heartbeat' in guard ? guard.heartbeat : null
  return {
    verdict,
    sentinels,
    blocking: isBlocking,
    guard: {
      state: guard.state,
      machine: heartbeat?.machine ?? null,
      version: heartbeat?.version ?? null,
      heartbeatAt: heartbeat === null ? null : new Date(heartbeat.atMs).toISOString(),
    },
    hosts: hosts.map(({ uuid, name, isCoordinator, enabled, live, sentinel, reports, clockAheadMs }) => ({
      uuid,
      name,
      coordinator: isCoordinator,
      enabled,
      live,
      sentinel,
      reports: reports.map(({ sr, state, ageMs }) => ({
        sr,
        state,
        ageSeconds: ageMs === null ? null : ageMs / 1_000,
      })),
      clockAheadSeconds: clockAheadMs === null ? null : clockAheadMs / 1_000,
    })),
    findings,
  }
}
