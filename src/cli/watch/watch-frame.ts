import type { GateHostAnswer, MirrorAnswer } from '../../agent-api/answers.ts'
import { progressBar } from '../../platform/text/progress-bar.ts'
import { SYNC_STATES } from '../../sync-query/state.ts'
import type { AskProblem, Told } from '../ask/agent-talk.ts'
import type { Look, SrLook } from '../ask/look.ts'
import { nameOf } from '../screen/cause.ts'
import { blockedOperations, blockingReasons, storageVerdict } from '../screen/gate-lines.ts'
import { saySince } from '../screen/moment-words.ts'
import { TONE_OF_STATE, type Tone } from '../screen/paint.ts'
import { cutEnd, cutMiddle, padded, shown } from '../screen/screen-text.ts'
import { isCopying, mirrorCounts, type Page, sentence } from '../screen/sr-lines.ts'
import type { SteadyProgress } from '../screen/steady-progress.ts'

/** Columns that a bar with its estimate takes. */
const BAR_COLUMNS = 63

/** A line before it is painted: colours take no columns, and a cut must not fall into one. */
interface Row {
  readonly text: string
  readonly tone?: Tone
}

/** What fills a terminal of so many rows, and not one more: a line that scrolled away would stay on the screen. */
export function watchFrame(told: Told<Look>, steady: SteadyProgress, page: Page, rows: number): string[] {
  const head: Row = {
    text: `resync-monitor  ${new Date(page.now).toISOString().slice(11, 19)} UTC  Ctrl-C ends`,
    tone: 'faint',
  }
  const body = told.ok ? lookRows(told.value, steady, page, rows - 1) : problemRows(told.problem)
  steady.endLook()
  return [head, ...body].slice(0, rows).map(({ text, tone }) => {
    // The last column stays free: a terminal that is there waits with the next line, and what erases the rest erases it.
    const cut = cutEnd(text, page.columns - 1)
    return tone === undefined ? cut : page.paint(tone, cut)
  })
}

function problemRows({ text }: AskProblem): Row[] {
  return [{ text: shown(text), tone: 'unsure' }, { text: 'It is asked again every second.' }]
}

function lookRows({ srs, gate }: Look, steady: SteadyProgress, page: Page, rows: number): Row[] {
  const hosts = gate.ok ? gate.value.hosts : []
  const hostRows: Row[] = gate.ok
    ? [
        ...hosts.map(host => hostRow(host, page)),
        ...blockingReasons(hosts).map(({ text }): Row => ({ text: `  because ${shown(text)}` })),
      ]
    : [{ text: `The gate could not be asked: ${shown(gate.problem.text)}`, tone: 'faint' }]
  const shownHosts = shortened(hostRows, Math.max(2, Math.floor(rows / 3)), 'lines')
  const room = rows - shownHosts.length - 1
  const eachSr = Math.floor(room / Math.max(1, srs.length))
  const srRows =
    srs.length === 0 ? [{ text: 'This host watches no SR.' }] : srs.flatMap(sr => rowsOfSr(sr, steady, page, eachSr))
  return [...shortened(srRows, room, 'lines'), { text: '' }, ...shownHosts]
}

function rowsOfSr({ report, mirrors }: SrLook, steady: SteadyProgress, page: Page, rows: number): Row[] {
  const { sr, state, since } = report
  const head: Row[] = [
    { text: `SR ${shown(sr)}  ${state} for ${saySince(since, page.now)}`, tone: TONE_OF_STATE[state] },
    { text: `  ${mirrorCounts(report)}` },
  ]
  const progress = steady.of(sr, since, isCopying(report) ? report.progress : null)
  if (isCopying(report)) head.push({ text: `  ${progressBar(progress, report.etaSeconds)}`, tone: 'moving' })
  // The steady figure of a mirror that does not fit is kept too: it may fit again.
  const all = mirrors.mirrors.toSorted(worstFirst).map(mirror => mirrorRow(mirror, sr, steady, page))
  const left = mirrors.omitted
  const room = Math.max(1, rows - head.length)
  const fitting =
    left > 0 ? [...all.slice(0, room - 1), { text: `  and ${left + Math.max(0, all.length - room + 1)} more` }] : all
  return [...head, ...shortened(fitting, room, 'mirrors')]
}

function mirrorRow(mirror: MirrorAnswer, sr: string, steady: SteadyProgress, page: Page): Row {
  const { state, since, etaSeconds, reasons } = mirror
  const nameColumns = Math.min(40, Math.max(12, page.columns - BAR_COLUMNS - 4))
  const name = padded(cutMiddle(shown(mirror.mirror), nameColumns), nameColumns)
  const progress = steady.of(`${sr} ${mirror.mirror}`, since, state === 'resyncing' ? mirror.progress : null)
  const isMoving = state === 'resyncing' && (progress !== null || reasons.some(({ code }) => code === 'resync-running'))
  if (isMoving) return { text: `  ${name}  ${progressBar(progress, etaSeconds)}`, tone: 'moving' }
  const [first] = reasons
  const said = first === undefined ? '' : `  ${shown(sentence(first).replace(`${mirror.mirror} `, ''))}`
  return { text: `  ${name}  ${state}${said}`, tone: TONE_OF_STATE[state] }
}

function hostRow(host: GateHostAnswer, { columns }: Page): Row {
  const name = cutMiddle(shown(nameOf(host)), Math.floor(columns / 2))
  const liveness = host.live ? '' : ' (down)'
  switch (storageVerdict(host)) {
    case 'free':
      return { text: `${name}${liveness}: storage lets it go`, tone: 'good' }
    case 'overridden':
      return { text: `${name}${liveness}: an override lets it go`, tone: 'unsure' }
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
