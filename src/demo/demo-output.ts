import type { HostOperation } from '../allowed-operations/pool/host-operation.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { roundedJson } from '../platform/json/rounded-json.ts'
import { progressBar } from '../platform/text/progress-bar.ts'
import { describe } from '../sync-query/reason/reason.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Transition } from '../sync-query/transition.ts'
import type { OperationsChange } from '../updater/decision-events.ts'
import type { DemoTerminal } from './demo-terminal.ts'

/** Prints what happens in the demo, for people or for programs. */
export interface DemoOutput {
  transition(hostname: string, transition: Transition, status: SrStatus): void
  operations(hostname: string, change: OperationsChange): void
  /**
   * Prints one fact, such as an answer of XenAPI.
   * @param details the fact as JSON keys, for programs
   * @param lines more about the fact, for people
   */
  note(text: string, details: Readonly<Record<string, unknown>>, lines?: readonly string[]): void
  /** Prints how far the resync of each host is. */
  progress(hosts: readonly { readonly hostname: string; readonly status: Progress | null }[]): void
}

type Progress = Pick<SrStatus, 'state' | 'progress' | 'etaSeconds'>

/** Prints one JSON object per line; README lists its keys. */
export function jsonOutput({ stdout }: DemoTerminal): DemoOutput {
  const print = (line: Readonly<Record<string, unknown>>) => stdout.write(`${roundedJson({ schema: 1, ...line })}\n`)
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
            .map(operation => [operation, refusalOf(verdicts[operation])] as const)
            .filter(([, refusal]) => refusal !== null),
        ),
      }),
    note: (text, details) => print({ event: 'note', at: iso(Date.now()), text, ...details }),
    progress: () => undefined,
  }
}

/** Prints sentences, and on a terminal a progress bar that is redrawn in place. */
export function textOutput({ stdout }: DemoTerminal, pool: () => PoolSnapshot): DemoOutput {
  const onTerminal = stdout.isTTY === true
  let barsOnScreen = 0
  const lastTenth = new Map<string, number>()
  const eraseBars = () => {
    if (barsOnScreen > 0) stdout.write(`\x1b[${barsOnScreen}A\x1b[J`)
    barsOnScreen = 0
  }
  const print = (line: string) => {
    eraseBars()
    stdout.write(`${line}\n`)
  }
  return {
    transition: (hostname, { at, kind }, { reasons }) => {
      print(`${timeOfDay(at)}  ${hostname}  ${TRANSITION_TITLES[kind]}`)
      for (const reason of reasons.slice(0, 3)) print(`            ${describe(reason)}`)
      if (reasons.length > 3) print(`            and ${reasons.length - 3} more`)
    },
    operations: (hostname, { at, left, returned, verdicts }) => {
      const shown = (operations: readonly HostOperation[]) => operations.filter(each => SHOWN.has(each)).join(', ')
      if (shown(returned) !== '') print(`${timeOfDay(at)}  ${hostname}  allowed again: ${shown(returned)}`)
      if (shown(left) === '') return
      print(`${timeOfDay(at)}  ${hostname}  no longer allowed: ${shown(left)}`)
      const [first] = left.filter(each => SHOWN.has(each))
      if (first === undefined) return
      for (const sentence of sentences(verdicts[first], pool())) print(`            because ${sentence}`)
    },
    note: (text, _details, lines = []) => {
      print(`${timeOfDay(Date.now())}  ${text}`)
      for (const line of lines) print(`            ${line}`)
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
        if (onTerminal) barsOnScreen += 1
        else if (lastTenth.get(hostname) === tenth) continue
        lastTenth.set(hostname, tenth)
        stdout.write(`${line}\n`)
      }
    },
  }
}

const TRANSITION_TITLES: { readonly [Kind in Transition['kind']]: string } = {
  'resync-started': 'resync started',
  'resync-finished': 'resync finished, in sync',
  degraded: 'degraded',
  recovered: 'in sync',
  unknown: 'unknown',
  stalled: 'resync stalled',
  paused: 'resync paused',
}

/** The operations that text output shows: those that take a host down. */
const SHOWN: ReadonlySet<HostOperation> = new Set(['reboot', 'shutdown'])

type Verdict = OperationsChange['verdicts'][HostOperation]

function refusalOf(
  verdict: Verdict,
): { readonly error: readonly string[]; readonly storage: readonly GateReason[] } | null {
  return verdict.allowed ? null : { error: verdict.error, storage: verdict.reasons }
}

function sentences(verdict: Verdict, pool: PoolSnapshot): string[] {
  if (verdict.allowed) return []
  if (verdict.reasons.length === 0) return [verdict.error.join(' ')]
  return verdict.reasons.map(reason => describeGate(reason, pool))
}

function timeOfDay(at: number): string {
  return new Date(at).toISOString().slice(11, 22)
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
