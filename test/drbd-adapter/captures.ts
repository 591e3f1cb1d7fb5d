import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Events2Line } from '../../src/drbd-adapter/events2/events2-line.ts'
import { Events2Reader } from '../../src/drbd-adapter/events2/events2-reader.ts'
import { Events2State } from '../../src/drbd-adapter/events2/events2-state.ts'
import type { DrbdSnapshot } from '../../src/drbd-adapter/status/snapshot.ts'
import type { DrbdVolume } from '../../src/sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../src/sync-query/judge/judge-drbd.ts'
import type { SyncState } from '../../src/sync-query/state.ts'

const FIXTURES = join(import.meta.dirname, '../fixtures')

/** Fixtures of other projects beside this one; they are read there and not copied. */
const PUBLIC = join(import.meta.dirname, '../../../shared/fixtures/public')

export const SETS = ['drbd84', 'drbd9'] as const

/** The recordings of a set whose names have this ending. */
export function namesOf(set: (typeof SETS)[number], ending: string): string[] {
  return readdirSync(join(FIXTURES, set)).filter(name => name.endsWith(ending))
}

export function capture(set: (typeof SETS)[number], name: string): string {
  return readFileSync(join(FIXTURES, set, name), 'utf8')
}

/** The text of a public fixture; `null` where they are absent. */
export function publicFixture(path: string): string | null {
  const file = join(PUBLIC, path)
  return existsSync(file) ? readFileSync(file, 'utf8') : null
}

/** Parses a stream from beginning to end. */
export function readStream(chunks: Iterable<string | Uint8Array>, onLine: (line: Events2Line) => void): void {
  const reader = new Events2Reader(onLine)
  for (const chunk of chunks) reader.push(chunk)
  reader.end()
}

export function fold(stream: string): Events2State {
  const state = new Events2State()
  readStream([stream], line => state.apply(line))
  return state
}

export function stateOf(volume: DrbdVolume): SyncState {
  return judgeDrbdVolume(volume).state
}

export function statesOf(volumes: readonly DrbdVolume[]): Record<string, SyncState> {
  return Object.fromEntries(volumes.map(volume => [volume.mirror, stateOf(volume)]))
}

/** State and reasons of every volume of a snapshot, as `state code@peer=word …`. */
export function verdicts({ volumes }: Pick<DrbdSnapshot, 'volumes'>): Record<string, string> {
  return Object.fromEntries(volumes.map(volume => [volume.mirror, verdict(volume)]))
}

function verdict(volume: DrbdVolume): string {
  const { state, reasons } = judgeDrbdVolume(volume)
  const codes = reasons.map(({ code, peer, word }) =>
    [code, peer === undefined ? '' : `@${peer}`, word === undefined ? '' : `=${word}`].join(''),
  )
  return [state, ...codes].join(' ')
}
