import type { GateHostAnswer, Named } from '../../agent-api/answers.ts'
import { formatDuration } from '../../platform/text/duration.ts'
import { percentOf } from '../../platform/text/progress-bar.ts'
import type { Answer, AskProblem } from '../ask/agent-queries.ts'
import { knownSrs, labelOf, namedBy, nameOf } from '../ask/names.ts'
import type { Overview, SrOverview } from '../ask/overview.ts'
import { srDocument } from '../ask/sr-document.ts'
import { blockedOperations, blockingTexts, type StorageVerdict, storageVerdict } from '../screen/gate-lines.ts'
import { escaped } from '../screen/screen-text.ts'
import { mirrorCounts, sentence } from '../screen/sr-lines.ts'

/** One change between two overviews. */
export type WatchEvent =
  | { readonly event: 'agent'; readonly problem: AskProblem | null }
  | { readonly event: 'gate'; readonly problem: AskProblem | null }
  | { readonly event: 'sr'; readonly overview: SrOverview; readonly sr: Named }
  | { readonly event: 'host'; readonly host: GateHostAnswer; readonly storage: StorageVerdict }

/** Finds the changes from one overview to the next. Progress counts as a change in whole steps only. */
export class WatchEvents {
  readonly #stepsOfProgress: number
  readonly #answer = new Map<string, string>()

  /** @param stepsOfProgress how many progress changes one whole resync makes */
  constructor(stepsOfProgress: number) {
    this.#stepsOfProgress = stepsOfProgress
  }

  take(answer: Answer<Overview>): WatchEvent[] {
    const events: WatchEvent[] = []
    const compare = (key: string, state: unknown, event: WatchEvent, first: 'emit' | 'keep' = 'emit') => {
      const text = JSON.stringify(state)
      const before = this.#answer.get(key)
      this.#answer.set(key, text)
      if (before === text || (before === undefined && first === 'keep')) return
      events.push(event)
    }
    const problem = answer.ok ? null : answer.problem
    // By the code alone: while an agent stops, each call may fail with another text.
    compare('agent', problem?.code ?? null, { event: 'agent', problem }, problem === null ? 'keep' : 'emit')
    if (!answer.ok) return events
    const { srs, gate } = answer.value
    const known = knownSrs({ srs, gate })
    for (const overview of srs)
      compare(`sr ${overview.report.sr}`, this.#keyOfSr(overview), {
        event: 'sr',
        overview,
        sr: namedBy(overview.report.sr, known),
      })
    const gateProblem = gate.ok ? null : gate.problem
    compare('gate', gateProblem?.code ?? null, { event: 'gate', problem: gateProblem }, gate.ok ? 'keep' : 'emit')
    for (const host of gate.ok ? gate.value.hosts : []) {
      const storage = storageVerdict(host)
      const reasons = host.reasons.map(({ code, host: about, sr }) => [code, about.uuid, sr.uuid])
      const compared = [storage, host.live, host.enabled, blockedOperations(host), reasons]
      compare(`host ${host.uuid}`, compared, { event: 'host', host, storage })
    }
    return events
  }

  #keyOfSr({ report }: SrOverview): unknown {
    const { state, since, mirrors, progress, reasons } = report
    const step = progress === null ? null : Math.floor(progress * this.#stepsOfProgress)
    return [
      state,
      since,
      mirrors,
      step,
      reasons.map(({ code, mirror, peer, clearedBy }) => [code, mirror, peer, clearedBy]),
    ]
  }
}

/** The event as `watch --json` prints it. */
export function eventDocument(change: WatchEvent): Readonly<Record<string, unknown>> {
  const { event } = change
  switch (event) {
    case 'agent':
    case 'gate':
      return { event, problem: change.problem }
    case 'sr':
      return { event, ...srDocument(change.overview.report) }
    case 'host': {
      const { uuid, name, live, enabled, operations, reasons, override } = change.host
      return { event, host: uuid, name, live, enabled, storage: change.storage, operations, reasons, override }
    }
  }
}

/** The event as one line for people. @param now milliseconds since 1970 */
export function eventLine(change: WatchEvent, now: number): string {
  return `${new Date(now).toISOString().slice(11, 19)}  ${escaped(words(change))}`
}

function words(change: WatchEvent): string {
  switch (change.event) {
    case 'agent':
      return change.problem?.text ?? 'the agent answers again'
    case 'gate':
      return change.problem === null ? 'the gate answers again' : `the gate cannot be reached: ${change.problem.text}`
    case 'sr':
      return srSentence(change.overview, change.sr)
    case 'host':
      return hostSentence(change.host, change.storage)
  }
}

function srSentence({ report }: SrOverview, named: Named): string {
  const { state, progress, etaSeconds, reasons } = report
  const far = progress === null ? '' : `, ${percentOf(progress)} %`
  const left = etaSeconds === null ? '' : `, about ${formatDuration(etaSeconds)} left`
  const [first] = reasons
  const why = state === 'synced' || first === undefined ? '' : `; ${sentence(first)}`
  return `SR ${labelOf(named)} ${state}${far}${left}; ${mirrorCounts(report)}${why}`
}

function hostSentence(host: GateHostAnswer, storage: StorageVerdict): string {
  switch (storage) {
    case 'free':
      return `${nameOf(host)}: allowed by storage`
    case 'overridden':
      return `${nameOf(host)}: allowed by override, blocked by storage`
    case 'blocked': {
      const [first] = blockingTexts([host])
      return `${nameOf(host)}: blocked${first === undefined ? '' : `, because ${first}`}`
    }
  }
}
