import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { deadline } from '../../platform/time/deadline.ts'
import { Events2Reader } from '../events2/events2-reader.ts'
import { Events2State } from '../events2/events2-state.ts'
import type { Strays } from '../events2/strays.ts'
import { DrbdsetupChild, type DrbdsetupCommand } from './drbdsetup-child.ts'
import type { DrbdSourcePace } from './pace.ts'

export interface LookOptions {
  readonly drbdsetup: DrbdsetupCommand
  readonly pace: Pick<DrbdSourcePace, 'lookTimeoutMs' | 'killAfterMs' | 'abandonAfterMs'>
  readonly strays: Strays
  /** Options that this drbdsetup was found not to know; one that a look finds is added. */
  readonly refused: Set<string>
}

export interface LookQuestion {
  /** Ask for figures such as out-of-sync amounts too. They double the text, and change without an event. */
  readonly figures: boolean
  /** The digest of a text: the same text again needs no parsing. */
  readonly known?: string | null
  /** Called once drbdsetup has not answered in time: it may take seconds more until it is killed. */
  readonly onSilence?: (why: string) => void
}

export type Look =
  /** `digest` of the text that `state` was parsed from. Of a resource that `state.losses` names a line could not be read. */
  | { readonly kind: 'whole'; readonly state: Events2State; readonly digest: string }
  /** The text is the known one. */
  | { readonly kind: 'same' }
  | { readonly kind: 'failed'; readonly why: string }

/** What ends a dump of events2, with and without a timestamp. */
const DUMP_END = 'exists -\n'

/** So many chunks of a pipe are parsed before others get their turn. */
const CHUNKS_IN_A_TURN = 8

/**
 * Reads the present state of every DRBD object with `events2 --now`, in the words of the events (8.4 and 9 alike): unlike
 * `status`, which 8.4 prints otherwise than 9 and which omits what it thinks is well, a dump shows the same state in the
 * same text and marks its end. Not `events2 --poll`: 9.22 then hangs when the module is unloaded.
 *
 * A drbdsetup without `--now` is asked for `events2` and ended after its dump.
 */
export async function lookAround(options: LookOptions, signal: AbortSignal, asked: LookQuestion): Promise<Look> {
  const { figures, known = null, onSilence = () => undefined } = asked
  const { drbdsetup, pace, strays, refused } = options
  if (strays.isFull) {
    const why = `${drbdsetup[0]} hangs and cannot be killed`
    onSilence(why)
    return { kind: 'failed', why }
  }
  const timeout = deadline(pace.lookTimeoutMs)
  const dumped = new AbortController()
  const wanted = figures ? ['--now', '--statistics'] : ['--now']
  const question = ['events2', ...wanted.filter(option => !refused.has(option))]
  const isEndless = !question.includes('--now')
  const hash = createHash('sha1')
  const state = new Events2State()
  const reader = new Events2Reader(line => state.apply(line))
  const parse = (chunk: Uint8Array) => {
    reader.push(chunk)
    // Nobody asks for it here, and a broken tool could make it grow.
    state.takeDirty()
  }
  const unparsed: Uint8Array[] = []
  let tail = ''
  const child = new DrbdsetupChild({
    drbdsetup,
    question,
    signal: AbortSignal.any([signal, timeout, dumped.signal]),
    killAfterMs: pace.killAfterMs,
    abandonAfterMs: pace.abandonAfterMs,
    strays,
    onChunk: chunk => {
      hash.update(chunk)
      if (known === null) parse(chunk)
      else unparsed.push(chunk)
      if (!isEndless) return
      // An event may stand behind it in the same chunk, and a chunk may end within it.
      const text = tail + Buffer.from(chunk).toString('latin1')
      if (text.includes(DUMP_END)) dumped.abort()
      tail = text.slice(-DUMP_END.length)
    },
  })
  await child.drained
  const silence = `${drbdsetup[0]} ${question.join(' ')} hangs`
  const isSilent = timeout.aborted && !signal.aborted
  if (isSilent) onSilence(silence)
  await child.reap()
  if (isSilent) return { kind: 'failed', why: silence }
  const { refusedOption } = child
  if (refusedOption !== null && !refused.has(refusedOption) && !signal.aborted) {
    refused.add(refusedOption)
    return lookAround(options, signal, asked)
  }
  const digest = hash.digest('hex')
  if (digest === known) return { kind: 'same' }
  for (const [index, chunk] of unparsed.entries()) {
    parse(chunk)
    if (index % CHUNKS_IN_A_TURN === 0) await nextTurn()
  }
  if (state.complete && !state.hasOvertaken) return { kind: 'whole', state, digest }
  const lost = state.problems.kept[0]?.text
  return { kind: 'failed', why: lost === undefined ? child.epitaph : `${child.epitaph}; ${lost}` }
}
