import { deadline } from '../waiting/index.ts'
import { DrbdsetupChild, type DrbdsetupCommand } from './drbdsetup-child.ts'
import { Events2Reader } from './events2-reader.ts'
import { Events2State } from './events2-state.ts'
import type { DrbdSourcePace } from './pace.ts'
import type { Strays } from './strays.ts'

export interface LookOptions {
  readonly drbdsetup: DrbdsetupCommand
  readonly pace: Pick<DrbdSourcePace, 'dumpTimeoutMs' | 'killAfterMs' | 'abandonAfterMs'>
  readonly strays: Strays
}

export type Look =
  /** Of a resource that `state.losses` names a line could not be read. */
  | { readonly kind: 'whole'; readonly state: Events2State }
  /** `refused`: this drbdsetup cannot be asked so. */
  | { readonly kind: 'failed' | 'refused'; readonly why: string }

/**
 * Everything as it is now, figures included, in the words of the events (8.4 and 9 alike): unlike `status`, which 8.4
 * prints otherwise than 9 and which leaves out what it thinks is well, a dump tells the same of the same and says where it
 * ends. Not `events2 --poll`: 9.22 then hangs when the module is unloaded.
 */
export async function lookAround({ drbdsetup, pace, strays }: LookOptions, signal: AbortSignal): Promise<Look> {
  if (strays.isFull) return { kind: 'failed', why: `${drbdsetup[0]} hangs and cannot be killed` }
  const state = new Events2State()
  const reader = new Events2Reader(line => state.apply(line))
  const timeout = deadline(pace.dumpTimeoutMs)
  const question = ['events2', '--now', '--statistics']
  const child = new DrbdsetupChild({
    drbdsetup,
    question,
    signal: AbortSignal.any([signal, timeout]),
    killAfterMs: pace.killAfterMs,
    abandonAfterMs: pace.abandonAfterMs,
    strays,
    onChunk: chunk => {
      reader.push(chunk)
      // Nobody asks for it here, and a broken tool could make it grow.
      state.takeDirty()
    },
  })
  await child.drained
  await child.reap()
  if (state.complete && !state.hasOvertaken) return { kind: 'whole', state }
  const lost = state.problems.kept[0]?.text
  const ended = lost === undefined ? child.epitaph : `${child.epitaph}; ${lost}`
  const why = timeout.aborted ? `${drbdsetup[0]} ${question.join(' ')} hangs` : ended
  return { kind: child.refusedOption === null ? 'failed' : 'refused', why }
}
