import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Clock } from '../../platform/time/clock.ts'
import { Events2Reader } from '../events2/events2-reader.ts'
import { Events2State } from '../events2/events2-state.ts'
import type { AbandonedProcesses } from './abandoned-processes.ts'
import { DrbdsetupChild, type DrbdsetupCommand } from './drbdsetup-child.ts'
import type { DrbdSourcePace } from './pace.ts'

export interface DumpOptions {
  readonly drbdsetup: DrbdsetupCommand
  readonly clock: Clock
  readonly pace: Pick<DrbdSourcePace, 'checkTimeoutMs' | 'killAfterMs' | 'abandonAfterMs'>
  readonly abandoned: AbandonedProcesses
  /** Options that this drbdsetup does not know. `readDump` adds those that it finds. */
  readonly refused: Set<string>
}

export interface DumpRequest {
  /** Include statistics such as out-of-sync amounts. They double the text and change without an event. */
  readonly statistics: boolean
  /** Digest of a known text: an equal text is not parsed. */
  readonly known?: string | null
  /** Called when drbdsetup misses its deadline. It can take seconds more until drbdsetup is killed. */
  readonly onTimeout?: (cause: string) => void
}

export type DumpResult =
  /** `digest` is that of the text that `state` was parsed from. `state.losses` names resources with unreadable lines. */
  | { readonly kind: 'complete'; readonly state: Events2State; readonly digest: string }
  /** The text is the known one. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'failed'; readonly cause: string }

/** The end of an events2 dump, with and without a timestamp. */
const DUMP_END = 'exists -\n'

/** Number of pipe chunks that are parsed before other work gets a turn. */
const CHUNKS_PER_TURN = 8

/**
 * Reads the current state of every DRBD object with `events2 --now`. The dump has the format of the events, on 8.4 and on 9: equal
 * states give equal texts, and its end is marked. `status` differs between 8.4 and 9 and omits what it considers normal. `events2
 * --poll` is not used: that of 9.22 hangs when the module is unloaded.
 *
 * A drbdsetup without `--now` runs `events2`, and is ended after its dump.
 */
export async function readDump(options: DumpOptions, signal: AbortSignal, request: DumpRequest): Promise<DumpResult> {
  const { statistics, known = null, onTimeout = () => undefined } = request
  const { drbdsetup, clock, pace, abandoned, refused } = options
  if (abandoned.isFull) {
    const cause = `${drbdsetup[0]} hangs and cannot be killed`
    onTimeout(cause)
    return { kind: 'failed', cause }
  }
  const timeout = new AbortController()
  const cancelTimeout = clock.after(pace.checkTimeoutMs, () => timeout.abort())
  const dumped = new AbortController()
  const wanted = statistics ? ['--now', '--statistics'] : ['--now']
  const args = ['events2', ...wanted.filter(option => !refused.has(option))]
  const isEndless = !args.includes('--now')
  const hash = createHash('sha1')
  const state = new Events2State()
  const reader = new Events2Reader(line => state.apply(line))
  const parse = (chunk: Uint8Array) => {
    reader.push(chunk)
    // The list of changed mirrors is not needed here, and a broken tool could make it grow.
    state.takeChanged()
  }
  const unparsed: Uint8Array[] = []
  let tail = ''
  const child = new DrbdsetupChild({
    drbdsetup,
    args,
    clock,
    signal: AbortSignal.any([signal, timeout.signal, dumped.signal]),
    killAfterMs: pace.killAfterMs,
    abandonAfterMs: pace.abandonAfterMs,
    abandoned,
    onChunk: chunk => {
      hash.update(chunk)
      if (known === null) parse(chunk)
      else unparsed.push(chunk)
      if (!isEndless) return
      // An event can follow the end mark in the same chunk, and a chunk can end within the mark.
      const text = tail + Buffer.from(chunk).toString('latin1')
      if (text.includes(DUMP_END)) dumped.abort()
      tail = text.slice(-DUMP_END.length)
    },
  })
  await child.drained
  const hanging = `${drbdsetup[0]} ${args.join(' ')} hangs`
  const isTimedOut = timeout.signal.aborted && !signal.aborted
  if (isTimedOut) onTimeout(hanging)
  await child.reap()
  cancelTimeout()
  if (isTimedOut) return { kind: 'failed', cause: hanging }
  const { refusedOption } = child
  if (refusedOption !== null && !refused.has(refusedOption) && !signal.aborted) {
    refused.add(refusedOption)
    return readDump(options, signal, request)
  }
  const digest = hash.digest('hex')
  if (digest === known) return { kind: 'unchanged' }
  for (const [index, chunk] of unparsed.entries()) {
    parse(chunk)
    if (index % CHUNKS_PER_TURN === 0) await nextTurn()
  }
  if (state.complete && !state.hasOvertaken) return { kind: 'complete', state, digest }
  const lost = state.problems.kept[0]?.text
  return { kind: 'failed', cause: lost === undefined ? child.exitText : `${child.exitText}; ${lost}` }
}
