import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { progressBar } from '../cli/screen/progress-bar.ts'
import type { Terminal } from '../cli/terminal.ts'
import { describe } from '../sync-query/reason/reason.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/sr-state/transition.ts'
import type { OperationsChange } from '../updater/decision-events.ts'

/** Everything that the demo has to tell, for people or for programs. */
export interface Account {
  transition(hostname: string, transition: Transition, status: SrStatus): void
  operations(hostname: string, change: OperationsChange): void
  /** Something was done or answered through XenAPI. @param why lines for people; `details` say the same for programs */
  note(text: string, details: Readonly<Record<string, unknown>>, why?: readonly string[]): void
  /** How far the resync of each host is. */
  progress(hosts: readonly { readonly hostname: string; readonly status: Progress | null }[]): void
}

type Progress = Pick<SrStatus, 'state' | 'progress' | 'etaSeconds'>

/** One JSON object per line; its keys are documented in the README. */
export function jsonAccount({ stdout }: Terminal): Account {
  const print = (line: Readonly<Record<string, unknown>>) => stdout.write(`${JSON.stringify({ schema: 1, ...line })}\n`)
  return {
    transition: (host, { at, kind, from, to }, { mirrors, reasons }) =>
      print({ event: 'transition', at: iso(at), host, transition: kind, from, to, mirrors, reasons }),
    operations: (host, { at, left, returned, allowed, verdicts }) =>
      print({
        event: 'allowed_operations',
        at: iso(at),
        host,
        left,
        returned,
        allowed_operations: allowed,
        reasons: Object.fromEntries(
          left
            .map(operation => [operation, why(verdicts[operation])] as const)
            .filter(([, reasons]) => reasons !== null),
        ),
      }),
    note: (text, details) => print({ event: 'note', at: iso(Date.now()), text, ...details }),
    progress: () => undefined,
  }
}

/** Sentences, and on a terminal a bar that moves in place. */
export function plainAccount({ stdout }: Terminal, pool: () => PoolSnapshot): Account {
  const onTerminal = stdout.isTTY === true
  let barsShown = 0
  const lastTenth = new Map<string, number>()
  const eraseBars = () => {
    if (barsShown > 0) stdout.write(`\x1b[${barsShown}A\x1b[J`)
    barsShown = 0
  }
  const say = (line: string) => {
    eraseBars()
    stdout.write(`${line}\n`)
  }
  return {
    transition: (hostname, { at, kind }, { reasons }) => {
      say(`${clock(at)}  ${hostname}  ${TRANSITION_WORDS[kind]}`)
      for (const reason of reasons.slice(0, 3)) say(`            ${describe(reason)}`)
      if (reasons.length > 3) say(`            and ${reasons.length - 3} more`)
    },
    operations: (hostname, { at, left, returned, verdicts }) => {
      const storage = (operations: readonly HostOperation[]) => operations.filter(each => TOLD.has(each)).join(', ')
      if (storage(returned) !== '') say(`${clock(at)}  ${hostname}  allowed again: ${storage(returned)}`)
      if (storage(left) === '') return
      say(`${clock(at)}  ${hostname}  no longer allowed: ${storage(left)}`)
      const [first] = left.filter(each => TOLD.has(each))
      if (first === undefined) return
      for (const sentence of sentences(verdicts[first], pool())) say(`            because ${sentence}`)
    },
    note: (text, _details, why = []) => {
      say(`${clock(Date.now())}  ${text}`)
      for (const line of why) say(`            ${line}`)
    },
    progress: hosts => {
      if (onTerminal) eraseBars()
      for (const { hostname, status } of hosts) {
        if (status?.state !== 'resyncing') {
          lastTenth.delete(hostname)
          continue
        }
        const line = `            ${hostname}  ${progressBar(status.progress, status.etaSeconds)}`
        const tenth = Math.floor((status.progress ?? 0) * 10)
        if (onTerminal) barsShown += 1
        else if (lastTenth.get(hostname) === tenth) continue
        lastTenth.set(hostname, tenth)
        stdout.write(`${line}\n`)
      }
    },
  }
}

const TRANSITION_WORDS: { readonly [Kind in Transition['kind']]: string } = {
  'resync-started': 'resync started',
  'resync-finished': 'resync finished, in sync',
  degraded: 'degraded',
  recovered: 'in sync',
  unknown: 'unknown',
  stalled: 'resync stalled',
  paused: 'resync paused',
}

/** What an operator who wants to take a host down looks for. */
const TOLD: ReadonlySet<HostOperation> = new Set(['reboot', 'shutdown'])

type Verdict = OperationsChange['verdicts'][HostOperation]

function why(verdict: Verdict): { readonly error: readonly string[]; readonly storage: readonly GateReason[] } | null {
  return verdict.allowed ? null : { error: verdict.error, storage: verdict.reasons }
}

function sentences(verdict: Verdict, pool: PoolSnapshot): string[] {
  if (verdict.allowed) return []
  if (verdict.reasons.length === 0) return [verdict.error.join(' ')]
  return verdict.reasons.map(reason => describeGate(reason, pool))
}

function clock(at: number): string {
  return new Date(at).toISOString().slice(11, 22)
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
