import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { Casting } from './recording.ts'

/** What one host's stand-in is to play. Written by whoever directs the story, read by the stand-in as it changes. */
export interface Stage {
  /** Path of the recorded stream whose opening dump describes the host as it is before the story. */
  readonly dump: string
  readonly resources: readonly string[] | null
  readonly casting: Casting
  /** What to play after the dump, one after the other. None: nothing happens. */
  readonly stories: readonly Story[]
}

export interface Story {
  /** Rises with every story, so that a stand-in notices new ones. */
  readonly id: number
  readonly recording: string
  /** The part of the recording to play: from this moment to before that, milliseconds since 1970. */
  readonly recordedFrom: number
  readonly recordedUntil: number
  /** The moment of our clock at which it begins, milliseconds since 1970. */
  readonly beginsAt: number
  /** 1: as recorded; 20: twenty times as fast. */
  readonly speed: number
}

/** Writes a stage at once: a reader sees the old one or the new one, never half of it. */
export function writeStage(path: string, stage: Stage): void {
  const draft = `${path}.new`
  writeFileSync(draft, JSON.stringify(stage))
  renameSync(draft, path)
}

export function readStage(path: string): Stage {
  // Both ends of this file are the program's own; anything else in it is a bug and may throw.
  return JSON.parse(readFileSync(path, 'utf8')) as Stage
}
