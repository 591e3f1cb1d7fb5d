import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { HostMapping } from './recording.ts'

/** What the simulated drbdsetup of one host plays. The demo writes it; the process reads it whenever it changes. */
export interface Playback {
  /** Path of the recorded stream whose initial dump describes the host before the parts. */
  readonly dump: string
  /** Play only the lines of these resources; `null`: all. */
  readonly resources: readonly string[] | null
  readonly mapping: HostMapping
  /** What to play after the dump, in this order. */
  readonly parts: readonly PlaybackPart[]
}

export interface PlaybackPart {
  /** Rises with every part, so that the process recognises new ones. */
  readonly id: number
  readonly recording: string
  /** The part of the recording to play: from this moment to before that, milliseconds since 1970. */
  readonly recordedFrom: number
  readonly recordedUntil: number
  /** When it begins, by the clock of this machine, milliseconds since 1970. */
  readonly beginsAt: number
  /** 1: as recorded; 20: twenty times as fast. */
  readonly speed: number
}

/** Writes the file in one step: a reader sees the previous one or the new one. */
export function writePlayback(path: string, playback: Playback): void {
  const draft = `${path}.new`
  writeFileSync(draft, JSON.stringify(playback))
  renameSync(draft, path)
}

export function readPlayback(path: string): Playback {
  // The program itself writes this file; anything else in it is a bug and may throw.
  return JSON.parse(readFileSync(path, 'utf8')) as Playback
}
