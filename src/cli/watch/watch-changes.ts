import type { GateHostAnswer } from '../../agent-api/answers.ts'
import { formatDuration } from '../../platform/text/duration.ts'
import { percentOf } from '../../platform/text/progress-bar.ts'
import type { AskProblem, Told } from '../ask/agent-talk.ts'
import type { Look, SrLook } from '../ask/look.ts'
import { srDocument } from '../ask/sr-document.ts'
import { nameOf } from '../screen/cause.ts'
import { blockedOperations, blockingReasons, type StorageVerdict, storageVerdict } from '../screen/gate-lines.ts'
import { shown } from '../screen/screen-text.ts'
import { mirrorCounts, sentence } from '../screen/sr-lines.ts'

/** Something that is not as it was at the look before. */
export type Change =
  | { readonly event: 'agent'; readonly problem: AskProblem | null }
  | { readonly event: 'gate'; readonly problem: AskProblem | null }
  | { readonly event: 'sr'; readonly look: SrLook }
  | { readonly event: 'host'; readonly host: GateHostAnswer; readonly storage: StorageVerdict }

/** Finds what is new, from one look to the next. Progress is news by whole steps only. */
export class WatchChanges {
  readonly #stepsOfProgress: number
  readonly #told = new Map<string, string>()

  /** @param stepsOfProgress how many times a resync's progress is told, from its beginning to its end */
  constructor(stepsOfProgress: number) {
    this.#stepsOfProgress = stepsOfProgress
  }

  take(told: Told<Look>): Change[] {
    const changes: Change[] = []
    const tell = (key: string, said: unknown, change: Change, first: 'tell' | 'keep' = 'tell') => {
      const text = JSON.stringify(said)
      const before = this.#told.get(key)
      this.#told.set(key, text)
      if (before === text || (before === undefined && first === 'keep')) return
      changes.push(change)
    }
    const problem = told.ok ? null : told.problem
    // Its code alone: while an agent stops, each look may fail in another way.
    tell('agent', problem?.code ?? null, { event: 'agent', problem }, problem === null ? 'keep' : 'tell')
    if (!told.ok) return changes
    const { srs, gate } = told.value
    for (const look of srs) tell(`sr ${look.report.sr}`, this.#keyOfSr(look), { event: 'sr', look })
    const gateProblem = gate.ok ? null : gate.problem
    tell('gate', gateProblem?.code ?? null, { event: 'gate', problem: gateProblem }, gate.ok ? 'keep' : 'tell')
    for (const host of gate.ok ? gate.value.hosts : []) {
      const storage = storageVerdict(host)
      const reasons = host.reasons.map(({ code, host: about, sr }) => [code, about.uuid, sr.uuid])
      const said = [storage, host.live, host.enabled, blockedOperations(host), reasons]
      tell(`host ${host.uuid}`, said, { event: 'host', host, storage })
    }
    return changes
  }

  #keyOfSr({ report }: SrLook): unknown {
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

/** The change as `watch --json` prints it. */
export function changeDocument(change: Change): Readonly<Record<string, unknown>> {
  const { event } = change
  switch (event) {
    case 'agent':
    case 'gate':
      return { event, problem: change.problem }
    case 'sr':
      return { event, ...srDocument(change.look.report) }
    case 'host': {
      const { uuid, name, live, enabled, operations, reasons, override } = change.host
      return { event, host: uuid, name, live, enabled, storage: change.storage, operations, reasons, override }
    }
  }
}

/** The change as one line for people. @param now milliseconds since 1970 */
export function changeLine(change: Change, now: number): string {
  return `${new Date(now).toISOString().slice(11, 19)}  ${shown(words(change))}`
}

function words(change: Change): string {
  switch (change.event) {
    case 'agent':
      return change.problem?.text ?? 'the agent answers again'
    case 'gate':
      return change.problem === null ? 'the gate answers again' : `the gate could not be asked: ${change.problem.text}`
    case 'sr':
      return srWords(change.look)
    case 'host':
      return hostWords(change.host, change.storage)
  }
}

function srWords({ report }: SrLook): string {
  const { sr, state, progress, etaSeconds, reasons } = report
  const far = progress === null ? '' : `, ${percentOf(progress)} %`
  const left = etaSeconds === null ? '' : `, about ${formatDuration(etaSeconds)} left`
  const [first] = reasons
  const why = state === 'synced' || first === undefined ? '' : `; ${sentence(first)}`
  return `SR ${sr} ${state}${far}${left}; ${mirrorCounts(report)}${why}`
}

function hostWords(host: GateHostAnswer, storage: StorageVerdict): string {
  switch (storage) {
    case 'free':
      return `${nameOf(host)}: storage lets it go`
    case 'overridden':
      return `${nameOf(host)}: an override lets it go`
    case 'blocked': {
      const [first] = blockingReasons([host])
      return `${nameOf(host)}: blocked${first === undefined ? '' : `, because ${first.text}`}`
    }
  }
}
