import type { GateHostAnswer, MirrorAnswer, Named } from '../../agent-api/answers.ts'
import { progressBar } from '../../platform/text/progress-bar.ts'
import { SYNC_STATES } from '../../sync-query/state.ts'
import type { Answer, AskProblem } from '../ask/agent-queries.ts'
import { knownSrs, labelOf, namedBy, nameOf } from '../ask/names.ts'
import type { Overview, SrOverview } from '../ask/overview.ts'
import { blockedOperations, blockingTexts, storageVerdict } from '../screen/gate-lines.ts'
import { formatSince } from '../screen/moments.ts'
import { TONE_OF_STATE, type Tone } from '../screen/paint.ts'
import { cutEnd, cutMiddle, escaped, padded } from '../screen/screen-text.ts'
import { isCopying, mirrorCounts, type Page, sentence } from '../screen/sr-lines.ts'
import type { SteadyProgress } from '../screen/steady-progress.ts'

/** Columns that a bar with its estimate takes. */
const BAR_COLUMNS = 63

/** A line without colours: a line is cut before it is painted, so that no escape sequence is cut. */
interface Row {
  readonly text: string
  readonly tone?: Tone
}

/** The lines of one frame. There are `rows` at most, because a line that scrolls away would stay on the screen. */
export function watchFrame(answer: Answer<Overview>, steady: SteadyProgress, page: Page, rows: number): string[] {
  const head: Row = {
    text: `resync-monitor  ${new Date(page.now).toISOString().slice(11, 19)} UTC  Ctrl-C ends`,
    tone: 'faint',
  }
  const body = answer.ok ? overviewRows(answer.value, steady, page, rows - 1) : problemRows(answer.problem)
  steady.endFrame()
  return [head, ...body].slice(0, rows).map(({ text, tone }) => {
    // The last column stays free: in it a terminal defers the line break, and erasing the rest of the line would erase the character.
    const cut = cutEnd(text, page.columns - 1)
    return tone === undefined ? cut : page.paint(tone, cut)
  })
}

function problemRows({ text }: AskProblem): Row[] {
  return [{ text: escaped(text), tone: 'unsure' }, { text: 'Retrying every second.' }]
}

function overviewRows({ srs, gate }: Overview, steady: SteadyProgress, page: Page, rows: number): Row[] {
  const hosts = gate.ok ? gate.value.hosts : []
  const known = knownSrs({ srs, gate })
  const hostRows: Row[] = gate.ok
    ? [
        ...hosts.map(host => hostRow(host, page)),
        ...blockingTexts(hosts).map((text): Row => ({ text: `  because ${escaped(text)}` })),
      ]
    : [{ text: `The gate cannot be reached: ${escaped(gate.problem.text)}`, tone: 'faint' }]
  const shownHosts = shortened(hostRows, Math.max(2, Math.floor(rows / 3)), 'lines')
  const rowsLeft = rows - shownHosts.length - 1
  const eachSr = Math.floor(rowsLeft / Math.max(1, srs.length))
  const srRows =
    srs.length === 0
      ? [{ text: 'This host watches no SR.' }]
      : srs.flatMap(sr => rowsOfSr(sr, namedBy(sr.report.sr, known), steady, page, eachSr))
  return [...shortened(srRows, rowsLeft, 'lines'), { text: '' }, ...shownHosts]
}

function rowsOfSr(
  { report, mirrors }: SrOverview,
  named: Named,
  steady: SteadyProgress,
  page: Page,
  rows: number,
): Row[] {
  const { sr, state, since } = report
  const head: Row[] = [
    { text: `SR ${escaped(labelOf(named))}  ${state} for ${formatSince(since, page.now)}`, tone: TONE_OF_STATE[state] },
    { text: `  ${mirrorCounts(report)}` },
  ]
  const progress = steady.of(sr, since, isCopying(report) ? report.progress : null)
  if (isCopying(report)) head.push({ text: `  ${progressBar(progress, report.etaSeconds)}`, tone: 'moving' })
  // Every mirror keeps its progress, also one that does not fit into this frame.
  const all = mirrors.mirrors.toSorted(worstFirst).map(mirror => mirrorRow(mirror, sr, steady, page))
  const left = mirrors.omitted
  const rowsLeft = Math.max(1, rows - head.length)
  const fitting =
    left > 0
      ? [...all.slice(0, rowsLeft - 1), { text: `  and ${left + Math.max(0, all.length - rowsLeft + 1)} more` }]
      : all
  return [...head, ...shortened(fitting, rowsLeft, 'mirrors')]
}

function mirrorRow(mirror: MirrorAnswer, sr: string, steady: SteadyProgress, page: Page): Row {
  const { state, since, etaSeconds, reasons } = mirror
  const nameColumns = Math.min(40, Math.max(12, page.columns - BAR_COLUMNS - 4))
  const name = padded(cutMiddle(escaped(mirror.mirror), nameColumns), nameColumns)
  const progress = steady.of(`${sr} ${mirror.mirror}`, since, state === 'resyncing' ? mirror.progress : null)
  const isMoving = state === 'resyncing' && (progress !== null || reasons.some(({ code }) => code === 'resync-running'))
  if (isMoving) return { text: `  ${name}  ${progressBar(progress, etaSeconds)}`, tone: 'moving' }
  const [first] = reasons
  const why = first === undefined ? '' : `  ${escaped(sentence(first).replace(`${mirror.mirror} `, ''))}`
  return { text: `  ${name}  ${state}${why}`, tone: TONE_OF_STATE[state] }
}

function hostRow(host: GateHostAnswer, { columns }: Page): Row {
  const name = cutMiddle(escaped(nameOf(host)), Math.floor(columns / 2))
  const liveness = host.live ? '' : ' (down)'
  switch (storageVerdict(host)) {
    case 'free':
      return { text: `${name}${liveness}: allowed by storage`, tone: 'good' }
    case 'overridden':
      return { text: `${name}${liveness}: allowed by override, blocked by storage`, tone: 'unsure' }
    case 'blocked':
      return { text: `${name}${liveness}: blocked: ${blockedOperations(host).join(', ')}`, tone: 'bad' }
  }
}

function worstFirst(a: MirrorAnswer, b: MirrorAnswer): number {
  return SYNC_STATES.indexOf(a.state) - SYNC_STATES.indexOf(b.state) || a.mirror.localeCompare(b.mirror)
}

function shortened(rows: readonly Row[], max: number, what: string): Row[] {
  if (rows.length <= max) return [...rows]
  const kept = Math.max(0, max - 1)
  return [...rows.slice(0, kept), { text: `  and ${rows.length - kept} more ${what}` }].slice(0, Math.max(0, max))
}
