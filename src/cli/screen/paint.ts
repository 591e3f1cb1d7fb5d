import { styleText } from 'node:util'
import type { SyncState } from '../../sync-query/state.ts'
import type { Terminal } from '../terminal.ts'

export type Tone = 'good' | 'moving' | 'bad' | 'unsure' | 'faint' | 'strong'

/** Colours a text. The width on screen stays the same. */
export type Paint = (tone: Tone, text: string) => string

const FORMATS = {
  good: 'green',
  moving: 'cyan',
  bad: 'red',
  unsure: 'magenta',
  faint: 'dim',
  strong: 'bold',
} as const satisfies Record<Tone, string>

export const UNPAINTED: Paint = (_tone, text) => text

/** Colours on a terminal that supports them and whose user wants them (`NO_COLOR`, `TERM=dumb`); otherwise none. */
export function paintFor(stdout: Terminal['stdout']): Paint {
  if (stdout.isTTY !== true || stdout.hasColors?.() !== true) return UNPAINTED
  return (tone, text) => styleText(FORMATS[tone], text, { validateStream: false })
}

export const TONE_OF_STATE = {
  synced: 'good',
  resyncing: 'moving',
  degraded: 'bad',
  unknown: 'unsure',
} as const satisfies Record<SyncState, Tone>
